"""The topology file of a torch model."""

from collections.abc import Mapping
from math import prod
from typing import Any

from mep_neuro.equilibrium.optimizers.layers import Layer
from mep_neuro.equilibrium.optimizers.settling import COSTS, Settling
from mep_neuro.errors import UnsupportedError


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
        _refuse_predictive(layer, settling)
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
    """The shape of the population after a layer, and how it is joined to the one before.

    Raises:
        UnsupportedError: They do not fit.
    """
    if layer.weight is not None and layer.weight.ndim == 2:
        if layer.weight.shape[1] != prod(before):
            raise UnsupportedError(
                f"model layer '{layer.name}': takes {layer.weight.shape[1]} inputs, and what comes before "
                f"has {prod(before)} units; give both the same"
            )
        return (layer.weight.shape[0],), {"type": "dense"}
    if len(before) != 3:
        raise UnsupportedError(
            f"model layer '{layer.name}': needs images, and what comes before has the shape {before}; give "
            "(batch, channels, height, width), or put it before the Flatten"
        )
    channels, kernel, padding, stride = before[0], 1, layer.padding, layer.stride
    if layer.weight is not None:
        if layer.weight.shape[1] != channels:
            raise UnsupportedError(
                f"model layer '{layer.name}': takes {layer.weight.shape[1]} channels, and what comes before "
                f"has {channels}; give both the same"
            )
        channels, kernel = layer.weight.shape[0], layer.weight.shape[2]
    zeros = (kernel - 1) // 2 if padding == "same" else int(padding)
    sides = [((n + 2 * zeros - kernel) // stride + 1) // layer.pool for n in before[1:]]
    if min(sides) < 1:
        raise UnsupportedError(
            f"model layer '{layer.name}': nothing is left of images of {before[1]} x {before[2]}; give "
            "larger ones, or a smaller kernel or mean"
        )
    connector = {"type": "conv2d", "kernel": kernel, "stride": stride, "padding": padding, "pool": layer.pool}
    return (channels, *sides), connector


def _refuse_predictive(layer: Layer, settling: Settling) -> None:
    """Refuse what the energy of predictive coding does not have."""
    if settling.energy == "predictive_coding" and (layer.dropout or not layer.dense):
        what = "dense layers" if not layer.dense else "layers without dropout"
        raise UnsupportedError(
            f"model layer '{layer.name}': predictive coding joins {what}; remove it, or give "
            "energy='hopfield'"
        )
