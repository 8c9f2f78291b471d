"""`mep-neuro validate`."""

import json
from pathlib import Path

from typer.testing import CliRunner

from mep_neuro.cli.main import app
from mep_neuro.topology.library import library_names, library_path

RUNNER = CliRunner()


def test_says_ok_with_the_sizes() -> None:
    done = RUNNER.invoke(app, ["validate", "digits_cube", str(library_path("xor"))])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    # 64 + 216 + 10 units; 64 * 36 + 1940 + 36 * 10 synapses; the file scales the lattice to 0.7
    assert lines[0] == "OK digits_cube: 290 units, 4604 synapses, spectral radius 0.700"
    assert lines[1].startswith("OK xor: 14 units, 48 synapses, spectral radius 0.")
    assert done.stderr == ""


def test_the_whole_library_is_right() -> None:
    done = RUNNER.invoke(app, ["validate", "--json", *library_names()])
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert result["ok"] is True
    assert [network["name"] for network in result["networks"]] == list(library_names())
    assert all(network["spectral_radius"] < 1 for network in result["networks"])


def test_prints_every_mistake_of_every_file_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(library_path("xor").read_text().replace("5 ms", "5 mS").replace("[8]", "[0]"))
    done = RUNNER.invoke(app, ["validate", str(path), "xorr", "xor"])
    assert done.exit_code == 2
    errors = done.stderr.splitlines()
    assert errors[0].startswith(f"{path}:5:58: neurons.unit.tau_mem: unknown unit 'mS' in '5 mS'")
    assert errors[1].startswith(f"{path}:8:20: populations.hidden.shape[0]: 0 is out of range")
    assert errors[2].startswith("xorr: file: does not exist; did you mean 'xor'?")
    assert len(errors) == 3
    assert done.stdout.startswith("OK xor")


def test_json_holds_the_mistakes_and_stderr_too(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("name: 3\n")
    done = RUNNER.invoke(app, ["validate", "--json", str(path)])
    assert done.exit_code == 2
    result = json.loads(done.stdout)
    assert result["ok"] is False
    assert result["networks"][0]["source"] == str(path)
    assert result["networks"][0]["mistakes"] == done.stderr.splitlines()


GAINS = """\
name: net
populations:
  input: {shape: [2], role: input}
  a: {shape: [2]}
  b: {shape: [2]}
  output: {shape: [2], role: output}
projections:
  in: {pre: input, post: a, connector: {type: dense}}
  ab: {pre: a, post: b, connector: {type: dense}, feedback_gain: 0.5}
  bo: {pre: b, post: output, connector: {type: dense}}
  ao: {pre: a, post: output, connector: {type: dense}, feedback_gain: 0.9}
"""


def test_finds_feedback_gains_that_no_energy_has_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(GAINS)
    done = RUNNER.invoke(app, ["validate", str(path)])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{path}:")
    number = int(done.stderr.removeprefix(f"{path}:").split(":")[0])
    name = done.stderr.split("projections.")[1].split(".")[0]
    assert GAINS.splitlines()[number - 1].startswith(f"  {name}: ")
    assert ".feedback_gain: two paths between the same units multiply to different gains" in done.stderr


def test_says_when_a_network_may_not_settle(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(library_path("xor").read_text().replace("gain: 0.3", "gain: 30"))
    done = RUNNER.invoke(app, ["validate", str(path)])
    assert done.exit_code == 0
    assert "(1 or more: it may not settle; lower weight.gain or set spectral_radius)" in done.stdout
