"""A network as numpy arrays: populations, projections, weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.neurons.activation import ACTIVATIONS
from mep_neuro.simulation.synapses import Synapses
from mep_neuro.topology.spec import NetworkSpec, WeightBits

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Units of one kind.

    Attributes:
        bias: Bias currents, shape (size,).
        energy_weight: k of each unit over 2**energy_exponent, shape (size,).
        energy_exponent: A power of two of the population: at depth k is beyond every float.
        offset: Input population only: subtracted from the features, shape (size,).
        scale: Input population only: divides the centred features.
        bias_channels: Channels whose units share one bias, along the first axis; None where none is shared.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    model: str
    activation: str
    tau_mem: float
    bias: Array
    plastic_bias: bool
    energy_weight: Array
    offset: Array
    scale: float
    bias_channels: int | None = None
    energy_exponent: int = 0

    @property
    def k(self) -> Array:
        """Weight of each unit in the energy over that of the output, k_{l+1} = g k_l; shape (size,).

        Infinite where no float64 holds it.
        """
        with np.errstate(over="ignore"):
            scaled: Array = np.ldexp(self.energy_weight, self.energy_exponent)
        return scaled

    @property
    def size(self) -> int:
        """Number of units."""
        return int(np.prod(self.shape))

    @property
    def dynamic(self) -> bool:
        """Whether the units settle: neither clamped input nor a read-out outside the dynamics."""
        return self.role != "input" and self.activation != "softmax"

    def rate(self, membrane: Array) -> Array:
        """s = rho(v); a softmax is over the last axis of the population, one for each position."""
        if self.positions == 1:
            return ACTIVATIONS[self.activation](membrane)
        each = membrane.reshape(*membrane.shape[:-1], self.positions, -1)
        return ACTIVATIONS[self.activation](each).reshape(membrane.shape)

    @property
    def positions(self) -> int:
        """Positions of a softmax over sequences, such as 8 of the shape (8, 10); 1 for all others."""
        return int(np.prod(self.shape[:-1])) if self.activation == "softmax" else 1


@dataclass(frozen=True)
class Projection:
    """Synapses between two populations (or parts), used both ways.

    Attributes:
        kind: Connector type.
        weight: dense: (n_post, n_pre); lattice: (n_edges,); conv2d: (out, in, kernel, kernel);
            one_to_one and sparse: (n_synapses,).
        synapses: Every synapse as indices into the whole populations.
        feedback_gain: g of the whole projection (each synapse's own is in `synapses`); below 0 where
            it is antisymmetric.
        offset: What a calibrated read-out subtracts from its input, shape (n_pre,); zeros otherwise.
        gain: What a calibrated read-out multiplies it with; 1 otherwise.
        feedback_weight: Fixed weights of the feedback, shape as `weight`; None where it uses `weight`.
        weight_bits: What `weight` is rounded to; None where it is not.
        latent_weight: What `weight` is rounded from, and learning moves; None where it is not rounded.
    """

    name: str
    pre: str
    post: str
    kind: str
    weight: Array
    plastic: bool
    feedback_gain: float
    synapses: Synapses
    offset: Array
    gain: float
    feedback_weight: Array | None = None
    weight_bits: WeightBits | None = None
    latent_weight: Array | None = None

    @property
    def forward_weights(self) -> Array:
        """What each synapse multiplies s_pre with on the way to post, shape (n,)."""
        return self.synapses.scale * self.weight.ravel()[self.synapses.slot]

    @property
    def feedback_weights(self) -> Array:
        """What each synapse multiplies s_post with on the way back to pre, shape (n,)."""
        weight = self.weight if self.feedback_weight is None else self.feedback_weight
        return self.synapses.gain * self.synapses.scale * weight.ravel()[self.synapses.slot]

    @property
    def feedback(self) -> str:
        """'tied', 'random' or 'antisymmetric'; an energy that settling lowers belongs to tied alone."""
        if self.feedback_weight is not None:
            return "random"
        return "antisymmetric" if self.feedback_gain < 0.0 else "tied"

    @property
    def pre_units(self) -> NDArray[np.intp]:
        """Units of the pre population that the projection sees, ascending."""
        return np.unique(self.synapses.pre)

    @property
    def post_units(self) -> NDArray[np.intp]:
        """Units of the post population that the projection reaches, ascending."""
        return np.unique(self.synapses.post)


@dataclass(frozen=True)
class Network:
    """Populations and projections by name, in the file's order."""

    spec: NetworkSpec
    populations: Mapping[str, Population]
    projections: Mapping[str, Projection]

    @property
    def input(self) -> Population:
        """The clamped population."""
        return self.populations[self.spec.population_with_role("input")]

    @property
    def output(self) -> Population:
        """The population that is read out."""
        return self.populations[self.spec.population_with_role("output")]

    @property
    def dynamic(self) -> tuple[Population, ...]:
        """The populations that settle."""
        return tuple(p for p in self.populations.values() if p.dynamic)

    @property
    def without_energy(self) -> tuple[str, ...]:
        """Projections whose feedback leaves the network without an energy that settling lowers."""
        return tuple(name for name, p in self.projections.items() if p.feedback != "tied")

    def arrays(self) -> dict[str, Array]:
        """Every number that a RUN stores, by name; `with_arrays` takes them back."""
        arrays: dict[str, Array] = {}
        for name, population in self.populations.items():
            if population.role == "input":
                arrays[f"populations.{name}.offset"] = population.offset
            else:
                arrays[f"populations.{name}.bias"] = population.bias
        for name, projection in self.projections.items():
            arrays[f"projections.{name}.weight"] = projection.weight
            if projection.feedback_weight is not None:
                arrays[f"projections.{name}.feedback_weight"] = projection.feedback_weight
            if projection.latent_weight is not None:
                arrays[f"projections.{name}.latent_weight"] = projection.latent_weight
            if self.spec.projections[name].calibrate is not None:
                arrays[f"projections.{name}.offset"] = projection.offset
                arrays[f"projections.{name}.gain"] = np.array([projection.gain])
        return arrays

    def with_arrays(self, arrays: Mapping[str, NDArray[np.floating]]) -> "Network":
        """The same network with these numbers; names and shapes must be those of `arrays()`.

        Raises:
            ValueError: A name is missing or unknown, or a shape differs.
        """
        own = self.arrays()
        if set(own) != set(arrays):
            raise ValueError(f"arrays differ from the network's: {sorted(set(own) ^ set(arrays))}")
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise ValueError(f"{name}: shape {array.shape}, the network's is {own[name].shape}")
        new = {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}
        populations = {
            name: replace(p, offset=new[f"populations.{name}.offset"])
            if p.role == "input"
            else replace(p, bias=new[f"populations.{name}.bias"])
            for name, p in self.populations.items()
        }
        projections = {}
        for name, projection in self.projections.items():
            changes: dict[str, Array | float] = {"weight": new[f"projections.{name}.weight"]}
            for key in ("feedback_weight", "latent_weight"):
                if f"projections.{name}.{key}" in new:
                    changes[key] = new[f"projections.{name}.{key}"]
            if f"projections.{name}.offset" in new:
                changes["offset"] = new[f"projections.{name}.offset"]
                changes["gain"] = float(new[f"projections.{name}.gain"][0])
            projections[name] = replace(projection, **changes)  # type: ignore[arg-type]  # mixed field types
        return replace(self, populations=populations, projections=projections)
