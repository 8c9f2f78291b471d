"""The phases of a spiking network in torch: slots, the rates that its windows read, and their responses.

Plus and minus phase both begin where the free phase ended, so that most of their quantization noise is
the same. What learning sees are rates, so that contrast and plasticity are those of the rate network.

Source: Scellier and Bengio 2017 (phases); Laborieux et al. 2021 (centered); the window: `neurons/spiking.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mep_neuro.equilibrium.held import held
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.settle import Rest
from mep_neuro.equilibrium.spiking.neurons import Registers, step
from mep_neuro.equilibrium.spiking.synapses import UNIT
from mep_neuro.errors import StimulusError
from mep_neuro.neurons.fixed_point import LARGEST_SUM
from mep_neuro.neurons.spiking import SpikingNeuron
from mep_neuro.simulation.spiking import neuron_of

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork

Watch = Callable[[Registers], None]


@dataclass(frozen=True)
class SpikingRest:
    """A batch at the end of a phase.

    Attributes:
        rates: Read-outs of all settling units, one under the other, float64, shape (units, batch).
        end: Registers to go on from.
        messages: Spikes or messages of each unit, shape (units, batch).
        residual: Largest |s - rho(current)| of the read-outs of each sample, shape (batch,).
    """

    rates: Tensor
    end: Registers
    messages: Tensor
    residual: Tensor


class _Part(NamedTuple):
    """Units of one neuron: views of a phase's tensors."""

    neuron: SpikingNeuron
    window: list[float]
    now: Registers
    arriving: Tensor
    current: Tensor


def run_phase(
    model: "EquilibriumNetwork", current: Tensor, free: Registers | None = None, watch: Watch | None = None
) -> SpikingRest:
    """Run one phase of equilibrium.slots slots.

    Args:
        model: A network of spiking neurons; not changed.
        current: Constant current in grid steps (`on_grid`), shape (units, batch).
        free: For a nudged phase, the end of the free phase, not changed; otherwise it starts from rest.
        watch: Called after each slot with the registers, which are valid during the call only.

    Raises:
        StimulusError: A current is too large for exact sums.
    """
    synapses, slots = model.spiking, model.spec.equilibrium.slots
    assert synapses is not None
    largest = float(current.abs().max()) / UNIT if current.numel() else 0.0
    if not largest <= LARGEST_SUM:
        raise StimulusError(
            f"spiking: a constant current of {largest:.4g} exceeds {LARGEST_SUM:g}; scale the input down"
        )
    now = _rest(model, current) if free is None else free.copy()
    arriving, total, messages = (torch.zeros_like(current) for _ in range(3))
    parts = [
        _Part(
            neuron,
            neuron.window(slots, nudged=free is not None).tolist(),
            now.of(rows),
            *(t[rows] for t in (arriving, current)),
        )
        for neuron, rows in _of_one_neuron(model)
    ]
    sums = [(total[rows], messages[rows]) for _, rows in _of_one_neuron(model)]
    for slot in range(slots):
        synapses.product(now.m, arriving)
        for part, (read, sent) in zip(parts, sums, strict=True):
            sent += step(part.neuron, part.now, part.arriving, part.current, slot)
            if part.window[slot]:
                read += torch.mul(part.now.s, part.window[slot], out=part.arriving)
        if watch is not None:
            watch(now)
    for part, (read, _) in zip(parts, sums, strict=True):
        read /= sum(part.window)
    aim = synapses.product(total, arriving).add_(current).div_(UNIT).clamp_(0.0, 1.0)
    return SpikingRest(total, now, messages, (total - aim).abs_().amax(0))


def on_grid(model: "EquilibriumNetwork", currents: Mapping[str, Tensor], batch: int) -> Tensor:
    """Currents by population, shape (batch, n) each, as grid steps, shape (units, batch); 0 elsewhere."""
    assert model.spiking is not None
    joined = torch.zeros(model.spiking.units, batch, dtype=torch.float64)
    for name, rows in model.spiking.rows.items():
        if name in currents:
            joined[rows] = currents[name].T
    return joined.mul_(UNIT).add_(0.5).floor_()


def spiking_free(
    model: "EquilibriumNetwork", drive: Mapping[str, Tensor], batch: int
) -> tuple[Rest, SpikingRest]:
    """The free phase, from rest."""
    end = run_phase(model, on_grid(model, drive, batch))
    return _as_rest(model, end), end


def _as_rest(model: "EquilibriumNetwork", phase: SpikingRest) -> Rest:
    """A phase in the form of a settle: rates of each population in the model's dtype, and its cost."""
    assert model.spiking is not None
    states = [phase.rates[rows].T.to(model.dtype) for rows in model.spiking.rows.values()]
    steps = torch.full((phase.rates.shape[1],), model.spec.equilibrium.slots)
    return Rest(states, None, phase.residual, steps, phase.messages.T @ torch.cat(model.system.fan_out))


def resolution(model: "EquilibriumNetwork") -> float:
    """The residual below which a phase has settled as far as its read-out can tell."""
    slots = model.spec.equilibrium.slots
    return max(neuron_of(model.network, name).resolution(slots) for name in model.settling)


def spiking_responses(
    model: "EquilibriumNetwork",
    drive: Mapping[str, Tensor],
    free: SpikingRest,
    nudge: Mapping[str, Tensor],
    strength: Tensor | float,
    *,
    centered: bool,
) -> tuple[Rest, dict[str, Response]]:
    """The plus phase, the minus phase if centered, and what every population shows of them."""
    batch = free.rates.shape[1]
    steady, pull = on_grid(model, drive, batch), on_grid(model, nudge, batch)
    plus = run_phase(model, steady + pull, free.end)
    other = run_phase(model, steady - pull, free.end) if centered else free
    span = (2.0 if centered else 1.0) * strength
    above, below = _as_rest(model, plus), _as_rest(model, other)
    responses = {}
    for name, high, low in zip(model.settling, above.states, below.states, strict=True):
        responses[name] = Response((high + low) / 2, held(model, name, (high - low) / span))
    residual = torch.maximum(above.residual, below.residual)
    return Rest(above.states, None, residual, above.steps, above.events), responses


def _of_one_neuron(model: "EquilibriumNetwork") -> list[tuple[SpikingNeuron, slice]]:
    """The settling units in stretches of one neuron with the same parameters."""
    assert model.spiking is not None
    parts: list[tuple[SpikingNeuron, slice]] = []
    for name, rows in model.spiking.rows.items():
        neuron = neuron_of(model.network, name)
        if parts and parts[-1][0] == neuron:
            parts[-1] = neuron, slice(parts[-1][1].start, rows.stop)
        else:
            parts.append((neuron, rows))
    return parts


def _rest(model: "EquilibriumNetwork", like: Tensor) -> Registers:
    registers = Registers(*(torch.zeros_like(like) for _ in range(4)))
    assert model.spiking is not None
    for name, rows in model.spiking.rows.items():
        v = neuron_of(model.network, name).rest((1,)).v
        registers.v[rows] = float(v[0]) * UNIT
    return registers
