"""A torch model as an EP network that uses the model's own parameters: nothing is copied back and forth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.moment import Moment
from mep_neuro.equilibrium.optimizers.layers import Layer, Layers, read_layers
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.equilibrium.trainer import one_hot
from mep_neuro.errors import DataError, SettleError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

COSTS = {"mse": "squared_error", "cross_entropy": "cross_entropy"}


@dataclass(frozen=True)
class Settling:
    """How a model settles.

    Attributes:
        beta: Strength of the nudge; settled at -beta and +beta.
        settle_steps: Most half-sweeps of a phase; with `settle_lr`, most Euler steps.
        settle_lr: dt / tau of the membrane dynamics, all layers at once; None settles layer after layer,
            each at its optimum, which takes fewer steps.
        tolerance: Residual at which a sample has settled, dimensionless.
        loss_type: 'mse', C = 1/2 |s - y|^2, or 'cross_entropy'; the mean over the batch.
        feedback_gain: g of the design, in (0, 1]: weight of what each layer sends back.
        energy: 'hopfield' or 'predictive_coding'.
    """

    beta: float = 0.5
    settle_steps: int = 30
    settle_lr: float | None = None
    tolerance: float = 1e-4
    loss_type: str = "cross_entropy"
    feedback_gain: float = 0.1
    energy: str = "hopfield"

    def __post_init__(self) -> None:
        """Refuse what is out of range.

        Raises:
            ValueError: Names the argument, its value and what is allowed.
        """
        for key, holds, rule in (
            ("beta", self.beta > 0.0, "a number > 0"),
            ("settle_steps", self.settle_steps >= 1, "an integer >= 1"),
            ("settle_lr", self.settle_lr is None or 0.0 < self.settle_lr <= 1.0, "in (0, 1], or None"),
            ("tolerance", self.tolerance > 0.0, "a number > 0"),
            ("loss_type", self.loss_type in COSTS, "'mse' or 'cross_entropy'"),
            ("feedback_gain", 0.0 < self.feedback_gain <= 1.0, "in (0, 1]"),
            ("energy", self.energy in ("hopfield", "predictive_coding"), "'hopfield' or 'predictive_coding'"),
        ):
            if not holds:
                raise ValueError(f"{key}: {getattr(self, key)!r} is out of range; give {rule}")


@dataclass(frozen=True)
class Gradients:
    """What one batch gives.

    Attributes:
        of: Minus the contrast of each parameter, shaped like it: the gradient of the mean cost as beta
            tends to 0.
        loss: Mean cost at the free fixed point.
        output: Rates of the output there, shape (batch, n_output); probabilities for cross-entropy.
        points: The free and the nudged fixed point.
    """

    of: dict[nn.Parameter, Tensor]
    loss: float
    output: Tensor
    points: tuple[FixedPoint, FixedPoint]

    @property
    def unsettled(self) -> int:
        """Samples whose residual stayed above the tolerance in one of the phases."""
        return int((~self.points[0].settled | ~self.points[1].settled).sum())


class ModelNetwork:
    """The EP network of a model, made for the shape of the features when they are first seen.

    The hidden populations settle; the weights and biases they use are the model's own tensors. With
    loss_type 'cross_entropy' a last Linear without activation is a softmax read-out outside the
    dynamics; otherwise the output settles with the rest.
    """

    def __init__(self, model: nn.Module, settling: Settling) -> None:
        """Read the model.

        Raises:
            UnsupportedError: It cannot be an EP network; names the layer.
        """
        self.layers: Layers = read_layers(model)
        self.settling = settling
        self._model, self._calls = model, 0
        self._networks: dict[tuple[int, ...], EquilibriumNetwork] = {}
        self._seed = torch.initial_seed() % 2**63
        if self.layers.layers[0].dense:
            weight = self.layers.layers[0].weight
            assert weight is not None
            self._made((weight.shape[1],))  # refuses at once what only the whole network shows

    @property
    def parameters(self) -> set[nn.Parameter]:
        """Everything that a contrast belongs to."""
        each = [p for layer in self.layers.layers for p in (layer.weight, layer.bias)]
        return {p for p in each if p is not None}

    @property
    def networks(self) -> list[EquilibriumNetwork]:
        """The networks made so far, one for each shape of features."""
        return list(self._networks.values())

    @torch.no_grad()
    def gradients(self, x: Tensor, target: Tensor, *, update: int | None = None) -> Gradients:
        """Free phase, nudged phase, contrast.

        Args:
            x: Shape (batch, ...), as the model takes it.
            target: Classes, shape (batch,), integers; or wanted outputs, shape (batch, n_output).
            update: Number of the update, for what dropout draws in training mode; None counts the calls.

        Raises:
            DataError: The target does not fit the output.
            SettleError: A phase diverged or a contrast is not finite; nothing has changed.
        """
        network, features = self._of(x)
        wanted = _targets(network, target)
        self._calls += 1
        number = self._calls if update is None else update
        network.moment = Moment(number) if self._model.training else None
        try:
            free = free_phase(network, features)
            nudged = nudged_phase(network, free, wanted)
        finally:
            network.moment = None
        found = contrast(network, free, nudged)
        if not found.finite:
            raise SettleError("contrast: not finite, the weights were left as they are; lower lr or beta")
        gradients: dict[nn.Parameter, Tensor] = {}
        for number, layer in enumerate(self.layers.layers):
            if layer.weight is not None:
                gradients[layer.weight] = found[f"projections.p{number}.weight"].neg()
            if layer.bias is not None:
                whole = found[f"populations.l{number}.bias"].neg()
                gradients[layer.bias] = whole.reshape(len(layer.bias), -1)[:, 0].clone()
        loss = float(cost(network.cost, nudged.output, wanted).mean())
        return Gradients(gradients, loss, nudged.output, (free.point, nudged.point))

    @torch.no_grad()
    def free(self, x: Tensor) -> Free:
        """The free phase of features as the model takes them, without dropout."""
        network, features = self._of(x)
        return free_phase(network, features)

    @torch.no_grad()
    def output(self, x: Tensor) -> Tensor:
        """Output rates at the free fixed point, shape (batch, n_output)."""
        network, features = self._of(x)
        return network.readout(free_phase(network, features).point.states)

    def weights_changed(self) -> None:
        """The model's parameters have changed."""
        for network in self._networks.values():
            network.weights_changed()

    def _of(self, x: Tensor) -> tuple[EquilibriumNetwork, Tensor]:
        """The network for these features, on the model's present tensors, and the features in rows."""
        seen = self.layers.features(x)
        shape = (seen.shape[1:].numel(),) if self.layers.layers[0].dense else tuple(seen.shape[1:])
        if self.layers.layers[0].dense and seen.ndim != 2:
            raise DataError(
                f"x: shape {tuple(x.shape)} does not fit model layer '{self.layers.layers[0].name}'; give "
                "(batch, features), or begin the model with a Flatten"
            )
        network = self._made(shape)
        self._bind(network)
        return network, seen.flatten(1)

    def _made(self, shape: tuple[int, ...]) -> EquilibriumNetwork:
        if shape not in self._networks:
            dtype = _dtype(self.parameters)
            spec = read_spec(topology_of(self.layers.layers, shape, self.settling, self._seed))
            self._networks[shape] = EquilibriumNetwork(build(spec), dtype)
        return self._networks[shape]

    def _bind(self, network: EquilibriumNetwork) -> None:
        """Let the network use the tensors that the model's parameters hold now."""
        _dtype(self.parameters)
        for number, layer in enumerate(self.layers.layers):
            weight = network.weights[f"p{number}"]
            if layer.weight is None:
                weight.copy_(torch.eye(len(weight), dtype=weight.dtype).reshape(weight.shape))
            else:
                weight.data = layer.weight.data
            bias = network.biases[f"l{number}"]
            if layer.bias is not None and len(layer.bias) == len(bias):
                bias.data = layer.bias.data
            elif layer.bias is not None:  # one for each channel
                bias.copy_(layer.bias.repeat_interleave(len(bias) // len(layer.bias)))
        network.weights_changed()


def topology_of(
    layers: tuple[Layer, ...], features: tuple[int, ...], settling: Settling, seed: int
) -> Mapping[str, Any]:
    """The topology file of a model, as a mapping; its weights are zeros.

    Args:
        layers: From the input to the output.
        features: Shape of a sample.
        settling: How it settles.
        seed: For dropout's draws.
    """
    populations: dict[str, Any] = {"input": {"shape": list(features), "role": "input"}}
    projections: dict[str, Any] = {}
    shape, before, last = features, "input", len(layers) - 1
    softmax = settling.loss_type == "cross_entropy" and layers[-1].activation is None and layers[-1].dense
    softmax = softmax and last > 0  # a read-out sees settled units
    for number, layer in enumerate(layers):
        shape, connector = _shape_and_connector(layer, shape)
        outside = softmax and number == last
        populations[f"l{number}"] = {
            "shape": list(shape),
            "role": "output" if number == last else "hidden",
            "activation": "softmax" if outside else layer.activation or "linear",
            "plastic_bias": layer.bias is not None,
            "dropout": layer.dropout,
            "neuron": "unit",
            "bias_per": "unit" if len(shape) == 1 else "channel",
        }
        within = not outside and number > 0 and settling.energy == "hopfield"
        projections[f"p{number}"] = {
            "pre": before,
            "post": f"l{number}",
            "connector": connector,
            "plastic": layer.weight is not None,
            "feedback_gain": settling.feedback_gain if within else 1.0,
            "weight": {"init": "zeros"},
        }
        before = f"l{number}"
    euler = settling.settle_lr
    return {
        "schema": "mep-neuro/1",
        "name": "torch_model",
        "seeds": {"noise": seed},
        "neurons": {"unit": {"model": "rate", "tau_mem": "1 s"}},
        "populations": populations,
        "projections": projections,
        "equilibrium": {
            "energy": settling.energy,
            "solver": "sweeps" if euler is None else "synchronous",
            "tolerance": float(settling.tolerance),
            "max_steps": settling.settle_steps,
            "dt": "1 ms" if euler is None else f"{euler!r} s",
            "nudge": {"beta": float(settling.beta), "cost": COSTS[settling.loss_type]},
        },
    }


def _shape_and_connector(layer: Layer, before: tuple[int, ...]) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of the population after a layer, and how it is joined to the one before."""
    if layer.weight is not None and layer.weight.ndim == 2:
        return (layer.weight.shape[0],), {"type": "dense"}
    if len(before) != 3:
        raise UnsupportedError(
            f"model layer '{layer.name}': needs images, and what comes before has the shape {before}; give "
            "(batch, channels, height, width), or put it before the Flatten"
        )
    channels, kernel, padding, stride = before[0], 1, layer.padding, layer.stride
    if layer.weight is not None:
        channels, kernel = layer.weight.shape[0], layer.weight.shape[2]
    zeros = (kernel - 1) // 2 if padding == "same" else int(padding)
    sides = [((n + 2 * zeros - kernel) // stride + 1) // layer.pool for n in before[1:]]
    connector = {"type": "conv2d", "kernel": kernel, "stride": stride, "padding": padding, "pool": layer.pool}
    return (channels, *sides), connector


def _dtype(parameters: set[nn.Parameter]) -> torch.dtype:
    """The one dtype of a model that settles here."""
    kinds = {(p.dtype, p.device.type) for p in parameters}
    (dtype, device), *others = sorted(kinds, key=str)
    if others or device != "cpu" or dtype not in (torch.float32, torch.float64):
        raise UnsupportedError(
            f"model: its parameters are {sorted(map(str, kinds))}; EP settles on the CPU in float32 or "
            "float64, in one of them; move the model there"
        )
    return dtype


def _targets(network: EquilibriumNetwork, target: Tensor) -> Tensor:
    outputs = len(network.biases[network.output_name])
    if target.ndim == 1 and not target.dtype.is_floating_point:
        if len(target) and not 0 <= int(target.min()) <= int(target.max()) < outputs:
            raise DataError(f"target: classes lie in 0 to {outputs - 1}; these reach {int(target.max())}")
        return one_hot(network, target.long())
    if target.ndim != 2 or target.shape[1] != outputs:
        raise DataError(
            f"target: shape {tuple(target.shape)} does not fit the output; give (batch,) classes as "
            f"integers, or (batch, {outputs})"
        )
    return target.to(network.dtype)
