"""Faults of hardware, put into an emulation: stuck units, lost messages, weights that are off."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.emulate import EmulatedRun, checked_start
from mep_neuro.chip.product import exact_product
from mep_neuro.chip.quantized import Quantized
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.sigma_delta import SigmaDeltaState
from mep_neuro.simulation.network import Network

Array = NDArray[np.float64]


def stuck(
    quantized: Quantized, bias: NDArray[np.integer], units: NDArray[np.bool_], *, high: bool
) -> tuple[Quantized, NDArray[np.int32]]:
    """The same network with some units stuck.

    Nothing drives a stuck unit but a current that holds it: at 0 from the start, so that it never sends,
    or at 1, which it tells its receivers once.

    Args:
        quantized: The network.
        bias: Its currents, shape (samples, size).
        units: Which units, shape (size,).
        high: Stuck at 1 instead of 0 (dead).

    Returns:
        What to emulate instead.
    """
    weight = quantized.weight.copy()
    weight.data[np.repeat(units, np.diff(weight.indptr))] = 0
    weight.eliminate_zeros()
    one = 1 << (quantized.P - quantized.leak_shift)  # the current of rate 1
    held = np.where(units, 2 * one if high else -one, bias).astype(np.int32)
    return replace(quantized, weight=weight), held


def emulate_losing(
    quantized: Quantized,
    bias: NDArray[np.integer],
    loss: float,
    rng: np.random.Generator,
    *,
    max_steps: int = 2000,
) -> EmulatedRun:
    """Run until silence while messages get lost: each with the probability `loss`, for all its receivers.

    The sender does not know: its receivers' sums stay off by what was lost, for good. Without loss every
    integer is that of `emulate`.

    Args:
        quantized: The network.
        bias: Constant currents, shape (samples, size).
        loss: Probability that a message does not arrive.
        rng: Draws which.
        max_steps: Steps after which a sample that still changes is given up.

    Raises:
        ChipRangeError: The bias does not fit, or `loss` is no probability.
    """
    if not 0.0 <= loss <= 1.0:
        raise ChipRangeError(f"loss: {loss} is no probability; give a number from 0 to 1")
    currents, first = checked_start(quantized, bias, None)
    neuron, product = quantized.neuron, exact_product(quantized.weight)
    state = SigmaDeltaState(*(r.astype(np.int64) for r in (first.v, first.s, first.sigma, first.m)))
    samples = currents.shape[0]
    messages = np.zeros(currents.shape, dtype=np.int64)
    steps, settled = np.full(samples, max_steps, dtype=np.int64), np.zeros(samples, dtype=bool)
    for step in range(1, max_steps + 1):
        arrived = np.where(rng.random(state.m.shape) < loss, 0, state.m) if loss > 0.0 else state.m
        arriving = product(arrived.astype(np.int32)).astype(np.int64)
        after = neuron.step(state, arriving, currents.astype(np.int64))
        quiet = ~after.m.any(axis=1) & (after.v == state.v).all(axis=1) & ~settled
        messages += (after.m != 0) & ~settled[:, None]
        steps[quiet], settled = step, settled | quiet
        state = after
        if settled.all():
            break
    return EmulatedRun(
        v=state.v.astype(np.int32),
        s=state.s.astype(np.int32),
        sigma=state.sigma.astype(np.int32),
        m=state.m.astype(np.int32),
        messages=messages,
        steps=steps,
        settled=settled,
    )


def with_noise(
    network: Network, rng: np.random.Generator, *, additive: float = 0.0, multiplicative: float = 0.0
) -> Network:
    """The network with every weight off by a random amount, the same for both directions of a projection.

    w (1 + multiplicative e) + additive max|w| e', with e and e' standard normal, for each weight its own:
    weights that are devices of a crossbar, which is read from its rows and from its columns.

    Args:
        network: The network.
        rng: Draws the deviations.
        additive: Standard deviation in shares of the largest weight of the projection.
        multiplicative: Standard deviation in shares of the weight itself.
    """
    off: dict[str, Array] = {}
    for name, array in _weights(network).items():
        factor = 1.0 + multiplicative * rng.standard_normal(array.shape)
        largest = np.abs(array).max(initial=0.0)
        off[name] = array * factor + additive * largest * rng.standard_normal(array.shape)
    return network.with_arrays({**network.arrays(), **off})


def with_drift(
    network: Network, rng: np.random.Generator, *, ratio: float, exponent: float, spread: float
) -> Network:
    """The network after its weights have shrunk by (t / t0)^-nu, each with its own nu.

    Args:
        network: The network.
        rng: Draws the exponents.
        ratio: t / t0.
        exponent: Mean nu.
        spread: Standard deviation of nu.

    Source: Le Gallo and others 2018, Advanced Electronic Materials 4, 1700627.
    """
    off = {
        name: array * ratio ** -np.maximum(exponent + spread * rng.standard_normal(array.shape), 0.0)
        for name, array in _weights(network).items()
    }
    return network.with_arrays({**network.arrays(), **off})


def _weights(network: Network) -> Mapping[str, Array]:
    """Every projection's weights by the names of `Network.arrays()`."""
    return {f"projections.{name}.weight": p.weight for name, p in network.projections.items()}
