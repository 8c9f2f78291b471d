"""The options of the chip's back ends reach them, and are refused elsewhere."""

import pytest

from mep_neuro.chip.neuron_models import check_layout, check_neuron_model, check_widths
from mep_neuro.cli.chip_options import file_neuron, run_options
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.recording import widths


def test_options_reach_the_back_end() -> None:
    options = run_options("lava", "lif", "separate", 5.0)
    assert (options.neuron, options.populations, options.time_limit) == ("lif", "separate", 5.0)
    plain = run_options("torch", None, None, 600.0)
    assert (plain.neuron, plain.populations) == (None, "merged")


def test_a_back_end_without_the_option_says_so() -> None:
    with pytest.raises(UnsupportedError, match=r"^neuron 'sif': unknown on a chip; give sigma_delta or lif$"):
        run_options("loihi-emulator", "sif", None, 600.0)
    assert run_options("torch", "sif", None, 600.0).neuron is None  # the network says it there
    with pytest.raises(UnsupportedError, match=r"'loihi-emulator': --populations is for lava; leave it out$"):
        run_options("loihi-emulator", None, "merged", 600.0)


def test_widths_reach_the_chip_and_are_refused_elsewhere() -> None:
    assert run_options("lava", None, None, 5.0, widths(6, None, 2)).widths == {
        "weight_bits": 6,
        "threshold": 2,
    }
    with pytest.raises(
        UnsupportedError, match=r"'brian2': --state-bits is for loihi-emulator and lava; leave it out$"
    ):
        run_options("brian2", None, None, 5.0, widths(None, 7, None))
    with pytest.raises(UnsupportedError, match=r"^threshold: lif neurons have no such states, only sigma"):
        check_widths({"threshold": 2}, "lif")
    check_widths({"weight_bits": 6}, "lif")
    check_widths({"state_bits": 6, "threshold": 2}, "sigma_delta")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        UnsupportedError, match=r"^neuron 'lief': unknown on a chip; give sigma_delta or lif$"
    ):
        check_neuron_model("lief")
    with pytest.raises(
        UnsupportedError, match=r"^populations 'one': unknown layout; give merged or separate"
    ):
        check_layout("one")


def test_on_a_chip_rate_units_are_taken_in_its_neurons() -> None:
    assert file_neuron("lava", "lif") == file_neuron("loihi-emulator", "sigma_delta") == "rate"
    assert file_neuron("torch", "lif") == "lif"
    assert file_neuron("lava", None) is None
