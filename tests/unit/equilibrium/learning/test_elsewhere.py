"""Contrasts from states that settled elsewhere are those of the same states in torch."""

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.learning.elsewhere import Settled, refuse_elsewhere, states_from
from mep_neuro.equilibrium.learning.trainer import equilibrium_propagation, one_hot
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec


def model_with(phases: str = "centered", **changes: object) -> EquilibriumNetwork:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"] |= {"tolerance": 1e-12, "max_steps": 2000}
    mapping["equilibrium"]["nudge"] |= {"phases": phases, **changes}
    return EquilibriumNetwork(build(read_spec(mapping)), torch.float64)


class NumpyPhases:
    """A substrate of numpy alone: damped iteration of the network's own equation in float64."""

    def __init__(self, model: EquilibriumNetwork, features: np.ndarray) -> None:
        network = model.to_network()
        self.operator = currents(network)
        self.drive = self.operator.join(present(network, features).drive)
        self.rates = np.zeros_like(self.drive)

    def free(self) -> Settled:
        self.rates = self._settle(self.drive, self.rates)
        return self._settled(self.rates)

    def nudged(self, current: dict[str, np.ndarray]) -> Settled:
        zeros = {p.name: np.zeros((len(self.drive), p.size)) for p in self.operator.populations}
        return self._settled(self._settle(self.drive + self.operator.join({**zeros, **current}), self.rates))

    def _settle(self, drive: np.ndarray, rates: np.ndarray) -> np.ndarray:
        for _ in range(400):
            rates = 0.5 * rates + 0.5 * np.clip(self.operator.into(drive, rates), 0, 1)
        return rates

    def _settled(self, rates: np.ndarray) -> Settled:
        samples = len(rates)
        return Settled(self.operator.split(rates), np.full(samples, 400), np.ones(samples, bool))


FEATURES = np.random.default_rng(0).random((12, 64))
LABELS = torch.arange(12) % 10


@pytest.mark.parametrize("phases", ["centered", "one_sided"])
def test_the_contrast_is_the_one_of_torch(phases):
    model = model_with(phases)
    target = one_hot(model, LABELS)
    features = torch.as_tensor(FEATURES)
    expected = equilibrium_propagation(model, features, target)
    found = states_from(NumpyPhases)(model, features, target)
    assert set(found.contrast) == set(expected.contrast)
    for name in expected.contrast:
        np.testing.assert_allclose(found.contrast[name], expected.contrast[name], atol=1e-9, err_msg=name)
    np.testing.assert_allclose(found.output, expected.output, atol=1e-10)
    assert found.measured == (12.0, 0.0, 12.0)


def test_states_that_ignore_the_nudge_have_no_contrast():
    """The control: a substrate whose nudge is not connected."""

    class Deaf(NumpyPhases):
        def nudged(self, current: dict[str, np.ndarray]) -> Settled:
            return super().nudged({})

    model = model_with()
    step = states_from(Deaf)(model, torch.as_tensor(FEATURES), one_hot(model, LABELS))
    assert all(float(value.abs().max()) < 1e-9 for value in step.contrast.values())


def test_what_two_settled_states_do_not_have_is_refused_by_name():
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"]["nudge"] |= {"phases": "frozen", "beta": "auto"}
    mapping["populations"]["hidden"]["dropout"] = 0.2
    with pytest.raises(UnsupportedError) as caught:
        refuse_elsewhere(EquilibriumNetwork(build(read_spec(mapping))), "loihi-emulator")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "equilibrium.nudge.phases",
        "equilibrium.nudge.beta",
        "populations.hidden.dropout",
    ]
    assert lines[0].endswith("write centered or one_sided (training on loihi-emulator)")
