"""A network as a torch module: parameters that learning changes, and the operators of its projections."""

from collections.abc import Callable, Mapping
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mep_neuro.equilibrium.activation import RHO, held_at
from mep_neuro.equilibrium.cost import cost_of
from mep_neuro.equilibrium.couplings.attention import AttentionCoupling
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.make import make_coupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.energy_weights import of_plastic_biases, under_readouts
from mep_neuro.equilibrium.learning.moment import Moment
from mep_neuro.equilibrium.order import from_input_to_output
from mep_neuro.equilibrium.spiking.synapses import SpikingSynapses
from mep_neuro.equilibrium.system import System
from mep_neuro.errors import StimulusError, UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.spiking import is_spiking

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class EquilibriumNetwork(nn.Module):
    """Populations that settle, coupled both ways by the same weights.

    No parameter requires grad: training never builds an autograd graph.

    Attributes:
        network: The network it was made from; `to_network()` has the present weights.
        settling: Names of the settling populations, from the input towards the output.
        energy_weights: |k| of the units of each settling population, over 2**exponent.
        dropout: Probability with which units of each settling population are silenced in training.
        winners: Units of each settling population that may be active; None is all.
        exponents: Exponent of each population, by name: its responses are held times 2**exponent.
        biases: Bias of every population but the input, by name.
        couplings: Projections between settling populations, linear in the states.
        attentions: Projections with an energy of their own, into settling populations.
        inputs: Projections from the clamped input.
        readouts: Projections into a softmax read-out outside the dynamics.
        projections: Every projection, by name.
        pulled: k of the units that each read-out sees; None where it is 1.
        plastic_biases: Energy weight of the units of each population whose bias learns, one number if equal.
        cost: Name of the cost, told apart by whether the output settles.
        positions: Positions of a softmax read-out, each with a softmax of its own; 1 for classes.
        system: The settling blocks and the links between them.
        predictive: Whether layers predict each other: then no current flows back in the free phase.
        spiking: Synapses of a network of spiking neurons; None of rate neurons.
        moment: Place in training of the phases to come; None outside training.
    """

    def __init__(
        self, network: Network, dtype: torch.dtype = torch.float32, compute: torch.dtype | None = None
    ) -> None:
        """Copy the numbers of a network.

        Args:
            network: The network.
            dtype: Of the weights.
            compute: Of large matrix products; bfloat16 with dense projections and weights in float32 alone.
                States and sums stay in `dtype`, and so does everything where a CPU has no bfloat16 units.
        """
        super().__init__()
        self.network = network
        self.spec = network.spec
        self.dtype = dtype
        self.compute = compute or dtype
        self.settling = from_input_to_output(network)
        self.input_name, self.output_name = network.input.name, network.output.name
        self.activations = [RHO[network.populations[name].activation] for name in self.settling]
        self.energy_weights = [
            torch.tensor(abs(network.populations[name].energy_weight), dtype=dtype) for name in self.settling
        ]
        self.exponents = {name: p.energy_exponent for name, p in network.populations.items()}
        self.half_activations = [
            held_at(rho, self.exponents[name])
            for rho, name in zip(self.activations, self.settling, strict=True)
        ]
        self.dropout = [network.spec.populations[name].dropout for name in self.settling]
        self.winners = [network.spec.populations[name].sparsity for name in self.settling]
        self.biases: dict[str, nn.Parameter] = {}
        for name, population in network.populations.items():
            if population.role != "input":
                bias = torch.tensor(population.bias, dtype=dtype)
                self.biases[name] = nn.Parameter(bias, requires_grad=False)
                self.register_parameter(f"bias_{name}", self.biases[name])
        self.weights: dict[str, nn.Parameter] = {}
        self.couplings: dict[str, DenseCoupling | PairCoupling | LatticeCoupling] = {}
        self.attentions: dict[str, AttentionCoupling] = {}
        self.inputs: dict[str, DenseCoupling | PairCoupling] = {}
        self.readouts: dict[str, DenseCoupling] = {}
        for name, projection in network.projections.items():
            self._add(name, make_coupling(projection, network, dtype))
        self.projections = {**self.inputs, **self.couplings, **self.attentions, **self.readouts}
        self.input_scale = network.input.scale
        self.centre_input(torch.tensor(network.input.offset, dtype=dtype))
        self.readout_offset = {
            name: torch.tensor(network.projections[name].offset, dtype=dtype) for name in self.readouts
        }
        self.readout_gain = {name: network.projections[name].gain for name in self.readouts}
        self.pulled = under_readouts(network, self.readouts, dtype)
        self.plastic_biases = of_plastic_biases(network, dtype)
        self.positions = network.output.positions
        self.cost = cost_of(network.spec.equilibrium.nudge.cost, network.output.dynamic)
        self.predictive = self.spec.equilibrium.energy == "predictive_coding"
        self.system = System(self)
        self.spiking = SpikingSynapses(self) if is_spiking(network) else None
        self.moment: Moment | None = None
        for coupling in self.projections.values():
            coupling.compute_in(self.compute)

    def _add(
        self, name: str, coupling: DenseCoupling | PairCoupling | LatticeCoupling | AttentionCoupling
    ) -> None:
        self.weights[name] = coupling.weight
        self.register_parameter(f"weight_{name}", coupling.weight)
        if coupling.latent is not None:
            self.register_parameter(f"latent_{name}", coupling.latent)
            coupling.learned_changed()  # rounded again in this dtype
        if isinstance(coupling, AttentionCoupling):
            self.attentions[name] = coupling
            return
        if coupling.pre in self.settling and coupling.post in self.settling:
            self.couplings[name] = coupling
            return
        assert not isinstance(coupling, LatticeCoupling)  # lattices lie within a settling population
        if coupling.pre == self.input_name:
            self.inputs[name] = coupling
        else:
            assert isinstance(coupling, DenseCoupling)  # the reader refuses other read-outs
            self.readouts[name] = coupling

    @property
    def linear(self) -> bool:
        """Whether every current between settling units is linear in the states."""
        return not self.attentions

    def drive(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Rates of the clamped input, and the constant current into each settling population.

        Args:
            features: Shape (batch, n_input).

        Raises:
            StimulusError: The shape does not fit.
        """
        shape, expected = tuple(features.shape), self.input_offset.shape[0]
        if len(shape) != 2 or shape[1] != expected or shape[0] == 0:
            raise StimulusError(
                f"population '{self.input_name}': features have shape {shape}; "
                f"give (samples, {expected}), at least one"
            )
        rates = torch.as_tensor(features, dtype=self.dtype)
        if self._encoded:
            rates = (rates - self.input_offset) / self.input_scale
        drive: dict[str, Tensor] = {}
        for coupling in self.inputs.values():
            base = drive.get(coupling.post, self.biases[coupling.post])
            drive[coupling.post] = coupling.forward_onto(base, rates)
        for name in self.settling:
            if name not in drive:
                drive[name] = self.biases[name].expand(shape[0], -1)
        return rates, drive

    def centre_input(self, offset: Tensor) -> None:
        """Set what is subtracted from the features, shape (n_input,)."""
        self.input_offset = offset.to(self.dtype)
        self._encoded = bool(offset.any()) or self.input_scale != 1.0

    def readout(self, states: Mapping[str, Tensor]) -> Tensor:
        """Output rates, shape (batch, n_output): settled, or softmax of what the read-out sees."""
        if not self.readouts:
            return states[self.output_name]
        logits = self.logits(states)
        if self.positions == 1:
            return torch.softmax(logits, dim=-1)
        return torch.softmax(logits.reshape(len(logits), self.positions, -1), dim=-1).flatten(1)

    def logits(self, states: Mapping[str, Tensor]) -> Tensor:
        """Currents of a softmax read-out, shape (batch, n_output)."""
        total: Tensor = self.biases[self.output_name]
        for name, coupling in self.readouts.items():
            total = coupling.forward_onto(total, self.seen(name, states[coupling.pre]))
        return total

    def seen(self, readout: str, state: Tensor) -> Tensor:
        """What a read-out sees of a population, standardised where it was calibrated."""
        if self.spec.projections[readout].calibrate is None:
            return state
        offset, coupling = self.readout_offset[readout], self.readouts[readout]
        if coupling.pre_units is None:
            standard: Tensor = (state - offset) * self.readout_gain[readout]
            return standard
        seen = torch.zeros_like(state)
        part = (state[:, coupling.pre_units] - offset) * self.readout_gain[readout]
        return seen.index_copy_(-1, coupling.pre_units, part)

    def weights_changed(self) -> None:
        """Refresh what operators keep beside their weights."""
        for coupling in self.projections.values():
            coupling.learned_changed()
        if self.spiking is not None:
            self.spiking.weights_changed()

    def to_network(self) -> Network:
        """The network with the present numbers, in float64."""
        return self.network.with_arrays(self.arrays())

    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """The present numbers by the names of `Network.arrays()`, in the model's own dtype."""
        arrays: dict[str, NDArray[np.floating]] = {}
        for key in self.network.arrays():
            kind, name, what = key.split(".")
            if kind == "populations":
                tensor = self.input_offset if what == "offset" else self.biases[name].detach()
            elif what == "weight":
                tensor = self.projections[name].weight.detach()
            elif what == "feedback_weight":
                tensor = self._fixed(name)
            elif what == "latent_weight":
                tensor = self.projections[name].learned.detach()
            elif what == "offset":
                tensor = self.readout_offset[name]
            else:
                tensor = torch.tensor([self.readout_gain[name]], dtype=torch.float64)
            arrays[key] = tensor.cpu().numpy().copy()
        return arrays

    def load_arrays(self, arrays: Mapping[str, NDArray[np.floating]]) -> None:
        """Take numbers by the names of `Network.arrays()`, in place.

        Raises:
            ValueError: A name is missing or unknown, or a shape differs; nothing is changed.
        """
        self.network.with_arrays(arrays)
        for key, values in arrays.items():
            kind, name, what = key.split(".")
            tensor = torch.tensor(values, dtype=self.dtype)
            if kind == "populations" and what == "offset":
                self.centre_input(tensor)
            elif kind == "populations":
                self.biases[name].copy_(tensor)
            elif what == "weight":
                self.weights[name].copy_(tensor)
            elif what == "feedback_weight":
                self._fixed(name).copy_(tensor)
            elif what == "latent_weight":
                self.projections[name].learned.copy_(tensor)
            elif what == "offset":
                self.readout_offset[name] = tensor
            else:
                self.readout_gain[name] = float(values[0])
        self.weights_changed()

    def shared(self, population: str, bias: Tensor) -> Tensor:
        """A change of biases, shape (n,), where the units of a channel share one: theirs add up."""
        channels = self.network.populations[population].bias_channels
        if channels is None:
            return bias
        return bias.reshape(channels, -1).sum(1).repeat_interleave(len(bias) // channels)

    def _fixed(self, name: str) -> Tensor:
        fixed = self.projections[name].feedback_weight
        assert fixed is not None  # the network has it by this name
        return fixed

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `double()`, `to()` and their like call.

        Raises:
            UnsupportedError: It would change the dtype or leave the CPU, and the operators would not follow.
        """
        after = fn(torch.zeros((), dtype=self.dtype))
        if after.dtype != self.dtype or after.device.type != "cpu":
            raise UnsupportedError(
                f"model: made for {self.dtype} on the CPU, not {after.dtype} on {after.device.type}; load it "
                "with dtype='float64' or 'float32'"
            )
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return self

    def extra_repr(self) -> str:
        """Name and sizes."""
        populations = self.network.populations.values()
        return f"{self.spec.name}: " + " - ".join(f"{p.name} {list(p.shape)}" for p in populations)
