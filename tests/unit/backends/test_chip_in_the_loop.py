"""Training with the integer emulation in the loop: gradients, learning, controls, resuming."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mep_neuro.backends.chip_in_the_loop import EmulatedPhases, Trainer
from mep_neuro.backends.data.load import load_data
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.equilibrium.learning.elsewhere import states_from
from mep_neuro.equilibrium.learning.trainer import equilibrium_propagation, one_hot
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

LOIHI2 = read_profile("loihi2")
NETWORK = build(read_spec("digits_mlp"))
DIGITS = load_data("digits", seed=1)
FEW = replace(DIGITS, x_train=DIGITS.x_train[:384], y_train=DIGITS.y_train[:384])


def test_the_gradient_of_the_membranes_is_the_one_of_float():
    model = EquilibriumNetwork(NETWORK, torch.float64)
    features = torch.as_tensor(DIGITS.x_train[:64], dtype=torch.float64)
    target = one_hot(model, torch.as_tensor(DIGITS.y_train[:64], dtype=torch.int64))
    expected = equilibrium_propagation(model, features, target).contrast
    begin = lambda model, batch: EmulatedPhases(model.to_network(), batch, LOIHI2)  # noqa: E731  # one use
    found = states_from(begin)(model, features, target).contrast
    for name in expected:
        a, b = expected[name].ravel(), found[name].ravel()
        assert float(a @ b / (a.norm() * b.norm())) > 0.999, (
            name
        )  # 0.991 of 8-bit states, 0.9999 of membranes


def test_the_nudged_phase_goes_on_from_the_free_one_and_ends_where_it_would_from_zero():
    phases = EmulatedPhases(NETWORK, DIGITS.x_train[:8], LOIHI2)
    phases.free()
    nudge = {"output": np.full((8, 10), 0.2)}
    warm = phases.nudged(nudge)
    quantized = quantize(NETWORK, LOIHI2)
    bias = quantized.bias(present(NETWORK, DIGITS.x_train[:8]), nudge)
    cold = emulate(quantized, bias)
    for name, rates in quantized.membrane_rates(cold.v).items():
        assert np.abs(rates - warm.rates[name]).max() <= 1 / 256
    assert warm.steps.mean() < cold.steps.mean()


def test_it_learns_and_the_untrained_network_knows_nothing():
    trainer = Trainer(NETWORK, FEW.x_train, FEW.y_train, epochs=4)
    trainer.prepare()
    before = np.mean(trainer.predict(DIGITS.x_test[:150]) == DIGITS.y_test[:150])
    records = []
    trainer.train(lambda record: records.append(record) if record else None)
    after = np.mean(trainer.predict(DIGITS.x_test[:150]) == DIGITS.y_test[:150])
    assert before < 0.35  # ten classes, 150 samples, an untrained network
    assert after > 0.75
    assert records[-1]["settled"] == 1.0


def test_it_goes_on_bit_for_bit():
    def trainer() -> Trainer:
        made = Trainer(NETWORK, FEW.x_train[:192], FEW.y_train[:192], epochs=2)
        return made

    whole, first, second = trainer(), trainer(), trainer()
    whole.prepare()
    whole.train()
    first.prepare()

    class Stop(Exception):
        """Ends a training early."""

    def stop_at_three(record: object) -> None:
        if first.update == 3:
            raise Stop

    with pytest.raises(Stop):
        first.train(stop_at_three)
    arrays = {name: array.copy() for name, array in first.arrays().items()}
    second = Trainer(NETWORK.with_arrays(arrays), FEW.x_train[:192], FEW.y_train[:192], epochs=2)
    second.load_state(first.update, first.state())
    second.train()
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array, err_msg=name)


def test_units_without_an_integer_form_are_refused_before_anything_is_trained():
    with pytest.raises(UnsupportedError, match="population 'cube': tanh units have no EPSigmaDelta form"):
        Trainer(build(read_spec("digits_cube")), FEW.x_train, FEW.y_train, epochs=1)
