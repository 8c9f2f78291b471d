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


def step(neuron: SpikingNeuron, now: Registers, arriving: Tensor, drive: Tensor, slot: int) -> None:
    """One slot of one model, written into `now`; `arriving` is used up.

    Args:
        neuron: The model.
        now: Registers before and after.
        arriving: What arrives times 2^24, shape (units, batch).
        drive: Constant current times 2^24, same shape.
        slot: Slots since the phase began.
    """
    if isinstance(neuron, GradedSigmaDelta):
        _sigma_delta(neuron, now, arriving, drive, slot)
    elif isinstance(neuron, Lif):
        _lif(neuron, now, arriving, drive)
    else:
        assert isinstance(neuron, Sif)
        _sif(neuron, now, arriving, drive)


def _sif(neuron: Sif, now: Registers, arriving: Tensor, drive: Tensor) -> None:
    _synapse(neuron.keep_syn, now.i, arriving)
    threshold = neuron.v_threshold * UNIT
    now.v.add_(now.i).add_(drive).clamp_(neuron.v_low * UNIT, neuron.v_high * UNIT)
    torch.ge(now.v, threshold, out=now.m)
    now.v.sub_(now.m, alpha=threshold)
    now.s.copy_(now.m)


def _lif(neuron: Lif, now: Registers, arriving: Tensor, drive: Tensor) -> None:
    _synapse(neuron.keep_syn, now.i, arriving)
    leak = neuron.v_leak * UNIT
    now.v.sub_(leak).mul_(neuron.keep_mem).trunc_().add_(leak)
    now.v.add_(now.i).add_(drive).clamp_(min=neuron.v_low * UNIT)
    fired = now.v >= neuron.v_threshold * UNIT
    now.m.copy_(fired)
    now.v.masked_fill_(fired, neuron.v_reset * UNIT)
    now.s.copy_(now.m)


def _synapse(keep: float, current: Tensor, arriving: Tensor) -> None:
    current.mul_(keep).add_(arriving, alpha=1.0 - keep).trunc_()


def _sigma_delta(
    neuron: GradedSigmaDelta, now: Registers, arriving: Tensor, drive: Tensor, slot: int
) -> None:
    theta, gain = neuron.threshold(slot), neuron.gain_mem
    now.i.add_(arriving)
    current = torch.add(now.i, drive, out=arriving)
    current.add_(0.5).floor_().mul_(gain).add_(0.5).floor_()
    now.v.mul_(1.0 - gain).trunc_().add_(current)
    torch.mul(now.v, 1.0 / (theta * UNIT), out=now.m)
    now.m.add_(0.5).floor_().mul_(theta).clamp_(0.0, 1.0).sub_(now.s)
    now.m.masked_fill_(now.m.abs() < theta, 0.0)
    now.s.add_(now.m)
