"""Activations rho: membrane to rate, in numpy. The table of their names."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def hard_sigmoid(membrane: Array) -> Array:
    """Clamp to [0, 1]."""
    return np.clip(membrane, 0.0, 1.0)


def relu(membrane: Array) -> Array:
    """Clamp below at 0."""
    return np.maximum(membrane, 0.0)


def tanh(membrane: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(membrane)


def sigmoid(membrane: Array) -> Array:
    """The logistic function 1 / (1 + e^-v), as (1 + tanh(v / 2)) / 2, which never overflows."""
    rates: Array = 0.5 * (1.0 + np.tanh(0.5 * membrane))
    return rates


def linear(membrane: Array) -> Array:
    """The membrane itself; only a coupled map of radius below 1 keeps it finite."""
    return np.array(membrane, dtype=np.float64)


def softmax(membrane: Array) -> Array:
    """Normalised exponential over the last axis: a read-out outside the dynamics."""
    shifted = np.exp(membrane - membrane.max(axis=-1, keepdims=True))
    rates: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return rates


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "hard_sigmoid": hard_sigmoid,
    "relu": relu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "linear": linear,
    "softmax": softmax,
}
