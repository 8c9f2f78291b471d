"""The verbs run, compare, convert, doctor and backend, on a RUN with real back ends."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.cli.main import app
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A RUN before training: its weights are as good as any for a comparison."""
    path = tmp_path_factory.mktemp("runs") / "run"
    data = load_data("digits")
    with RunFolder.create(path, build(read_spec("digits_mlp")), {"data": "digits"}, data.identity):
        return str(path)


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def printed(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def test_run_counts_right_answers_and_says_how_far_it_is_from_torch(folder: str) -> None:
    value = printed(call("run", folder, "--on", "loihi-emulator", "--samples", 9, "--json"))
    assert (value["backend"], value["samples"], value["settled"]) == ("loihi-emulator", 9, 1.0)
    assert 0 <= value["interval"][0] <= value["accuracy"] <= value["interval"][1] <= 1
    assert 0 < value["deviation"]["max_abs"] < 0.05
    assert value["steps"]["median"] <= value["steps"]["max"]


def test_run_on_torch_has_no_deviation(folder: str) -> None:
    assert printed(call("run", folder, "--samples", 3, "--json"))["deviation"] is None
    text = call("run", folder, "--samples", 3)
    assert text.exit_code == 0
    assert re.search(r"torch: accuracy \d\.\d+ \(95 % interval .*\) on 3 held-out samples", text.stdout)


def test_run_on_brian2_is_within_its_tolerance(folder: str) -> None:
    result = call("run", folder, "--on", "brian2", "--samples", 4, "--tolerance", "1e-9")
    assert result.exit_code == 0, result.output
    assert "against torch: largest difference of a rate" in result.stdout


def test_a_target_is_brian2s_own(folder: str) -> None:
    result = call("run", folder, "--on", "brian2", "--target", "fortran", "--samples", 2)
    assert result.exit_code == 2
    assert "unknown code generation target 'fortran'; use numpy, cython, cpp_standalone or auto" in (
        result.output
    ) + str(result.exception)
    assert call("run", folder, "--target", "numpy", "--samples", 2).exit_code == 2
    told = printed(call("run", folder, "--on", "brian2", "--samples", 2, "--json"))
    assert told["notes"][0].startswith("target numpy (auto: ")


def test_a_deviation_above_the_tolerance_ends_in_1(folder: str) -> None:
    result = call("run", folder, "--on", "loihi-emulator", "--samples", 4, "--tolerance", "1e-9", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["deviation"]["max_abs"] > 1e-9
    assert re.search(
        r"loihi-emulator: a rate differs from torch by .*, tolerance 1e-09; raise", result.stderr
    )


def test_compare_prints_the_table_and_writes_the_report(folder: str, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    words = ("compare", folder, "--on", "loihi-emulator", "--samples", 8, "--report", report)
    value = printed(call(*words, "--tolerance", "0.05", "--json"))
    assert list(value["deviations"]) == ["loihi-emulator"]
    assert {"max_abs", "mean_abs", "agreement", "samples"} <= set(value["deviations"]["loihi-emulator"])
    assert list(value["backends"]) == ["torch", "loihi-emulator"]
    page = report.read_text(encoding="utf-8")
    assert f"mep-neuro compare {folder} --on loihi-emulator --samples 8 --tolerance 0.05" in page
    text = call("compare", folder, "--on", "torch,loihi-emulator", "--samples", 8)
    assert text.exit_code == 0
    assert re.search(r"loihi-emulator .*e-0\d.*1\.0000", text.stdout)


def test_compare_ends_in_1_above_its_tolerance_and_still_writes(folder: str, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    result = call(
        "compare", folder, "--on", "loihi-emulator", "--samples", 2, "--tolerance", "0", "--report", report
    )
    assert result.exit_code == 1
    assert report.exists()


@pytest.mark.parametrize("verb", ["run", "compare"])
def test_mistakes_end_in_2_with_one_line(verb: str, folder: str, tmp_path: Path) -> None:
    mistakes = {
        (folder, "--on", "brain2"): r"back end 'brain2': unknown; did you mean 'brian2'\?",
        (
            folder,
            "--samples",
            "451",
        ): r"--samples: 451 exceed the 450 held-out samples of digits; give at most",
        (folder, "--data", "didgits"): r"did you mean 'digits'",
        (folder, "--data", "xor"): r"features",
        (str(tmp_path / "none"),): r"none: no such folder; give the RUN folder",
    }
    for words, message in mistakes.items():
        result = call(verb, *words)
        assert result.exit_code == 2, (words, result.output)
        assert re.search(message, result.stderr), (words, result.stderr)
        assert result.stdout == ""
    for words in (("--tolerance", "-1"), ("--tolerance", "nan"), ("--samples", "0")):
        assert call(verb, folder, *words).exit_code == 2


def test_compare_without_a_name_is_a_mistake(folder: str) -> None:
    result = call("compare", folder, "--on", " , ")
    assert result.exit_code == 2
    assert "no back end is named; give for example brian2" in result.stderr


def test_data_that_changed_since_the_training_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunFolder.create(path, build(read_spec("digits_mlp")), {"data": "digits"}, "0" * 64):
        pass
    result = call("run", path, "--samples", 2)
    assert result.exit_code == 2
    assert re.search(
        r"digits has changed since the training \(sha256 \w{12}, then 0{12}\); restore", result.stderr
    )
    named = call("run", path, "--samples", 2, "--data", "digits")
    assert named.exit_code == 0
    assert "digits is not the data of the training" in named.stderr


def test_a_missing_back_end_ends_in_3(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path))
    for words in (("run", folder, "--on", "lava"), ("compare", folder, "--on", "brian2,lava")):
        result = call(*words)
        assert result.exit_code == 3
        assert "environment is not installed; run: mep-neuro backend install lava" in result.stderr


def test_convert_writes_the_lava_bundle(folder: str, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    value = printed(call("convert", folder, "--to", "lava", "--out", out, "--json"))
    assert value["target"] == "lava"
    assert (out / "manifest.json").is_file()
    assert value["approximated"]
    again = call("convert", folder, "--to", "lava", "--out", out)
    assert again.exit_code == 0
    assert "approximated: " in again.stdout


def test_convert_refuses_what_is_no_file(folder: str, tmp_path: Path) -> None:
    unknown = call("convert", folder, "--to", "lavva", "--out", tmp_path / "b")
    assert (unknown.exit_code, "did you mean 'lava'" in unknown.stderr) == (2, True)
    layout = call("convert", folder, "--to", "brian2", "--populations", "merged", "--out", tmp_path / "b")
    assert layout.exit_code == 2
    assert "conversion target 'brian2': --populations is lava's; leave it out" in layout.stderr


@pytest.mark.timeout(300)  # 7 s of CPU, in two processes
def test_convert_writes_a_brian2_script(folder: str, tmp_path: Path) -> None:
    words = ("convert", folder, "--to", "brian2", "--neuron", "sif", "--out", tmp_path / "b")
    result = call(*words)
    assert result.exit_code == 0, result.output
    assert "exact: population 'hidden': sif units, spike for spike the reference's" in result.stdout
    assert re.search(r"\noutput +0 +0\.0\d+\n", result.stdout)  # the same steps, and the fixed point
    assert (tmp_path / "b" / "network.py").is_file()
    again = call(*words)
    assert again.exit_code == 2
    assert "exists, and may have been edited; give a new folder" in again.stderr


def test_doctor_tells_what_is_there_and_what_mends_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path))
    found = printed(call("doctor", "--json"))["backends"]
    assert list(found) == ["torch", "brian2", "loihi-emulator", "lava", "snntorch", "nir"]
    assert found["torch"]["found"]
    assert found["torch"]["version"]
    assert not found["lava"]["found"]
    assert found["lava"]["mend"] == "mep-neuro backend install lava"
    text = call("doctor")
    assert text.exit_code == 0
    assert (
        "lava: its private environment is not installed; run: mep-neuro backend install lava" in text.stdout
    )


def test_doctor_ends_in_3_if_one_that_was_named_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path))
    assert call("doctor", "torch", "lava").exit_code == 3
    assert call("doctor", "torch", "brian2").exit_code == 0
    wrong = call("doctor", "tortch")
    assert (wrong.exit_code, "did you mean 'torch'" in wrong.stderr) == (2, True)


def test_backend_install_refuses_what_needs_no_environment() -> None:
    result = call("backend", "install", "brian2")
    assert result.exit_code == 2
    assert "backend install 'brian2': it has no environment of its own; run: python -m pip" in result.stderr
    unknown = call("backend", "install", "lav")
    assert (unknown.exit_code, "did you mean 'lava'" in unknown.stderr) == (2, True)
    assert call("backend", "remove", "lava").exit_code == 2


@pytest.mark.parametrize("verb", ["run", "compare", "convert", "doctor", "backend"])
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert f"mep-neuro {verb}" in result.stdout


def test_run_draws_pictures_and_lists_them(folder: str, tmp_path: Path) -> None:
    words = ("run", folder, "--on", "brian2", "--samples", 2, "--plots", tmp_path / "plots")
    value = printed(call(*words, "--json"))
    names = {Path(p).name for p in value["plots"]}
    assert names == {p.name for p in (tmp_path / "plots").iterdir()}
    assert {"membranes.png", "equilibrium.png", "weights_hidden_output.png"} <= names
    assert [why.split(":")[0] for why in value["left_out"]] == ["raster", "messages"]
    text = call(*words)
    assert f"picture: {tmp_path / 'plots' / 'membranes.png'}" in text.stdout
    assert "no picture: raster: recording of brian2: it holds no spikes" in text.stdout
