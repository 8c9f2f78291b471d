"""Differences sent through a threshold: every synaptic event is counted, and nothing else."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.solvers.event_driven import EventDriven
from mep_neuro.equilibrium.solvers.modes import Single
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.topology.spec import NetworkSpec


def model_of(activation: str = "tanh", hidden: int = 3, output: int = 2) -> EquilibriumNetwork:
    """4 inputs, one hidden population and an output that settles: hidden x output synapses, both ways."""
    dense: dict[str, Any] = {"connector": {"type": "dense"}}
    spec = NetworkSpec.model_validate(
        {
            "name": "events",
            "neurons": {"unit": {"activation": activation}},
            "populations": {
                "input": {"shape": [4], "role": "input"},
                "hidden": {"shape": [hidden], "neuron": "unit"},
                "output": {"shape": [output], "role": "output", "neuron": "unit"},
            },
            "projections": {
                "in": {"pre": "input", "post": "hidden", **dense},
                "out": {"pre": "hidden", "post": "output", **dense, "weight": {"gain": 0.5}},
            },
            "equilibrium": {"solver": "event_driven", "tolerance": 1e-8, "max_steps": 500},
        }
    )
    return EquilibriumNetwork(build(spec, seed=1), torch.float64)


def features(samples: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(-1.0, 1.0, (samples, 4)))


def work_of(model: EquilibriumNetwork, x: torch.Tensor, **settings: Any) -> EventDriven:
    _, drive = model.drive(x)
    drives = [drive[name] for name in model.settling]
    return EventDriven(model.system, Single(model.activations), drives, [None] * len(drives), **settings)


def test_fan_out_is_the_number_of_synapses_both_ways() -> None:
    assert [fan.tolist() for fan in model_of().system.fan_out] == [[2.0] * 3, [3.0] * 2]
    lattice = EquilibriumNetwork(build_cube())
    counts = lattice.system.fan_out[0]
    assert int(counts.sum()) == 2 * lattice.network.projections["lattice"].synapses.pre.size
    assert (int(counts.min()), int(counts.max())) == (7, 26)  # neighbours of a corner, and of the middle


def build_cube() -> Any:
    return build(
        NetworkSpec.model_validate(
            {
                "name": "cube",
                "neurons": {"unit": {"activation": "tanh"}},
                "populations": {
                    "input": {"shape": [4], "role": "input"},
                    "cube": {"shape": [3, 3, 3], "neuron": "unit"},
                    "output": {"shape": [2], "role": "output", "activation": "softmax"},
                },
                "projections": {
                    "face": {"pre": "input", "post": "cube[:, :, 0]", "connector": {"type": "dense"}},
                    "lattice": {"pre": "cube", "post": "cube", "connector": {"type": "lattice"}},
                    "read": {"pre": "cube[:, :, -1]", "post": "output", "connector": {"type": "dense"}},
                },
                "equilibrium": {"nudge": {"cost": "cross_entropy"}},
            }
        )
    )


def test_each_unit_sends_when_it_differs_from_what_it_sent() -> None:
    """The same by hand, unit by unit and synapse by synapse, for one sample."""
    model, x, epsilon = model_of(), features(1), 0.1
    work = work_of(model, x)
    weight, (_, drive) = model.weights["out"], model.drive(x)
    current = [drive["hidden"][0].clone(), drive["output"][0].clone()]
    sent, count = [torch.zeros(3).double(), torch.zeros(2).double()], 0
    for forth in (True, False, True):
        work.measured_step()
        for block in (0, 1) if forth else (1, 0):
            for unit, value in enumerate(torch.tanh(current[block])):
                difference = value - sent[block][unit]
                if abs(difference) <= epsilon:
                    continue
                sent[block][unit] = value
                for target in range(len(current[1 - block])):
                    w = weight[target, unit] if block == 0 else weight[unit, target]
                    current[1 - block][target] += w * difference
                    count += 1
        assert float(work.epsilon) == epsilon, "nobody was to fall quiet yet"
        assert float(work.events) == count
        for ours, theirs in zip(work.states, sent, strict=True):
            assert torch.allclose(ours[0], theirs, rtol=0, atol=1e-15)
    assert 0 < count < 3 * 12


def test_at_epsilon_zero_every_update_is_sent() -> None:
    """tanh units move in every half-sweep: as many events as dense sweeps have synapses."""
    work = work_of(model_of(), features(), first_epsilon=0.0)
    for half_sweep in range(1, 6):
        work.measured_step()
        # 3 hidden units send 2 ways each, 2 output units 3; back and forth, the turning block has no news.
        assert work.events.tolist() == [12.0 + 6.0 * (half_sweep - 1)] * 3


def test_silent_units_send_nothing() -> None:
    model = model_of("relu")
    model.biases["hidden"].fill_(-100.0)
    model.biases["output"].fill_(-100.0)
    point = free_phase(model, features()).point
    assert point.events is not None
    assert point.events.tolist() == [0.0] * 3


def test_the_residual_is_at_most_epsilon_when_nobody_sends() -> None:
    work = work_of(model_of(), features())
    quiet = torch.zeros(3, dtype=torch.bool)
    for _ in range(60):
        epsilon, events = work.epsilon[:, 0].clone(), work.events.clone()
        work.measured_step()
        now = work.events == events
        assert torch.equal(work.epsilon[:, 0], torch.where(now, epsilon / 2, epsilon))
        assert bool((work.residual() <= epsilon + 1e-12)[now].all())
        quiet |= now
    assert bool(quiet.all())


def test_events_are_told_and_less_than_dense_sweeps_have() -> None:
    model = model_of(hidden=20, output=10)
    point = free_phase(model, features(), tolerance=1e-4).point
    dense = free_phase(model, features(), tolerance=1e-4, solver="sweeps").point
    assert bool(point.settled.all())
    assert point.events is not None
    assert dense.events is None
    # After the first half-sweep (both populations) each half-sweep of the dense solver updates one of them.
    assert bool((point.events < 200.0 * (dense.steps + 1)).all())
    assert bool((point.events >= 400.0).all())  # every unit moved at least once


def test_a_pair_counts_twice() -> None:
    model = model_of()
    free = free_phase(model, features())
    target = torch.ones(3, 2, dtype=torch.float64)
    events = [
        nudged_phase(model, free, target, phases=p, beta=0.01).point.events for p in ("centered", "frozen")
    ]
    assert events[0] is not None
    assert events[1] is not None
    assert bool((events[0] % 2 == 0).all())
    assert bool((events[0] >= 2 * 12).all())


def test_attention_is_refused() -> None:
    model = model_of()
    model.system.linear = False
    with pytest.raises(
        UnsupportedError,
        match=r"^equilibrium\.solver: event_driven sends differences, and attention is not linear in the "
        "rates; write sweeps$",
    ):
        free_phase(model, features())


def test_first_epsilon_is_where_it_starts() -> None:
    make = partial(EventDriven, first_epsilon=0.3)
    assert make.keywords["first_epsilon"] == 0.3
    work = work_of(model_of(), 1e-3 * features(), first_epsilon=0.3)
    work.measured_step()
    assert work.epsilon.flatten().tolist() == [0.15] * 3  # all are quiet: nothing is as large
