"""One slot of each spiking model on a batch, in place: the equations of `mep_neuro/neurons` in grid steps.

Membranes and currents are held times 2^24, which rounds nothing; the models' files hold the equations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mep_neuro.equilibrium.spiking.synapses import UNIT
from mep_neuro.neurons.lif import Lif
from mep_neuro.neurons.sif import Sif
from mep_neuro.neurons.sigma_delta import GradedSigmaDelta
from mep_neuro.neurons.spiking import SpikingNeuron


class Registers(NamedTuple):
    """State of some units, shape (units, batch) each; v and i times 2^24. See `SpikingState`."""

    v: Tensor
    i: Tensor
    s: Tensor
    m: Tensor

    def of(self, rows: slice) -> "Registers":
        """Views of some units."""
        return Registers(*(register[rows] for register in self))

    def copy(self) -> "Registers":
        """Registers that a phase may change."""
        return Registers(*(register.clone() for register in self))


def step(neuron: SpikingNeuron, now: Registers, arriving: Tensor, drive: Tensor, slot: int) -> Tensor:
    """One slot of one model, written into `now`.

    Args:
        neuron: The model.
        now: Registers before and after.
        arriving: What arrives times 2^24, shape (units, batch); used up.
        drive: Constant current times 2^24, same shape.
        slot: Slots since the phase began.

    Returns:
        How many messages each unit sent, 0 or 1.
    """
    if isinstance(neuron, GradedSigmaDelta):
        return _sigma_delta(neuron, now, arriving, drive, slot)
    if isinstance(neuron, Lif):
        return _lif(neuron, now, arriving, drive)
    assert isinstance(neuron, Sif)
    return _sif(neuron, now, arriving, drive)


def _sif(neuron: Sif, now: Registers, arriving: Tensor, drive: Tensor) -> Tensor:
    _synapse(neuron.keep_syn, now.i, arriving)
    threshold = neuron.v_threshold * UNIT
    now.v.add_(now.i).add_(drive).clamp_(neuron.v_low * UNIT, neuron.v_high * UNIT)
    torch.ge(now.v, threshold, out=now.m)
    now.v.sub_(torch.mul(now.m, threshold, out=arriving))
    return now.s.copy_(now.m)


def _lif(neuron: Lif, now: Registers, arriving: Tensor, drive: Tensor) -> Tensor:
    _synapse(neuron.keep_syn, now.i, arriving)
    leak = neuron.v_leak * UNIT
    _toward_zero(now.v.sub_(leak).mul_(neuron.keep_mem), arriving).add_(leak)
    now.v.add_(now.i).add_(drive).clamp_(min=neuron.v_low * UNIT)
    fired = now.v >= neuron.v_threshold * UNIT
    now.m.copy_(fired)
    now.v.masked_fill_(fired, neuron.v_reset * UNIT)
    return now.s.copy_(now.m)


def _sigma_delta(
    neuron: GradedSigmaDelta, now: Registers, arriving: Tensor, drive: Tensor, slot: int
) -> Tensor:
    theta, gain = neuron.threshold(slot), neuron.gain_mem
    now.i.add_(arriving)
    _toward_zero(now.v.mul_(1.0 - gain), arriving)
    current = torch.add(now.i, drive, out=arriving)
    now.v.add_(current.add_(0.5).floor_().mul_(gain).add_(0.5).floor_())
    torch.mul(now.v, 1.0 / (theta * UNIT), out=now.m)
    now.m.add_(0.5).floor_().mul_(theta).clamp_(0.0, 1.0).sub_(now.s)
    sends = torch.ge(torch.abs(now.m, out=arriving), theta, out=arriving)
    now.m.mul_(sends)
    now.s.add_(now.m)
    return sends


def _synapse(keep: float, current: Tensor, arriving: Tensor) -> None:
    _toward_zero(current.mul_(keep).add_(arriving.mul_(1.0 - keep)), arriving)


def _toward_zero(value: Tensor, scratch: Tensor) -> Tensor:
    """The whole number next to a value towards 0, in place; torch's own trunc takes 7 times as long."""
    above = torch.clamp(value, min=0.0, out=scratch).floor_()
    return value.clamp_(max=0.0).ceil_().add_(above)
