import pytest

from mep_neuro.chip.circuit import circuit
from mep_neuro.chip.limits import chip_checks, neuron_for, refuse_without_feedback
from mep_neuro.chip.profile import read_profile
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

DIGITS, CUBE = build(read_spec("digits_mlp")), build(read_spec("digits_cube"))


def first_broken(network, chip: str, **options: bool) -> str | None:
    profile = read_profile(chip)
    checks = chip_checks(network, circuit(network, **options), profile)
    return next((check.sentence(profile) for check in checks if check.verdict == "broken"), None)


@pytest.mark.parametrize(
    ("chip", "digits", "cube"),
    [
        ("loihi2", "sigma_delta", None),
        ("loihi1", "lif", None),
        ("brainscales2", "lif", None),
        ("analog", "rate", "rate"),
        ("speck", None, None),
    ],
)
def test_a_network_takes_the_first_neuron_that_expresses_all_its_units(chip, digits, cube):
    assert neuron_for(DIGITS, read_profile(chip)) == digits
    assert neuron_for(CUBE, read_profile(chip)) == cube


def test_units_that_no_neuron_expresses_are_the_first_thing_told():
    assert first_broken(CUBE, "loihi2").startswith(
        "population 'cube': tanh units are expressed by none of its neurons (sigma_delta, lif) "
        "(hardware/loihi2.yaml: neurons; "
    )


def test_a_fan_in_beyond_the_chip_s_names_the_population():
    assert first_broken(DIGITS, "xylo_audio2") == (
        "population 'output': fan in per neuron 64 exceeds 63 (hardware/xylo_audio2.yaml: fan_in_per_neuron; "
        "open-neuromorphic.org, Xylo: maximum fan-in); lower the number of units that drive it, or use a "
        "sparse connector"
    )


def test_signed_weights_of_two_rows_halve_the_fan_in():
    assert first_broken(DIGITS, "brainscales2") is None  # 64 units, two rows each: 128 of 256
    assert "output', 2 synapses a weight: fan in per neuron 512 exceeds 256" in first_broken(
        build(read_spec("mnist_mlp")), "brainscales2"
    )


def test_input_channels_are_needed_only_where_the_input_is_on_the_chip():
    def broken(**options):
        checks = chip_checks(DIGITS, circuit(DIGITS, **options), read_profile("xylo_audio2"))
        return {check.limit for check in checks if check.verdict == "broken"}

    assert "inputs_per_chip" not in broken()
    assert "inputs_per_chip" in broken(inputs_on_chip=True)


def test_what_a_chip_does_not_say_is_unknown_and_breaks_nothing():
    checks = chip_checks(DIGITS, circuit(DIGITS), read_profile("analog"))
    assert {check.verdict for check in checks} == {"fits", "unknown"}


def test_a_chip_without_feedback_is_refused_with_the_reason_and_other_chips():
    with pytest.raises(
        UnsupportedError,
        match=r"chip 'speck': it has no feedback between units, which every network of Equilibrium "
        r"Propagation needs .*sinabs.*; choose a chip with recurrent synapses, such as loihi2",
    ):
        refuse_without_feedback(read_profile("speck"))
    refuse_without_feedback(read_profile("loihi1"))
