"""`mep-neuro fit`: what it prints, its JSON, its exit codes and its picture."""

import json
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.fit import fit
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.cli.main import app
from mep_neuro.cli.picture_cores import COLOURS
from mep_neuro.simulation.build import build
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

RUNNER = CliRunner()
DIGITS = build(read_spec("digits_mlp"))


def command(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, ["fit", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_report_counts_the_events_of_the_emulation() -> None:
    code, text, _ = command("digits_mlp", "--chip", "loihi2", "--data", "digits", "--samples", "5", "--json")
    assert code == 0
    told = json.loads(text)
    features = load_data("digits", seed=1).x_test[:5]
    found = fit(DIGITS, "loihi2", features=features)
    assert found.quantized is not None
    run = emulate(found.quantized, found.quantized.bias(present(DIGITS, features)))
    assert told["counts"]["messages"] == pytest.approx(run.messages.sum() / 5)
    assert told["counts"]["steps"] == run.steps.mean()
    assert (told["fits"], told["first_broken"], told["neuron"]) == (True, None, "sigma_delta")
    assert told["energy_J"] == {
        "low": None,
        "high": None,
        "missing": ["energy_per_synaptic_event", "energy_per_neuron_update", "energy_per_message"],
    }
    (row,) = told["precision"]
    assert (row["projection"], row["dead"]) == ("hidden_output", 0)
    assert set(told["rounding"]["changes"]) == {"hidden_output"}
    assert [core["units"] for core in told["cores"]] == [{"hidden": 64, "output": 10}]


def test_without_data_nothing_is_counted_and_the_report_says_so() -> None:
    code, text, _ = command("digits_mlp", "--chip", "loihi2")
    assert code == 0
    assert "note: no samples were given: nothing was counted" in text
    assert text.splitlines()[-1].startswith("fits: yes, as far as is known (")


def test_what_does_not_fit_ends_with_1_and_the_first_limit_broken() -> None:
    code, text, _ = command("digits_mlp", "--chip", "xylo_audio2")
    assert code == 1
    assert text.splitlines()[-2] == "fits: no"
    assert text.splitlines()[-1].startswith("population 'output': fan in per neuron 128 exceeds 63 (")


def test_a_chip_for_other_networks_ends_with_2_and_the_reason() -> None:
    code, text, error = command("digits_mlp", "--chip", "speck")
    assert (code, text) == (2, "")
    assert error.startswith("chip 'speck': it has no feedback between units")


def test_a_chip_that_does_not_exist_is_a_mistake() -> None:
    code, _, error = command("digits_mlp", "--chip", "loihi3")
    assert code == 2
    assert error.startswith("chip: unknown profile 'loihi3'; did you mean 'loihi")


def test_a_weight_beyond_every_scale_breaks_a_limit_in_words() -> None:
    arrays = {name: array.copy() for name, array in DIGITS.arrays().items()}
    arrays["projections.hidden_output.weight"][0, 0] = 1e6
    found = fit(DIGITS.with_arrays(arrays), "loihi2")
    assert found.broken is not None
    assert "projection 'hidden_output': the exponent -12 for weights up to 1e+06 is below" in found.broken


def test_a_chip_of_spikes_is_emulated_as_a_rate_code_and_has_an_estimate() -> None:
    code, text, _ = command("xor", "--chip", "loihi1", "--data", "xor", "--samples", "2", "--json")
    told = json.loads(text)
    assert (code, told["neuron"], told["units"], told["synapses"]) == (0, "lif", 20, 4 * 2 * 16)
    counts, energy = told["counts"], told["energy_J"]
    assert counts["neuron_updates"] == counts["steps"] * 20
    assert energy["high"] is None
    expected = 23.6e-12 * counts["synaptic_events"] + 52e-12 * counts["neuron_updates"]
    assert energy["low"] == pytest.approx(expected + 1.7e-12 * counts["core_messages"])
    assert [row["projection"] for row in told["precision"]] == ["hidden_output"]
    found = fit(build(read_spec("xor")), "loihi1", features=load_data("xor", seed=1).x_test[:2])
    assert found.quantized is not None
    matrix = found.quantized.circuit.weight.toarray()
    laid = found.circuit.synapses.toarray()
    assert not ((matrix != 0) & (laid == 0)).any()  # every weight lies where a synapse was placed


def test_an_analog_chip_is_not_emulated_and_the_report_says_why() -> None:
    code, text, _ = command("digits_mlp", "--chip", "brainscales2", "--data", "digits", "--samples", "2")
    assert code == 0
    assert re.search(r"note: not emulated, nothing was counted: chip 'brainscales2': \w+ is unknown", text)


def test_the_input_may_be_on_the_chip() -> None:
    code, text, _ = command("digits_mlp", "--input", "chip", "--json")
    told = json.loads(text)
    assert (code, told["units"], told["synapses"]) == (0, 138, 64 * 64 + 1280)
    assert [row["projection"] for row in told["precision"]] == ["input_hidden", "hidden_output"]
    assert command("digits_mlp", "--input", "here")[0] == 2


def test_the_input_on_a_chip_of_spikes_is_counted_too() -> None:
    words = ("xor", "--chip", "loihi1", "--data", "xor", "--samples", "4", "--json")
    host, chip = (json.loads(command(*words, *extra)[1]) for extra in ((), ("--input", "chip")))
    assert (chip["units"], chip["synapses"]) == (4 + 20, 2 * 4 * 8 + 4 * 2 * 16)  # inputs are no pairs
    assert [row["projection"] for row in chip["precision"]] == ["input_hidden", "hidden_output"]
    assert chip["counts"]["messages"] > host["counts"]["messages"]
    assert chip["counts"]["host_products"] == 0 < host["counts"]["host_products"]
    assert chip["energy_J"]["low"] > host["energy_J"]["low"]


def test_rounding_shows_in_the_projection_that_it_hurts() -> None:
    data = load_data("digits", seed=1)
    x, y = data.x_test[:40], data.y_test[:40]
    coarse = fit(DIGITS, "loihi2", features=x, labels=y, weight_bits=4).precision[0]
    fine = fit(DIGITS, "loihi2", features=x, labels=y).precision[0]
    assert coarse.worst > 8 * fine.worst
    assert coarse.zeroed > 5 * max(fine.zeroed, 1)


def test_state_width_and_threshold_are_those_of_the_emulation() -> None:
    words = ("digits_mlp", "--data", "digits", "--samples", "5", "--json")
    fine, coarse, deaf = (
        json.loads(command(*words, *extra)[1])["counts"]
        for extra in ((), ("--state-bits", "4"), ("--threshold", "2"))
    )
    assert coarse["messages"] < fine["messages"] / 2
    assert deaf["messages"] < fine["messages"]
    features = load_data("digits", seed=1).x_test[:5]
    found = fit(DIGITS, "loihi2", features=features, state_bits=4, threshold=2).quantized
    expected = quantize(DIGITS, read_profile("loihi2"), state_bits=4, threshold=2)
    run = emulate(expected, expected.bias(present(DIGITS, features)))
    assert (found.state_bits, found.threshold) == (4, 2)
    both = json.loads(command(*words, "--state-bits", "4", "--threshold", "2")[1])["counts"]
    assert both["messages"] == pytest.approx(run.messages.sum() / 5)


def test_a_state_too_wide_breaks_a_limit_in_words() -> None:
    code, text, _ = command("digits_mlp", "--state-bits", "21")
    assert code == 1
    assert text.splitlines()[-1].startswith("state_bits: 21 is outside 1 to 20 on loihi2; give a number")


def test_neurons_without_such_states_say_so() -> None:
    code, text, error = command("digits_mlp", "--chip", "loihi1", "--state-bits", "7", "--threshold", "2")
    assert (code, text) == (2, "")
    assert error.splitlines() == [
        f"{name}: lif neurons have no such states, only sigma_delta neurons do; leave it out"
        for name in ("state_bits", "threshold")
    ]


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
def test_the_core_map_has_a_colour_for_each_population(tmp_path: Path, chip: str) -> None:
    path = tmp_path / "cores.png"
    code, _, error = command("digits_mlp", "--chip", chip, "--out", str(path))
    assert (code, error) == (0, f"wrote {path}\n")
    image = np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(int)
    for colour in COLOURS[:2]:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        left = image[:, : image.shape[1] // 2]  # the legend lies on the right
        assert (np.abs(left - wanted).max(axis=2) < 3).sum() > 20


def test_another_kind_of_picture_is_refused(tmp_path: Path) -> None:
    code, _, error = command("digits_mlp", "--out", str(tmp_path / "cores.doc"))
    assert code == 2
    assert "cannot draw into '.doc'; end it in .png, .svg, .pdf" in error
