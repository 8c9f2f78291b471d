"""Every connector in torch is its list of synapses: currents, balanced map and contrast, to rounding.

The list is what Brian2, the chips and the implicit gradient use, so equality here is equality of all.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mep_neuro.equilibrium.bounds.certificate import MARGIN
from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.implicit import free_states, negative_gradient
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.stimulus import add_feedback, add_forward
from mep_neuro.topology.reader import read_spec

Array = NDArray[np.float64]
ROUNDING = 1e-12  # sums of at most some hundred products of numbers near 1, in another order
SAMPLES = 4


def network(projections: dict[str, Any], shapes: dict[str, list[int]], seed: int = 3, **keys: Any) -> Network:
    """An input, hidden populations and an output, tanh, with random biases."""
    names = list(shapes)
    populations: dict[str, Any] = {names[0]: {"shape": shapes[names[0]], "role": "input"}}
    populations |= {n: {"shape": shapes[n], "neuron": "unit", **keys} for n in names[1:-1]}
    populations[names[-1]] = {"shape": shapes[names[-1]], "neuron": "unit", "role": "output"}
    mapping = {
        "name": "checked",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": populations,
        "projections": projections,
        "equilibrium": {"tolerance": 1e-13, "max_steps": 5000},
    }
    made = build(read_spec(mapping), seed)
    rng = np.random.default_rng(seed)
    arrays = made.arrays()
    for name, population in made.populations.items():
        if population.role != "input":
            channels = population.bias_channels or population.size
            bias = 0.1 * rng.standard_normal(channels)
            arrays[f"populations.{name}.bias"] = np.repeat(bias, population.size // channels)
    return made.with_arrays(arrays)


def convolution(
    seed: int = 3,
    kernel: int = 3,
    stride: int = 1,
    padding: int | str = "same",
    pool: int = 2,
    channels: tuple[int, int] = (2, 3),
    pooled: tuple[int, int] = (3, 2),
    left_over: int = 0,
    keys: dict[str, Any] | None = None,
) -> Network:
    """first (images) -> second (images), with dense projections around them."""
    zeros = {"same": (kernel - 1) // 2, "valid": 0}.get(str(padding), padding)
    assert isinstance(zeros, int)
    image = [(n * pool - 1) * stride + kernel - 2 * zeros + min(left_over, stride - 1) for n in pooled]
    connector = {"type": "conv2d", "kernel": kernel, "stride": stride, "padding": padding, "pool": pool}
    return around(connector, [channels[0], *image], [channels[1], *pooled], seed, keys)


def around(
    connector: dict[str, Any],
    first: list[int],
    second: list[int],
    seed: int = 3,
    keys: dict[str, Any] | None = None,
    ends: tuple[str, str] = ("first", "second"),
) -> Network:
    """input -> first -> second -> output, `connector` in the middle."""
    middle = {
        "pre": ends[0],
        "post": ends[1],
        "connector": connector,
        "weight": {"gain": 0.5},
        **(keys or {}),
    }
    projections = {
        "in": {"pre": "input", "post": "first", "connector": {"type": "dense"}},
        "middle": middle,
        "out": {"pre": "second", "post": "output", "connector": {"type": "dense"}, "weight": {"gain": 0.4}},
    }
    shapes = {"input": [5], "first": first, "second": second, "output": [3]}
    return network(projections, shapes, seed)


GAIN = {"feedback_gain": 0.5}
KINDS: dict[str, Callable[[dict[str, Any] | None], Network]] = {
    "dense": lambda keys: around({"type": "dense"}, [4], [6], keys=keys),
    "conv2d": lambda keys: convolution(keys=keys),
    "one_to_one": lambda keys: around({"type": "one_to_one"}, [6], [6], keys=keys),
    "sparse": lambda keys: around({"type": "sparse", "probability": 0.4}, [7], [5], keys=keys),
    "parts": lambda keys: around(
        {"type": "one_to_one"}, [4, 3], [2, 3], keys=keys, ends=("first[1:3]", "second")
    ),
}
FEEDBACKS = ("tied", "random", "antisymmetric")


def middle(net: Network) -> tuple[Projection, PairCoupling, Array, Array]:
    """The projection, its operator, and random states of its ends, shape (2, SAMPLES, n)."""
    projection = net.projections["middle"]
    coupling = EquilibriumNetwork(net, torch.float64).projections["middle"]
    rng = np.random.default_rng(1)
    pre, post = (
        rng.standard_normal((2, SAMPLES, net.populations[name].size))
        for name in (projection.pre, projection.post)
    )
    return projection, coupling, pre, post  # type: ignore[return-value]  # dense has the same methods


def largest_difference(net: Network) -> float:
    """Of forward, feedback, balanced map and contrast between the operator and the synapses."""
    projection, coupling, pre, post = middle(net)
    differences = []
    for sent, send, add in ((pre, coupling.forward, add_forward), (post, coupling.feedback, add_feedback)):
        got = send(torch.from_numpy(sent)).numpy()
        for one, result in zip(sent, got, strict=True):
            wanted = np.zeros_like(result)
            add(wanted, projection, one)
            differences.append(np.abs(result - wanted).max())
    differences.append(balanced_difference(net, coupling, pre[0], post[0]))
    wanted = contrast_of_synapses(net, projection, pre, post)
    a, b = (Response(*map(torch.from_numpy, states)) for states in (pre, post))
    differences.append(np.abs(coupling.contrast(a, b, 0.5).numpy() - 0.5 * wanted).max())
    return float(max(differences))


def balanced_difference(net: Network, coupling: PairCoupling, pre: Array, post: Array) -> float:
    only = {"middle": replace(net.projections["middle"], plastic=False)}
    matrix = coupled_map(replace(net, projections=only)).toarray()
    first, second = net.populations["first"].size, net.populations["second"].size
    joined = np.concatenate([pre, post, np.zeros((len(pre), 3))], axis=1)
    rows = [(lambda *ends: (coupling.balanced_feedback(ends[1]), coupling.balanced_forward(ends[0])), matrix)]
    if isinstance(coupling, PairCoupling):
        there, again = coupling.balanced_feedback_transposed, coupling.balanced_forward_transposed
        rows.append((lambda *ends: (again(ends[1]), there(ends[0])), matrix.T))
    worst = 0.0
    for send, wanted in rows:
        back, forth = send(torch.from_numpy(pre), torch.from_numpy(post))
        image = joined @ wanted.T
        worst = max(worst, np.abs(back.numpy() - image[:, :first]).max())
        worst = max(worst, np.abs(forth.numpy() - image[:, first : first + second]).max())
    return worst


def contrast_of_synapses(net: Network, projection: Projection, pre: Array, post: Array) -> Array:
    """k scale (slope_post mean_pre + mean_post slope_pre), summed over synapses of a slot and the batch.

    k over the power of two with which the post population holds its responses.
    """
    s, flat = projection.synapses, np.zeros(projection.weight.size)
    k = net.populations[projection.post].energy_weight[s.post]
    both = post[1][:, s.post] * pre[0][:, s.pre] + post[0][:, s.post] * pre[1][:, s.pre]
    np.add.at(flat, s.slot, s.scale * k * both.sum(0))
    return flat.reshape(projection.weight.shape)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_operator_is_the_list_of_synapses(kind: str, feedback: str) -> None:
    assert largest_difference(KINDS[kind]({**GAIN, "feedback": feedback})) < ROUNDING


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid", 0, 1]),
    pool=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pooled=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    left_over=st.integers(0, 2),
    feedback=st.sampled_from(FEEDBACKS),
)
def test_every_convolution_is_its_list_of_synapses(kernel: int, feedback: str, **sizes: Any) -> None:
    if kernel % 2 == 0 and sizes["padding"] == "same":
        kernel += 1
    zeros = {"same": (kernel - 1) // 2, "valid": 0}.get(str(sizes["padding"]), sizes["padding"])
    sides = [(n * sizes["pool"] - 1) * sizes["stride"] + kernel - 2 * zeros for n in sizes["pooled"]]
    if min(sides) < 1:
        return
    net = convolution(kernel=kernel, keys={**GAIN, "feedback": feedback}, **sizes)
    assert largest_difference(net) < ROUNDING


def test_a_convolution_is_that_of_its_definition() -> None:
    """Against loops over the definition, so that torch and the synapses cannot be wrong alike."""
    net = convolution(kernel=3, stride=2, padding=1, pool=2, left_over=1)
    projection = net.projections["middle"]
    shape = net.populations["first"].shape
    image = np.random.default_rng(0).standard_normal(shape)
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros(net.populations["second"].shape)
    for o, row, column in np.ndindex(*out.shape):
        for up, left in np.ndindex(2, 2):
            top, side = (row * 2 + up) * 2, (column * 2 + left) * 2
            part = padded[:, top : top + 3, side : side + 3]
            out[o, row, column] += (projection.weight[o] * part).sum() / 4
    got = np.zeros((1, out.size))
    add_forward(got, projection, image.reshape(1, -1))
    assert np.abs(got.ravel() - out.ravel()).max() < ROUNDING


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: replace(p, synapses=replace(p.synapses, scale=1.0)),
        lambda p: replace(p, weight=p.weight[:, :, ::-1, ::-1].copy()),
        lambda p: replace(p, weight=p.weight.transpose(0, 1, 3, 2).copy()),
    ],
    ids=["the scale of the pooling dropped", "the kernel flipped", "the kernel transposed"],
)
def test_the_comparison_refuses(wrong: Callable[[Projection], Projection]) -> None:
    net = convolution(keys=GAIN)
    projection, coupling, pre, _ = middle(net)
    wanted = np.zeros((SAMPLES, net.populations["second"].size))
    add_forward(wanted, wrong(projection), pre[0])
    assert np.abs(coupling.forward(torch.from_numpy(pre[0])).numpy() - wanted).max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_the_bound_holds_without_an_energy_too(feedback: str, dtype: torch.dtype) -> None:
    net = around({"type": "dense"}, [30], [40], keys={"feedback": feedback, "feedback_gain": 0.5})
    model = EquilibriumNetwork(net, dtype)
    bound = SpectralBound(model, 0.6)
    radius = spectral_radius(coupled_map(net))
    assert bound.radius() == pytest.approx(radius, rel=2e-3)  # the estimate's own residual is 1e-2 squared
    if feedback == "random":
        return  # the fixed feedback alone has a radius above the bound
    bound.enforce()
    assert spectral_radius(coupled_map(model.to_network())) <= 0.6 * MARGIN


def estimate(net: Network, beta: float) -> dict[str, Array]:
    model = EquilibriumNetwork(net, torch.float64)
    features, target = (torch.from_numpy(part) for part in batch(net))
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, target, beta=beta)
    assert bool(free.point.settled.all())
    return {name: value.numpy() for name, value in contrast(model, free, nudged).items()}


def batch(net: Network) -> tuple[Array, Array]:
    rng = np.random.default_rng(11)
    return rng.uniform(0, 1, (SAMPLES, net.input.size)), rng.uniform(-1, 1, (SAMPLES, net.output.size))


def cosine(got: dict[str, Array], wanted: dict[str, Array], names: list[str] | None = None) -> float:
    a, b = (np.concatenate([v[n].ravel() for n in names or sorted(got)]) for v in (got, wanted))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def skip(gains: tuple[float, float, float] = (0.5, 0.5, 0.5)) -> Network:
    """Two dense layers, and a residual path of ones beside the convolution between them."""
    one = {"init": "constant", "gain": 0.2}
    projections = {
        "in": {"pre": "input", "post": "a", "connector": {"type": "dense"}},
        "conv": {"pre": "a", "post": "b", "connector": {"type": "conv2d"}, "weight": {"gain": 0.3}},
        "skip": {
            "pre": "a",
            "post": "b",
            "connector": {"type": "one_to_one"},
            "weight": one,
            "plastic": False,
        },
        "out": {"pre": "b", "post": "output", "connector": {"type": "dense"}, "weight": {"gain": 0.3}},
    }
    for name, gain in zip(("conv", "skip", "out"), gains, strict=True):
        projections[name]["feedback_gain"] = gain
    return network(projections, {"input": [6], "a": [2, 4, 4], "b": [2, 4, 4], "output": [3]})


EXACT: dict[str, Callable[[], Network]] = {
    **{f"{kind}, tied": lambda make=make: make(GAIN) for kind, make in KINDS.items()},
    **{
        f"{kind}, antisymmetric": lambda make=make: make({**GAIN, "feedback": "antisymmetric"})
        for kind, make in KINDS.items()
    },
    "conv2d, one bias a channel": lambda: shared_bias(),
    "dense into all slices of a cube": lambda: cube(),
    "conv2d from the input": lambda: from_input({"type": "conv2d", "pool": 2}, [1, 6, 6], [3, 3, 3]),
    "sparse from the input": lambda: from_input({"type": "sparse", "probability": 0.5}, [8], [6]),
    "one_to_one from the input": lambda: from_input({"type": "one_to_one"}, [8], [8]),
    "a residual path": skip,
}


def shared_bias() -> Network:
    return from_input({"type": "conv2d", "pool": 2}, [6, 6], [3, 3, 3], bias_per="channel")


def cube() -> Network:
    """The energy weight differs between the slices, so among the units that one projection reaches."""
    lattice = {"type": "lattice", "neighbours": 6}
    projections = {
        "in": {"pre": "input", "post": "cube", "connector": {"type": "dense"}},
        "lattice": {"pre": "cube", "post": "cube", "connector": lattice, "weight": {"gain": 0.3}, **GAIN},
        "out": {"pre": "cube[:, :, -1]", "post": "output", "connector": {"type": "dense"}, **GAIN},
    }
    return network(projections, {"input": [5], "cube": [2, 2, 3], "output": [3]})


def from_input(connector: dict[str, Any], first: list[int], second: list[int], **keys: Any) -> Network:
    projections = {
        "in": {"pre": "input", "post": "hidden", "connector": connector},
        "out": {
            "pre": "hidden",
            "post": "output",
            "connector": {"type": "dense"},
            "weight": {"gain": 0.5},
            "feedback_gain": 0.5,
        },
    }
    return network(projections, {"input": first, "hidden": second, "output": [3]}, **keys)


@pytest.mark.parametrize("name", EXACT)
def test_the_contrast_is_the_gradient(name: str) -> None:
    net = EXACT[name]()
    got, wanted = estimate(net, 0.05), negative_gradient(net, *batch(net))
    for key in set(wanted) - set(got):
        assert not net.projections[key.split(".")[1]].plastic
        del wanted[key]
    assert cosine(got, wanted) > 0.99999
    errors = [1.0 - cosine(estimate(net, beta), wanted) for beta in (0.4, 0.1)]
    assert errors[1] < errors[0] / 50  # as beta to the fourth: 256


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_the_implicit_gradient_is_that_of_finite_differences(kind: str, feedback: str) -> None:
    net = KINDS[kind]({**GAIN, "feedback": feedback})
    features, target = batch(net)
    wanted = negative_gradient(net, features, target)["projections.middle.weight"].ravel()
    for slot in (0, wanted.size // 2, wanted.size - 1):
        costs = []
        for change in (1e-5, -1e-5):
            arrays = {name: array.copy() for name, array in net.arrays().items()}
            arrays["projections.middle.weight"].ravel()[slot] += change
            moved = net.with_arrays(arrays)
            ends = np.cumsum([p.size for p in moved.dynamic])[:-1]
            states = np.split(free_states(moved, features), ends, axis=1)
            rates = with_readout(moved, dict(zip([p.name for p in moved.dynamic], states, strict=True)))
            costs.append(0.5 * ((rates["output"] - target) ** 2).sum(1).mean())
        # costs near 1 have a rounding of 1e-16, over 2e-5
        assert wanted[slot] == pytest.approx((costs[1] - costs[0]) / 2e-5, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_random_feedback_is_in_the_dynamics_and_no_gradient(kind: str) -> None:
    """Feedback alignment: the layers before see the error through other weights than the gradient does."""
    net = KINDS[kind]({**GAIN, "feedback": "random"})
    own = net.projections["middle"].feedback_weight
    assert own is not None
    got, wanted = estimate(net, 0.01), negative_gradient(net, *batch(net))
    assert cosine(got, wanted, ["projections.out.weight"]) > 0.9
    assert cosine(got, wanted, ["projections.in.weight"]) < 0.99
    tied = replace(net.projections["middle"], feedback_weight=None)
    other = replace(net, projections={**net.projections, "middle": tied})
    assert np.abs(free_states(net, batch(net)[0]) - free_states(other, batch(net)[0])).max() > 1e-4


def test_fixed_weights_survive_the_model_and_learning_leaves_them() -> None:
    net = KINDS["conv2d"]({**GAIN, "feedback": "random"})
    model = EquilibriumNetwork(net, torch.float64)
    back = model.to_network()
    assert all(np.array_equal(value, back.arrays()[name]) for name, value in net.arrays().items())
    assert "projections.middle.feedback_weight" not in estimate(net, 0.1)
    changed = {name: value + 1.0 for name, value in net.arrays().items()}
    model.load_arrays(changed)
    assert largest_difference(model.to_network()) < 1e-11
    state = torch.ones(1, net.populations["second"].size, dtype=torch.float64)
    wanted = np.zeros((1, net.populations["first"].size))
    add_feedback(wanted, model.to_network().projections["middle"], state.numpy())
    assert np.abs(model.projections["middle"].feedback(state).numpy() - wanted).max() < 1e-11


@pytest.mark.parametrize("name", ["conv2d, one bias a channel", "sparse from the input", "a residual path"])
def test_backprop_through_the_settle_is_the_same_gradient(name: str) -> None:
    net = EXACT[name]()
    wanted = negative_gradient(net, *batch(net))
    model = EquilibriumNetwork(net, torch.float64)
    step = backpropagation(model, *(torch.from_numpy(part) for part in batch(net)))
    for key, value in step.contrast.items():
        assert np.abs(value.numpy() - wanted[key]).max() < 1e-8, key  # 60 unrolled steps at a radius near 0.5
    assert not any(p.requires_grad for p in model.parameters())
    assert cosine(estimate(net, 0.05), {k: wanted[k] for k in step.contrast}) > 0.99999


def test_one_bias_of_a_channel_stays_one() -> None:
    got = estimate(shared_bias(), 0.1)["populations.hidden.bias"].reshape(3, 9)
    assert np.ptp(got, axis=1).max() == 0.0
    assert np.ptp(got[:, 0]) > 1e-6
