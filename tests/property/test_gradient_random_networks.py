"""The contrast is the loss gradient on 200 random networks: 25 around each kind of projection.

Each is a chain, input -> (layer) -> the kind -> (layer) -> output, with skips past parts of it, drawn
from its kind and number alone. Attention, no list of synapses, has its law in test_attention.py.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged, free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import read_spec

Array = NDArray[np.float64]
Random = np.random.Generator
KINDS = ("dense", "conv2d", "lattice 6", "lattice 18", "lattice 26", "one_to_one", "sparse", "pointwise")
TIMES = 25  # networks of a kind
SAMPLES = 4
LEAST_COSINE = 0.99999
REST = 1e-12  # of the settle: in units of the nudge for a response, 1e-7 of what LEAST_COSINE can see
# The force is about 1 at most: |y - s| is made 1, that of a softmax is below the root of 2 and a read-out
# has the norm 0.7. In a map of radius 0.7 no response then exceeds u = 0.05 / (1 - 0.7) = 0.17, where the
# slope of tanh has changed by u^2 / 3 = 1 %: the most by which a block is off at beta 0.05, BLOCK_ERROR.
# Measured: the worst block is off by 0.32 %, all together by 0.15 %, and the cosine by half its square.
BETA, RADII, ERROR, READ_OUT, BLOCK_ERROR = 0.05, (0.3, 0.7), 1.0, 0.7, 0.01


@dataclass(frozen=True)
class Stage:
    """A population of the chain, where projections enter and leave it, and k there, k at the input 1."""

    name: str
    shape: tuple[int, ...]
    entry: str
    way_out: str
    rise: float = 1.0  # k at the way out over k at the entry


def stage(name: str, *shape: int) -> Stage:
    return Stage(name, shape, name, name)


def some(rng: Random, low: int, high: int) -> int:
    """An integer from low to high, both included."""
    return int(rng.integers(low, high + 1))


def around(kind: str, rng: Random, populations: dict[str, Any]) -> tuple[list[Stage], dict[str, Any]]:
    """The one or two populations that a projection of this kind joins, and its connector."""
    a, b = some(rng, 4, 8), some(rng, 4, 8)
    if kind.startswith("lattice"):
        return lattice(int(kind.split()[1]), rng)
    if kind == "conv2d":
        pool, height, width = some(rng, 1, 2), some(rng, 1, 2), some(rng, 2, 3)
        first = stage("first", some(rng, 1, 2), height * pool, width * pool)
        connector = {"type": kind, "kernel": 3, "pool": pool}
        if rng.random() < 0.5:
            populations["second"] = {"bias_per": "channel"}
        return [first, stage("second", some(rng, 1, 3), height, width)], connector
    if kind == "pointwise":
        positions = some(rng, 2, 3)
        return [stage("first", positions, a // 2), stage("second", positions, b // 2)], {"type": kind}
    more = {"sparse": {"probability": 0.5}}.get(kind, {})
    return [stage("first", a), stage("second", a if kind == "one_to_one" else b)], {"type": kind, **more}


def lattice(neighbours: int, rng: Random) -> tuple[list[Stage], dict[str, Any]]:
    """A cube between its two faces along some axis. Around a ring there is an energy only if g is 1."""
    axis, periodic = some(rng, 0, 2), rng.random() < 0.25
    shape = tuple(3 if periodic else some(rng, 2, 3) for _ in range(3))
    gain = 1.0 if periodic else float(rng.uniform(0.2, 1.0))
    faces = (f"cube[{', '.join([':'] * axis + [end])}]" for end in ("0", "-1"))
    connector = {"type": "lattice", "neighbours": neighbours, "axis": axis, "periodic": periodic}
    cube = Stage("cube", shape, *faces, rise=gain ** (shape[axis] - 1))
    return [cube], {"connector": connector, "feedback_gain": gain, "pre": "cube", "post": "cube"}


def topology(kind: str, number: int, activation: str) -> dict[str, Any]:
    """Of three networks the costs are squared error, cross-entropy of a read-out, and of settling units."""
    rng, soft = np.random.default_rng([KINDS.index(kind), number]), number % 3 == 1
    more: dict[str, Any] = {}
    core, connector = around(kind, rng, more)
    before, after = rng.random(2) < 0.5
    chain = [stage("input", some(rng, 4, 6)), *([stage("before", some(rng, 3, 6))] if before else []), *core]
    chain += [stage("after", some(rng, 3, 6))] if after else []
    positions = core[0].shape[0] if kind == "pointwise" and not after else some(rng, 1, 2)
    chain.append(stage("output", *((positions, 3) if soft and positions > 1 else (some(rng, 2, 4),))))
    pointwise = {"type": "pointwise"} if kind == "pointwise" and not after and soft else {"type": "dense"}
    inner = {"first": connector, chain[-2].name: pointwise}
    projections: dict[str, Any] = {} if len(core) == 2 else {"lattice": connector}
    entries = {"input": 1.0}  # k at each stage's entry, below 0 past antisymmetric feedback
    for pre, post in pairwise(chain):
        joined = inner.get(pre.name, {"type": "dense"})
        clamped = pre.name == "input" or (soft and post.name == "output")
        turns = not clamped and joined["type"] != "pointwise" and rng.random() < 0.15
        gain = 1.0 if clamped else float(rng.uniform(0.2, 1.0)) * (-1.0 if turns else 1.0)
        entries[post.name] = entries[pre.name] * pre.rise * gain
        projections[f"{pre.name}_{post.name}"] = link(pre, post, joined, gain)
    for pre, post in combinations(chain, 2):
        near = (pre, post) in pairwise(chain)
        read_out = soft and post.name == "output"
        if near or rng.random() < 0.5 or (read_out and pre.name == "input"):
            continue
        untied = read_out or pre.name == "input"
        gain = 1.0 if untied else entries[post.name] / (entries[pre.name] * pre.rise)
        projections[f"skip_{pre.name}_{post.name}"] = link(pre, post, {"type": "dense"}, gain)
    for one in chain[1:]:
        more[one.name] = {"neuron": "unit", **more.get(one.name, {})}
    more["input"] = {"role": "input"}
    more["output"] = {"role": "output", **({"activation": "softmax"} if soft else {"neuron": "unit"})}
    return {
        "name": "drawn",
        "neurons": {"unit": {"activation": activation}},
        "populations": {one.name: {"shape": list(one.shape), **more[one.name]} for one in chain},
        "projections": projections,
        "equilibrium": {
            "tolerance": REST,
            "max_steps": 3000,
            "nudge": {"beta": BETA, "cost": "cross_entropy" if number % 3 else "squared_error"},
        },
    }


def link(pre: Stage, post: Stage, connector: dict[str, Any], gain: float) -> dict[str, Any]:
    feedback = "tied" if gain > 0 else "antisymmetric"
    ends = {"pre": pre.way_out, "post": post.entry}
    return {**ends, "connector": connector, "feedback_gain": abs(gain), "feedback": feedback}


def draw(kind: str, number: int, activation: str = "tanh", bias: float = 0.0) -> Network:
    """Network of this kind and number; its coupled map has a radius drawn from RADII."""
    made = build(read_spec(topology(kind, number, activation)), seed=number)
    rng = np.random.default_rng([KINDS.index(kind), number, 1])
    arrays, settling = made.arrays(), {p.name for p in made.dynamic}
    radius = spectral_radius(coupled_map(made))
    factor = rng.uniform(*RADII) / radius if radius else 1.0
    for name, projection in made.projections.items():
        if projection.pre in settling:
            weight = arrays[f"projections.{name}.weight"]
            own = factor if projection.post in settling else READ_OUT / np.linalg.norm(weight, 2)
            arrays[f"projections.{name}.weight"] = weight * own
    for name, population in made.populations.items():
        if population.role != "input":
            channels = population.bias_channels or population.size
            own = bias + 0.2 * rng.standard_normal(channels)
            arrays[f"populations.{name}.bias"] = np.repeat(own, population.size // channels)
    return made.with_arrays(arrays)


@dataclass(frozen=True)
class Batch:
    """A network after its free phase, with targets at most ERROR away."""

    net: Network
    model: EquilibriumNetwork
    features: Array
    target: Array
    free: Free

    def nudged(self, beta: float, phases: str = "centered") -> Nudged:
        found = nudged_phase(self.model, self.free, torch.from_numpy(self.target), beta=beta, phases=phases)
        assert bool(found.point.settled.all())
        return found

    def estimate(self, beta: float = BETA, phases: str = "centered") -> dict[str, Array]:
        found = contrast(self.model, self.free, self.nudged(beta, phases))
        return {name: value.numpy() for name, value in found.items()}

    @property
    def exact(self) -> dict[str, Array]:
        return negative_gradient(self.net, self.features, self.target)


def batch(net: Network, seen: Network | None = None, samples: int = SAMPLES) -> Batch:
    """Random samples of a network; the model may be that of another, faulty, one."""
    rng = np.random.default_rng(7)
    features = rng.uniform(0.0, 1.0, (samples, net.input.size))
    model = EquilibriumNetwork(net if seen is None else seen, torch.float64)
    free = free_phase(model, torch.from_numpy(features))
    assert bool(free.point.settled.all())
    if net.spec.equilibrium.nudge.cost == "squared_error":
        error = rng.standard_normal((samples, net.output.size))
        error *= ERROR / np.linalg.norm(error, axis=1, keepdims=True)
        target = free.point.states["output"].numpy() + error
    else:
        positions = net.output.positions
        classes = rng.integers(0, net.output.size // positions, (samples, positions))
        target = np.eye(net.output.size // positions)[classes].reshape(samples, -1)
    return Batch(net, model, features, target, free)


def compared(got: Mapping[str, Array], wanted: Mapping[str, Array]) -> tuple[float, float]:
    """Cosine and relative error over all weights and biases side by side."""
    assert set(got) == set(wanted)
    a, b = (np.concatenate([values[name].ravel() for name in sorted(got)]) for values in (got, wanted))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), float(
        np.linalg.norm(a - b) / np.linalg.norm(b)
    )


def test_the_draws_cover_what_they_promise() -> None:
    seen: Counter[str] = Counter()
    for kind, number in product(KINDS, range(TIMES)):
        net = draw(kind, number)
        seen[net.spec.equilibrium.nudge.cost + (" settling" if net.output.dynamic else "")] += 1
        seen["sequence"] += net.output.positions > 1 and not net.output.dynamic
        for name, p in net.projections.items():
            connector, inner = net.spec.projections[name].connector, p.pre != "input"
            seen["skip"] += name.startswith("skip") and inner and p.post != "output"
            far = name.startswith("skip") and inner and p.post == "output"
            seen["skip to the output" if net.output.dynamic else "second read-out"] += far
            seen["antisymmetric"] += p.feedback_gain < 0
            seen["pooled"] += getattr(connector, "pool", 1) > 1
            seen["periodic"] += getattr(connector, "periodic", False)
            seen["pointwise read-out"] += p.kind == "pointwise" and p.post == "output"
        seen["one bias a channel"] += any(p.bias_channels is not None for p in net.populations.values())
        radius = spectral_radius(coupled_map(net))
        assert radius <= RADII[1] * (1.0 + 1e-12)
        seen["coupled"] += radius >= RADII[0] * (1.0 - 1e-12)
    assert sum(seen[name] for name in seen if name.split()[0] in ("squared_error", "cross_entropy")) == 200
    assert seen["coupled"] >= 190  # a lone layer under a read-out has no map
    assert min(seen.values()) >= 5, seen


def is_the_gradient(got: Mapping[str, Array], wanted: Mapping[str, Array]) -> bool:
    """All together to LEAST_COSINE, and each block too: a layer of small gradients hides behind others."""
    blocks = [compared({name: value}, {name: wanted[name]}) for name, value in got.items()]
    together = compared(got, wanted)[0]
    return all(c > LEAST_COSINE for c in (together, *(c for c, _ in blocks))) and all(
        error < BLOCK_ERROR for _, error in blocks
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_contrast_is_the_gradient(kind: str) -> None:
    for number in range(TIMES):
        drawn = batch(draw(kind, number))
        assert is_the_gradient(drawn.estimate(), drawn.exact), number


@pytest.mark.parametrize(("phases", "order"), [("centered", 2.0), ("one_sided", 1.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_error_falls_as_this_power_of_beta(kind: str, phases: str, order: float) -> None:
    for number in range(3):  # one of each cost
        drawn, betas = batch(draw(kind, number)), np.array([0.1, 0.05, 0.025])
        exact = drawn.exact
        errors = [compared(drawn.estimate(beta, phases), exact)[1] for beta in betas]
        assert np.polyfit(np.log(betas), np.log(errors), 1)[0] == pytest.approx(order, abs=0.1), number


def between_kinks(drawn: Batch, beta: float) -> NDArray[np.intp]:
    """Samples in which every unit is at -beta and at +beta on the piece of rho where it rests."""
    same = np.ones(len(drawn.features), dtype=bool)
    for sign in (1.0, -1.0):
        nudged = drawn.nudged(sign * beta, "one_sided")
        for name, rest in drawn.free.point.states.items():
            moved = 2.0 * nudged.point.states[name] - rest  # one_sided tells the mean of the two
            kinks = (0.0, 1.0) if drawn.net.populations[name].activation == "hard_sigmoid" else (0.0,)
            for kink in kinks:
                at_rest, at_nudge = ((state - kink).abs() < 1e-9 for state in (rest, moved))
                same &= (at_rest == at_nudge).all(1).numpy()
    return np.flatnonzero(same)


@pytest.mark.parametrize("activation", ["hard_sigmoid", "relu"])
@pytest.mark.parametrize("kind", KINDS)
def test_between_kinks_the_contrast_is_the_gradient(kind: str, activation: str) -> None:
    for number in range(3):
        whole = batch(draw(kind, number, activation, bias=0.3), samples=12)
        rows = between_kinks(whole, 0.01)
        assert rows.size >= 6
        free = free_phase(whole.model, torch.from_numpy(whole.features[rows]))
        part = replace(whole, features=whole.features[rows], target=whole.target[rows], free=free)
        exact = part.exact
        assert all(np.abs(value).max() > 1e-6 for value in exact.values())
        assert compared(part.estimate(0.01), exact)[1] < 1e-10


def faulty(net: Network, what: str) -> Network:
    """The network as a program with the fault would see it."""
    if what == "the energy weight dropped":
        ones = {n: np.ones(p.size) for n, p in net.populations.items()}
        populations = {
            n: replace(p, energy_weight=ones[n], energy_exponent=0) for n, p in net.populations.items()
        }
        return replace(net, populations=populations)
    wrong = {
        n: replace(
            p, feedback_gain=0.9 * p.feedback_gain, synapses=replace(p.synapses, gain=0.9 * p.synapses.gain)
        )
        for n, p in net.projections.items()
    }
    return replace(net, projections=wrong)


@pytest.mark.parametrize("what", ["the energy weight dropped", "the feedback gains 10 % off"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_law_refuses_a_fault(kind: str, what: str) -> None:
    """In each of the first networks; where k is the same everywhere, dropping it is no fault."""
    tried = 0
    for number in range(6):
        net = draw(kind, number)
        drawn = batch(net, seen=faulty(net, what))
        weights = np.concatenate([p.energy_weight * 2.0**p.energy_exponent for p in net.dynamic])
        if what == "the energy weight dropped" and np.ptp(weights) < 0.1:
            continue
        tried += 1
        assert not is_the_gradient(drawn.estimate(), drawn.exact), number
    assert tried >= 3
