"""What the layers of a torch model are as an EP network; what cannot be one is refused by name.

Linear, Conv2d, EPLayer      a projection, and the population that it projects into
ReLU, Tanh, Sigmoid,         that population's activation; without one its units are linear
Hardtanh(0, 1)
AvgPool2d                    of the convolution before it, or a projection of its own into linear units
Dropout                      of the population before it
Flatten                      nothing: a population has its units in the order that Flatten gives
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor, nn

from mep_neuro.equilibrium.optimizers.modules import EPLayer
from mep_neuro.errors import UnsupportedError

KNOWN = "Linear, Conv2d, AvgPool2d, Flatten, ReLU, Tanh, Sigmoid, Hardtanh(0, 1), Dropout, EPLayer"


@dataclass(frozen=True, eq=False)
class Layer:
    """A projection and the population that it projects into.

    Attributes:
        name: The module's name in the model, such as '2' or 'features.0'.
        weight: (n_post, n_pre), or (out, in, kernel, kernel); None where the projection is a mean.
        bias: (n_post,), or (out,); None without.
        activation: Of the population.
        dropout: Share of its units that training silences.
        stride: Of a convolution.
        padding: Zeros on each side of a convolution, or 'same'.
        pool: Side of the squares whose mean is taken; 1 for none.
    """

    name: str
    weight: nn.Parameter | None
    bias: nn.Parameter | None = None
    activation: str | None = None
    dropout: float = 0.0
    stride: int = 1
    padding: int | str = 0
    pool: int = 1

    def __eq__(self, other: object) -> bool:
        """Whether the parameters are the very same, and everything else is equal."""
        if not isinstance(other, Layer):
            return NotImplemented
        same = self.weight is other.weight and self.bias is other.bias
        return same and self._plain == other._plain

    __hash__ = object.__hash__

    @property
    def _plain(self) -> tuple[object, ...]:
        return (self.name, self.activation, self.dropout, self.stride, self.padding, self.pool)

    @property
    def dense(self) -> bool:
        """Whether every unit is joined to every unit."""
        return self.weight is not None and self.weight.ndim == 2


@dataclass(frozen=True)
class Layers:
    """A model read.

    Attributes:
        front: What is done to the features before the first layer: nothing in it learns.
        layers: From the input to the output.
    """

    front: tuple[nn.Module, ...]
    layers: tuple[Layer, ...]

    def features(self, x: Tensor) -> Tensor:
        """The features that the first layer sees."""
        for module in self.front:
            x = module(x)
        return x


def read_layers(model: nn.Module) -> Layers:
    """The layers of a torch.nn.Sequential, of one inside another too, or of one layer.

    Raises:
        UnsupportedError: The model cannot be an EP network; names the layer.
    """
    front: list[nn.Module] = []
    layers: list[Layer] = []
    for name, module in _leaves(model, ""):
        if isinstance(module, nn.Identity):
            continue
        if not layers and isinstance(module, nn.Flatten | nn.AvgPool2d):
            _Check(name, module).passes()
            front.append(module)
            continue
        _append(layers, _Check(name, module))
    if not layers:
        raise UnsupportedError("model: has no layer that learns; give a Sequential with a Linear or a Conv2d")
    weights = [layer.weight for layer in layers if layer.weight is not None]
    if len({id(weight) for weight in weights}) < len(weights):
        raise UnsupportedError(
            "model: two layers share a weight, which one synapse cannot; give each its own"
        )
    if layers[-1].dropout:
        raise UnsupportedError(
            f"model layer '{layers[-1].name}': dropout acts on hidden units and this is the output; remove it"
        )
    return Layers(tuple(front), tuple(layers))


def _leaves(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        for key, child in module._modules.items():  # named_children leaves out a module that comes twice
            if child is not None:
                yield from _leaves(child, f"{name}.{key}" if name else key)
    else:
        yield name or type(module).__name__, module


def _append(layers: list[Layer], check: "_Check") -> None:
    module = check.module
    if isinstance(module, nn.Linear | nn.Conv2d | EPLayer):
        layers.append(check.layer())
    elif isinstance(module, nn.Flatten):
        check.passes()
    elif isinstance(module, nn.AvgPool2d):
        check.passes()
        last = layers[-1]
        merges = last.weight is not None and last.weight.ndim == 4 and last.activation is None
        side = _side(module.kernel_size)
        if merges and not last.dropout and last.pool == 1:
            layers[-1] = replace(last, pool=side)
        else:
            layers.append(Layer(check.name, None, pool=side))
    elif isinstance(module, nn.Dropout):
        if not layers:
            check.refuse("dropout of the input is not offered; put it behind a layer")
        rate = 1.0 - (1.0 - layers[-1].dropout) * (1.0 - module.p)
        layers[-1] = replace(layers[-1], dropout=rate)
    else:
        activation = check.activation()
        if not layers or layers[-1].activation is not None:
            check.refuse("an activation follows a Linear, a Conv2d or an AvgPool2d; remove it")
        layers[-1] = replace(layers[-1], activation=activation)


class _Check:
    """One module under its name."""

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module = name, module

    def refuse(self, what: str) -> None:
        text = repr(self.module)
        text = type(self.module).__name__ if "\n" in text else text
        raise UnsupportedError(f"model layer '{self.name}' ({text}): {what}")

    def activation(self) -> str:
        module = self.module
        if isinstance(module, nn.Hardtanh) and not isinstance(module, nn.ReLU6):
            if (module.min_val, module.max_val) != (0.0, 1.0):
                self.refuse("rates lie in [0, 1]; write Hardtanh(0.0, 1.0), or Tanh")
            return "hard_sigmoid"
        names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
        if type(module) not in names:
            hint = "; loss_type 'cross_entropy' applies it" if isinstance(module, nn.Softmax) else ""
            self.refuse(f"cannot be part of an EP network{hint}; known layers: {KNOWN}")
        return names[type(module)]

    def layer(self) -> Layer:
        module = self.module
        if isinstance(module, EPLayer):
            return Layer(self.name, *self._parameters(), module.activation)
        if isinstance(module, nn.Conv2d):
            return self._convolution(module)
        assert isinstance(module, nn.Linear)
        return Layer(self.name, *self._parameters())

    def _parameters(self) -> tuple[nn.Parameter, nn.Parameter | None]:
        weight, bias = self.module.weight, self.module.bias
        if not isinstance(weight, nn.Parameter) or not isinstance(bias, nn.Parameter | None):
            self.refuse("its weight is computed from other parameters; remove the parametrization")
        if isinstance(weight, nn.UninitializedParameter):
            self.refuse("its shape is not known yet; show the model a batch first, or give the sizes")
        assert isinstance(weight, nn.Parameter)
        assert bias is None or isinstance(bias, nn.Parameter)
        return weight, bias

    def _convolution(self, module: nn.Conv2d) -> Layer:
        square = all(len(set(pair)) == 1 for pair in (module.kernel_size, module.stride))
        if not square or module.groups != 1 or set(module.dilation) != {1} or module.padding_mode != "zeros":
            self.refuse("convolutions are square, of one group, undilated and padded by zeros; change it")
        padding: int | str = module.padding if isinstance(module.padding, str) else module.padding[0]
        if not isinstance(module.padding, str) and len(set(module.padding)) != 1:
            self.refuse("the padding is the same on every side; change it")
        if padding == "same" and module.kernel_size[0] % 2 == 0:
            self.refuse("padding 'same' needs an odd kernel; change one of them")
        return Layer(
            self.name,
            *self._parameters(),
            stride=module.stride[0],
            padding=0 if padding == "valid" else padding,
        )

    def passes(self) -> None:
        """Refuse a Flatten or an AvgPool2d that does more than its name."""
        module = self.module
        if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
            self.refuse("a sample's axes become one; write Flatten()")
        if isinstance(module, nn.AvgPool2d):
            kernel, stride = _side(module.kernel_size), _side(module.stride)
            plain = kernel == stride > 0 and _side(module.padding) == 0 and not module.ceil_mode
            if not plain or module.divisor_override is not None:
                self.refuse("the mean is over squares side by side, without padding; write AvgPool2d(n)")


def _side(value: int | tuple[int, int]) -> int:
    """The side of a square; 0 where it is none."""
    if isinstance(value, int):
        return value
    return value[0] if value[0] == value[1] else 0
