"""Homeostasis: loads come down to their target, so that the coupled map contracts where it would diverge."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.bounds.homeostasis import Homeostasis
from mep_neuro.equilibrium.learning.trainer import Trainer, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError, TopologyError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.currents import currents
from mep_neuro.topology.reader import parse_spec

TEXT = """\
name: net
neurons:
  unit: {activation: relu}
populations:
  input: {shape: [64], role: input}
  first: {shape: [48], neuron: unit}
  second: {shape: [48], neuron: unit}
  output: {shape: [10], role: output, neuron: unit}
projections:
  up: {pre: input, post: first, connector: {type: dense}}
  on: {pre: first, post: second, connector: {type: dense}, feedback_gain: 0.5, weight: {gain: 3.0}}
  out: {pre: second, post: output, connector: {type: dense}, weight: {gain: 3.0}}
equilibrium: {tolerance: 1.0e-4, max_steps: 100, nudge: {beta: 0.3}}
learning: {optimizer: sgd, momentum: 0.9, lr: 0.1, batch_size: 32, schedule: constant}
consolidation: {homeostasis: {rate: 0.5}}
"""
KINDS = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  maps: {shape: [3, 4, 4], neuron: unit}
  cube: {shape: [3, 4, 4], neuron: unit}
  more: {shape: [3, 4, 4], neuron: unit}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: maps, connector: {type: dense}}
  conv: {pre: maps, post: cube, connector: {type: conv2d}, feedback_gain: 0.5}
  lattice: {pre: cube, post: cube, connector: {type: lattice}}
  skip: {pre: maps, post: cube, connector: {type: one_to_one}, feedback_gain: 0.5}
  some: {pre: cube, post: more, connector: {type: sparse}}
  out: {pre: more, post: output, connector: {type: dense}}
"""
DATA = load_data("digits")


def test_every_load_comes_down_and_the_radius_stays_below_it() -> None:
    model = EquilibriumNetwork(build(parse_spec(KINDS), seed=2), torch.float64)
    home = Homeostasis(model, target=0.8, rate=1.0)
    net = model.to_network()
    loads = {p.name: np.zeros(p.size) for p in net.dynamic}
    for p in (net.projections[name] for name in ("conv", "lattice", "skip", "some", "out")):
        np.add.at(loads[p.post], p.synapses.post, abs(p.forward_weights))
        np.add.at(loads[p.pre], p.synapses.pre, abs(p.feedback_weights))
    assert np.allclose(home.loads().numpy(), np.concatenate([loads[name] for name in model.settling]))
    rows = np.asarray(abs(currents(net).recurrent).sum(axis=1)).ravel()  # parallel synapses added up
    assert (rows <= np.concatenate([loads[p.name] for p in net.dynamic]) + 1e-12).all()
    assert float(home.loads().max()) > 2.0
    home.regulate(fully=True)
    assert float(home.loads().max()) <= 0.8 * 1.001
    assert 0.1 < spectral_radius(coupled_map(model.to_network())) < 0.8


def test_loads_below_the_target_are_left_alone() -> None:
    model = EquilibriumNetwork(build(parse_spec(KINDS), seed=2), torch.float64)
    home = Homeostasis(model, target=0.8, rate=1.0)
    home.regulate(fully=True)
    before = model.arrays()
    home.regulate()
    assert all(np.array_equal(value, before[name]) for name, value in model.arrays().items())


def test_a_step_goes_its_share_of_the_way() -> None:
    """Equal loads: load -> target^rate load^(1 - rate)."""
    text = KINDS.replace("connector: {type: dense}}\n", "connector: {type: dense}, weight: {init: zeros}}\n")
    text = text.replace("type: sparse}", "type: sparse}, weight: {init: zeros}")
    text = text.replace("type: conv2d}", "type: conv2d}, weight: {init: zeros}")
    text = text.replace(
        "{type: lattice}}", "{type: lattice, periodic: true}, weight: {init: constant, gain: 0.1}}"
    )
    text = text.replace("one_to_one}", "one_to_one}, weight: {init: zeros}")
    model = EquilibriumNetwork(build(parse_spec(text), seed=2), torch.float64)
    home = Homeostasis(model, target=0.5, rate=0.25)
    load = float(home.loads().max())
    assert load == pytest.approx(2.6)  # 26 neighbours of 0.1
    home.regulate()
    assert float(home.loads().max()) == pytest.approx(0.5**0.25 * load**0.75)


def test_couplings_that_are_fixed_stay() -> None:
    text = KINDS.replace("{type: lattice}}", "{type: lattice}, plastic: false}")
    model = EquilibriumNetwork(build(parse_spec(text), seed=2), torch.float64)
    before = model.arrays()
    Homeostasis(model, target=0.8, rate=1.0).regulate()
    after = model.arrays()
    assert np.array_equal(before["projections.lattice.weight"], after["projections.lattice.weight"])
    assert not np.array_equal(before["projections.conv.weight"], after["projections.conv.weight"])


def trained(text: str, epochs: int) -> tuple[EquilibriumNetwork, list[float], list[dict[str, float]]]:
    model = load(parse_spec(text).to_mapping())
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=epochs)
    trainer.prepare()
    radii, records = [], []
    while not trainer.finished:
        record = trainer.advance()
        if trainer.update % 10 == 0:
            radii.append(spectral_radius(coupled_map(model.to_network())))
        records += [] if record is None else [record]
    return model, radii, records


def test_without_it_the_network_diverges() -> None:
    with pytest.raises(SettleError, match="grows without bound"):
        trained(TEXT.replace("consolidation: {homeostasis: {rate: 0.5}}\n", ""), 1)


def test_with_it_the_same_network_settles_and_learns() -> None:
    model, radii, records = trained(TEXT, 8)
    assert len(radii) > 30
    assert max(radii) < 0.95
    assert all(record["settled"] == 1.0 for record in records)
    accuracy = float((predict(model, DATA.x_test)[0] == DATA.y_test).mean())
    assert accuracy > 0.5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{rate: 0.5}", "{rate: 0}", r"homeostasis\.rate: 0 is out of range; write a number > 0"),
        ("{rate: 0.5}", "{target: 1.0}", r"homeostasis\.target: 1\.0 is out of range; write a number < 1"),
        ("{rate: 0.5}", "{raet: 0.5}", r"unknown key 'raet'; did you mean 'rate'\?"),
        (
            "{rate: 0.5}}",
            "{rate: 0.5}, spectral_bound: 0.9}",
            r"homeostasis: spectral_bound keeps the coupled map contracting already; keep one",
        ),
        (
            "feedback_gain: 0.5",
            "weight_bits: ternary",
            r"on\.weight_bits: homeostasis scales each unit's synapses, and rounded weights have one scale",
        ),
        (
            "feedback_gain: 0.5",
            "feedback: random",
            r"on\.feedback: homeostasis cannot scale feedback that st",
        ),
    ],
)
def test_mistakes_are_told(old: str, new: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse_spec(TEXT.replace(old, new))


def test_resumed_training_is_the_same() -> None:
    def trainer() -> Any:
        model = load(parse_spec(TEXT).to_mapping())
        return Trainer(model, DATA.x_train[:320], DATA.y_train[:320], epochs=1)

    def advanced(made: Any, updates: int) -> Any:
        for _ in range(updates):
            made.advance()
        return made.model.arrays()

    whole = trainer()
    whole.prepare()
    begun = advanced(whole, 3)
    state = whole.state()
    wanted = advanced(whole, 4)
    resumed = trainer()
    resumed.model.load_arrays(begun)
    resumed.load_state(3, state)
    got = advanced(resumed, 4)
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)
