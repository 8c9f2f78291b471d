"""`mep-neuro show` of images, and of networks without an energy."""

import json
from pathlib import Path

from typer.testing import CliRunner

from mep_neuro.cli.main import app
from mep_neuro.cli.picture import is_cube
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

RUNNER = CliRunner()
TEXT = """\
schema: mep-neuro/1
name: images
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8, 8], role: input}
  maps: {shape: [3, 4, 4], neuron: unit}
  output: {shape: [2], role: output, neuron: unit}
projections:
  up: {pre: input, post: maps, connector: {type: conv2d, pool: 2}}
  out: {pre: maps, post: output, connector: {type: dense}, feedback: antisymmetric, feedback_gain: 0.5}
"""


def test_images_are_boxes_and_cubes_are_not(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(TEXT)
    done = RUNNER.invoke(app, ["show", str(path), "--out", str(tmp_path / "images.png")])
    assert done.exit_code == 0
    assert (tmp_path / "images.png").stat().st_size > 10_000
    images, cube = build(read_spec(path)), build(read_spec("digits_cube"))
    assert not is_cube(images, images.populations["maps"])
    assert is_cube(cube, cube.populations["cube"])


def test_feedback_that_is_not_tied_has_no_energy_and_show_says_so(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(TEXT)
    done = RUNNER.invoke(app, ["show", str(path)])
    assert "antisymmetric" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "no energy belongs to it: the feedback of out is not tied; settling may circle"
    )
    shown = json.loads(RUNNER.invoke(app, ["show", str(path), "--json"]).stdout)
    assert shown["without_energy"] == ["out"]
    assert [p["feedback"] for p in shown["projections"]] == ["tied", "antisymmetric"]
    assert [p["feedback_gain"] for p in shown["projections"]] == [1.0, 0.5]
    tied = RUNNER.invoke(app, ["show", "digits_mlp"]).stdout
    assert "no energy" not in tied
