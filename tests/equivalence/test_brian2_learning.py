"""Learning inside Brian2 against the same rule in numpy: every weight and bias after some updates.

The two sum the same products in another order, in float64. A step of the dynamics adds errors near 1e-16,
which the contrast divides by 2 beta = 0.2 to 1, and the update multiplies with a learning rate below 1:
1e-12 leaves a wide margin and is far below a wrong sign, phase, share or trace.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning import rules
from mep_neuro.converters.to_brian2.learning.schedule import Schedule
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.converters.to_brian2.learning.trainer import Trainer
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.spiking import is_spiking, spiking_phase
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

Array = NDArray[np.float64]
TOLERANCE = 1e-12
SAMPLES = 5


def network(
    *,
    phases: str = "centered",
    learning: Mapping[str, Any] | None = None,
    consolidation: Mapping[str, Any] | None = None,
    activation: str = "hard_sigmoid",
    steps: tuple[int, int] = (24, 12),
) -> Network:
    """Dense and sparse projections, a feedback gain below 1, two time constants, a centred input."""
    weight = {"init": "normal", "gain": 0.3}
    mapping = {
        "name": "learner",
        "seeds": {"init": 3, "data": 4, "noise": 5},
        "neurons": {
            "fast": {"activation": activation, "tau_mem": "2 ms"},
            "slow": {"activation": activation, "tau_mem": "3 ms"},
        },
        "populations": {
            "input": {"shape": [4], "role": "input", "encoding": {"scale": 0.8, "centre": "mean"}},
            "first": {"shape": [6], "neuron": "slow", "bias": 0.3},
            "second": {"shape": [6], "neuron": "fast", "bias": 0.2},
            "output": {"shape": [3], "role": "output", "neuron": "fast", "bias": 0.1},
        },
        "projections": {
            "in": {"pre": "input", "post": "first", "connector": {"type": "dense"}},
            "thin": {
                "pre": "first",
                "post": "second",
                "connector": {"type": "sparse", "probability": 0.5},
                "feedback_gain": 0.5,
                "weight": weight,
            },
            "out": {"pre": "second", "post": "output", "connector": {"type": "dense"}, "weight": weight},
        },
        "equilibrium": {
            "dt": "1 ms",
            "slots": 60,
            "free_steps": steps[0],
            "nudged_steps": steps[1],
            "nudge": {"beta": 0.2, "phases": phases},
        },
        "learning": {"lr": 0.3, "momentum": 0.5, "batch_size": 2, "epochs": 2, **(learning or {})},
        "consolidation": {"method": "none", **(consolidation or {})},
    }
    return build(read_spec(mapping))


def cube() -> Network:
    """A lattice, seen through a dense read-out of settling units."""
    mapping = {
        "name": "cube",
        "populations": {
            "input": {"shape": [4], "role": "input"},
            "cube": {"shape": [2, 2, 3], "bias": 0.2},
            "output": {"shape": [3], "role": "output"},
        },
        "projections": {
            "in": {"pre": "input", "post": "cube[:, :, 0]", "connector": {"type": "dense"}},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice", "neighbours": 6, "periodic": False},
                "feedback_gain": 0.6,
                "weight": {"init": "normal", "gain": 0.4},
            },
            "out": {"pre": "cube[:, :, -1]", "post": "output", "connector": {"type": "dense"}},
        },
        "equilibrium": {"dt": "1 ms", "free_steps": 30, "nudged_steps": 20, "nudge": {"beta": 0.2}},
        "learning": {"lr": 0.2, "batch_size": 3},
    }
    return build(read_spec(mapping))


def data() -> tuple[Array, NDArray[np.int64]]:
    rng = np.random.default_rng(8)
    return rng.random((SAMPLES, 4)), rng.integers(0, 3, SAMPLES)


class Plain:
    """Equilibrium Propagation in numpy, pattern after pattern: the rule in as few lines as it has.

    Rates settle by Euler steps, spiking neurons slot by slot; what is learned from is the same.
    """

    def __init__(self, network: Network, plan: Schedule, times: Timetable, dt: float) -> None:
        self.network, self.plan, self.times, self.dt = network, plan, times, dt
        self.numbers = {name: array.copy() for name, array in network.arrays().items()}
        self.traces = {name: np.zeros_like(a) for name, a in self.numbers.items() if name in self.plastic()}
        self.done = 0

    def plastic(self) -> list[str]:
        return [n for n in self.numbers if n.endswith((".weight", ".bias")) and "input." not in n]

    def show(self, features: Array) -> None:
        """One presentation."""
        place, spec = self.done, self.network.spec
        self.done += 1
        now = self.network.with_arrays(self.numbers)
        stimulus = present(now, features[self.plan.row[place]][None])
        free, rates = self.settle(now, stimulus, self.times.free, None, None)
        target = np.eye(now.output.size)[self.plan.label[place]]
        beta = float(spec.equilibrium.nudge.beta) * self.plan.sign[place]
        pull = beta * (target - rates["output"])
        seen, state, spikes = [rates], free, is_spiking(now)
        for sign in self.times.signs:
            start = free if spikes else state  # spiking phases both begin where the free one ended
            state, rates = self.settle(now, stimulus, self.times.nudged, sign * pull, start)
            seen.append(rates)
        plus, minus = (seen[1], seen[2]) if len(self.times.signs) == 2 else (seen[1], seen[0])
        for name in self.traces:
            difference = self.product(now, stimulus.rates, name, plus)
            difference = difference - self.product(now, stimulus.rates, name, minus)
            self.traces[name] += self.plan.share[place] * difference / (beta * self.times.span)
        if self.plan.closes[place]:
            self.step(place)

    def step(self, place: int) -> None:
        learning = self.network.spec.learning
        for name, trace in self.traces.items():
            self.numbers[name] += learning.lr * self.plan.factor[place] * trace
            trace *= learning.momentum

    def settle(
        self, now: Network, stimulus: Any, steps: int, pull: Array | None, start: Any
    ) -> tuple[Any, dict[str, Array]]:
        nudge = None if pull is None else {"output": pull}
        if is_spiking(now):
            phase = spiking_phase(now, stimulus, slots=steps, nudge=nudge, start=start)
            return phase.end, phase.rates
        trace = euler(now, stimulus, steps, self.dt, nudge=nudge, start=start)
        last = {name: v[-1] for name, v in trace.items()}
        return last, {name: now.populations[name].rate(v) for name, v in last.items()}

    def product(self, now: Network, clamped: Array, name: str, rates: Mapping[str, Array]) -> Array:
        kind, part, _ = name.split(".")
        if kind == "populations":
            return now.populations[part].k * rates[part][0]
        q = now.projections[part]
        pre = (clamped if q.pre == now.input.name else rates[q.pre])[0][q.synapses.pre]
        post = (now.populations[q.post].k * rates[q.post][0])[q.synapses.post]
        shaped = np.empty(q.weight.size)
        shaped[q.synapses.slot] = pre * post
        return shaped.reshape(q.weight.shape)


def deviation(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    assert set(ours) == set(theirs)
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in theirs)


def both(made: Network, target: str = "numpy", epochs: int = 2) -> tuple[Trainer, Plain]:
    features, labels = data()
    ours = Trainer(made, features, labels, epochs=epochs, target=target)
    plain = Plain(made.with_arrays(ours.arrays()), ours.plan, ours.plastic.times, ours.plastic.dt)
    ours.train()
    for _ in range(ours.plan.presentations):
        plain.show(features)
    return ours, plain


def spiking(model: str, **changes: Any) -> Network:
    """The network above with one time constant, and spiking units."""
    return network_with_neuron(network(**changes), model)


CASES = {
    "centered": network,
    "one_sided": lambda: network(phases="one_sided"),
    "random_sign": lambda: network(phases="random_sign"),
    "tanh": lambda: network(activation="tanh"),
    "one tick a step": lambda: network(steps=(23, 11)),
    "pattern by pattern": lambda: network(learning={"batch_size": 1, "momentum": 0.0}),
    "cube": cube,
    "sif": lambda: spiking("sif"),
    "sif, one_sided": lambda: spiking("sif", phases="one_sided"),
    "sigma_delta": lambda: spiking("sigma_delta"),
    "annealed_sigma_delta": lambda: spiking("annealed_sigma_delta"),
    "lif": lambda: spiking("lif"),
}


def everyday(names: Iterable[str], *chosen: str) -> list[Any]:
    """The names as parameters; all but the chosen ones are for the slow run."""
    return [pytest.param(n, marks=[] if n in chosen else [pytest.mark.slow]) for n in names]


@pytest.mark.parametrize("case", everyday(CASES, "centered", "cube", "sif"))
def test_every_weight_after_two_epochs(case: str) -> None:
    ours, plain = both(CASES[case]())
    start = CASES[case]().arrays()
    moved = {name: np.abs(plain.numbers[name] - start[name]).max() for name in plain.traces}
    assert min(moved.values()) > 1e-4  # every projection and bias learns
    assert deviation(ours.arrays(), plain.numbers) <= TOLERANCE


PLANTED = {
    "the other phase": ("+1 * int(ep_step == 36)", "+1 * int(ep_step == 24)"),
    "a wrong sign": ("-1 * int(ep_step == 48)", "+1 * int(ep_step == 48)"),
    "a wrong end": ("r_pre * r_post", "r_pre * r_pre"),
    "no energy weight": ("k_post * ", ""),
    "a share of another batch": ("* ep_share(ep_slot)", "* ep_share(ep_slot + ep_dt)"),
    "no momentum": ("(1 - ep_momentum)", "1"),
}


@pytest.mark.slow
@pytest.mark.timeout(600)  # compiles for a quarter of a minute of CPU, once for each network
@pytest.mark.parametrize("case", CASES)
def test_every_weight_after_two_epochs_in_a_standalone_program(case: str) -> None:
    ours, plain = both(CASES[case](), target="cpp_standalone")
    assert deviation(ours.arrays(), plain.numbers) <= TOLERANCE


@pytest.mark.parametrize("bug", everyday(PLANTED, "a wrong end"))
def test_the_comparison_refuses_a_rule_that_is_slightly_wrong(
    bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = PLANTED[bug]
    written = rules.synapse_contrast

    def planted(times: Timetable, optimizer: str) -> str:
        text = written(times, optimizer)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(rules, "synapse_contrast", planted)
    ours, plain = both(network(), epochs=1)
    assert deviation(ours.arrays(), plain.numbers) > 1e3 * TOLERANCE


@pytest.mark.slow  # four trainings
def test_weights_that_change_during_the_nudge_tend_to_the_contrast() -> None:
    """They move under the currents that move them: a difference of the order of lr (Ernoult et al. 2020)."""
    features, labels = data()
    differences = []
    for lr in (1e-3, 1e-4):
        steps = {}
        for mode in ("phased", "continual"):
            learning = {"mode": mode, "lr": lr, "momentum": 0.0, "batch_size": 1, "schedule": "constant"}
            made = network(phases="one_sided", learning=learning, steps=(60, 60))
            ours = Trainer(made, features, labels, epochs=1, target="numpy")
            before = ours.arrays()
            ours.train()
            steps[mode] = {name: (a - before[name]) / lr for name, a in ours.arrays().items()}
        assert min(np.abs(steps["phased"][n]).max() for n in steps["phased"] if "input." not in n) > 0.02
        differences.append(deviation(steps["continual"], steps["phased"]))
    assert differences[0] < 0.03
    assert 8.0 < differences[0] / differences[1] < 12.0  # a tenth of lr, a tenth of the difference
