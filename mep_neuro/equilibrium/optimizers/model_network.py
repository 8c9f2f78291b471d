"""A torch model as an EP network that uses the model's own parameters: nothing is copied back and forth."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.learning.moment import Moment
from mep_neuro.equilibrium.learning.trainer import one_hot
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.optimizers.layers import Layer, Layers, read_layers
from mep_neuro.equilibrium.optimizers.settling import Settling
from mep_neuro.equilibrium.optimizers.topology import topology_of
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.errors import DataError, SettleError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec


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

    def __getstate__(self) -> dict[str, object]:
        """For copies, which make their networks on their own tensors."""
        return {**self.__dict__, "_networks": {}}

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
            DataError: The features do not fit the first layer, or the target the output.
            SettleError: A phase diverged or a contrast is not finite; nothing has changed.
        """
        network, features = self._of(x)
        wanted = _targets(network, target, len(features))
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
        if not isinstance(x, Tensor):
            raise DataError(f"x: a {type(x).__name__}; give a tensor, such as torch.as_tensor(x)")
        seen = self.layers.features(x)
        _check_features(self.layers.layers[0], x, seen)
        network = self._made(tuple(seen.shape[1:]))
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


def _check_features(first: Layer, x: Tensor, seen: Tensor) -> None:
    """Refuse features that are not those of the first layer."""
    assert first.weight is not None  # means before it prepare the features
    wanted = first.weight.shape[1]
    axes, shape, more = 4, f"(batch, {wanted}, height, width)", ""
    if first.dense:
        axes, shape, more = 2, f"(batch, {wanted})", ", or begin the model with a Flatten"
    if seen.ndim != axes or seen.shape[1] != wanted:
        where = "" if seen.shape == x.shape else f", {tuple(seen.shape)} when it gets there,"
        raise DataError(
            f"x: shape {tuple(x.shape)}{where} does not fit model layer '{first.name}'; give {shape}{more}"
        )
    if not len(x):
        raise DataError("x: holds no sample; give at least one")
    if not bool(torch.isfinite(x).all()):
        raise DataError("x: holds values that are not finite; give finite numbers")


def _targets(network: EquilibriumNetwork, target: Tensor, samples: int) -> Tensor:
    outputs = len(network.biases[network.output_name])
    if not isinstance(target, Tensor):
        raise DataError(f"target: a {type(target).__name__}; give a tensor, such as torch.as_tensor(target)")
    if target.ndim > 0 and len(target) != samples:
        raise DataError(f"target: {len(target)} for {samples} samples; give one for each")
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
