"""From what a run of spiking neurons saw to a Recording."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.spiking import constant_current, neuron_of, spiking_currents
from mep_neuro.simulation.stimulus import Stimulus

if TYPE_CHECKING:
    from mep_neuro.converters.to_brian2.spiking.model import SpikingConverted

Array = NDArray[np.float64]


def recording(
    model: "SpikingConverted", shown: Stimulus, monitors: Mapping[str, tuple[Any, Any]], seconds: float
) -> Recording:
    """The recording of the first phase; spikes and membranes are of all phases.

    Args:
        model: What ran.
        shown: The stimulus.
        monitors: Of each population what it sent, and its membranes; empty where nothing was traced.
        seconds: Wall-clock time.
    """
    network, rates = model.source, model.phases()[0]
    operator = spiking_currents(network)
    residual = operator.residual(constant_current(operator, shown), operator.join(rates))
    fine = max(neuron_of(network, name).resolution(model.slots) for name in model.populations)
    messages = {name: model.by_sample(group.messages) for name, group in model.populations.items()}
    steps = model.slots * len(model.signs)
    return Recording(
        backend="brian2",
        rates=with_readout(network, rates),
        steps=np.full(model.samples, steps, dtype=np.int64),
        settled=residual <= fine,
        seconds=seconds,
        spikes={name: _sent(model, sent, steps) for name, (sent, _) in monitors.items()},
        membranes={name: model.steps(membrane.v) for name, (_, membrane) in monitors.items()},
        counts=_counts(model, messages),
        notes=(
            *model.notes,
            *(() if model.program is None or model.program.built is None else (model.program.built.note,)),
            f"{network.dynamic[0].model} neurons, {model.slots} slots: the rates are read-outs; "
            f"|s - rho(current)| is at most {residual.max():.2g}, what they resolve {fine:.2g}",
            *model.report.dropped,
        ),
    )


def _sent(model: "SpikingConverted", monitor: Any, steps: int) -> Array:
    """Spikes, or messages, of each slot of the last run, shape (slots, samples, n)."""
    units = np.asarray(monitor.i)
    begin = float(np.asarray(next(iter(model.populations.values())).begin))
    slot = np.rint((np.asarray(monitor.t) - begin) / model.dt).astype(int)
    frames = np.zeros((steps, len(monitor.source)))
    frames[slot, units] = np.asarray(monitor.m) if hasattr(monitor, "m") else 1.0
    return frames.reshape(steps, model.samples, -1)


def _counts(model: "SpikingConverted", messages: Mapping[str, Array]) -> dict[str, float]:
    fan_out = {name: np.zeros(model.source.populations[name].size) for name in model.populations}
    for name in model.projections:
        q = model.source.projections[name]
        np.add.at(fan_out[q.pre], q.synapses.pre, 1.0)
        np.add.at(fan_out[q.post], q.synapses.post, 1.0)
    units = sum(each.size for each in fan_out.values())
    return {
        "messages per unit": float(sum(m.sum() for m in messages.values()) / (units * model.samples)),
        "synaptic events per sample": float(
            sum((m @ fan_out[name]).sum() for name, m in messages.items()) / model.samples
        ),
    }
