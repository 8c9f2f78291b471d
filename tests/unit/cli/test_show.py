"""`mep-neuro show`: the tables, the JSON and the picture."""

import json
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

from mep_neuro.cli.main import app
from mep_neuro.cli.picture import MAX_POPULATIONS, columns_of
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

RUNNER = CliRunner()
BLUE, ORANGE = (0x2B, 0x6C, 0xB0), (0xDD, 0x6B, 0x20)  # the face that takes input, the one that is read out


def pixels(path: Path) -> np.ndarray:
    """RGB bytes, shape (rows, columns, 3)."""
    return np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(int)


def columns_with(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero(np.abs(image - np.array(colour)).max(axis=2).min(axis=0) < 3)


def test_tables_hold_populations_projections_and_the_coupled_map() -> None:
    done = RUNNER.invoke(app, ["show", "digits_cube"])
    assert done.exit_code == 0
    for piece in ("6 x 6 x 6", "tanh", "cube[:, :, -1]", "1940", "0.3", "lattice", "5 ms"):
        assert piece in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "digits_cube: 290 units, 4604 synapses, weights 36.8 kB, lambda of the coupled map 0.700 "
        "(spectral bound: 0.9)"
    )


def test_json_is_the_network_as_built() -> None:
    done = RUNNER.invoke(app, ["show", "digits_mlp", "--json"])
    assert done.exit_code == 0
    shown, network = json.loads(done.stdout), build(read_spec("digits_mlp"))
    assert shown["units"] == 64 + 64 + 10
    assert shown["synapses"] == 64 * 64 + 64 * 10
    assert shown["weight_bytes"] == sum(p.weight.nbytes for p in network.projections.values())
    weight = network.projections["hidden_output"].weight
    # One matrix between two populations: the coupled map's eigenvalues are its singular values.
    assert shown["spectral_radius"] == pytest.approx(np.linalg.norm(weight, 2), rel=1e-9)
    assert [p["name"] for p in shown["populations"]] == ["input", "hidden", "output"]
    assert shown["projections"][1]["post"] == "output"


def test_the_picture_of_a_cube_has_the_input_face_left_of_the_read_out_face(tmp_path: Path) -> None:
    path = tmp_path / "cube.png"
    done = RUNNER.invoke(app, ["show", "digits_cube", "--out", str(path)])
    assert done.exit_code == 0
    assert done.stderr == f"wrote {path}\n"
    image = pixels(path)
    assert image.shape[0] > 400
    assert image.shape[1] > 800
    blue, orange = columns_with(image, BLUE), columns_with(image, ORANGE)
    assert blue.size > 30
    assert orange.size > 30
    assert np.median(blue) < np.median(orange)


def test_the_picture_of_layers_has_no_cube(tmp_path: Path) -> None:
    path = tmp_path / "mlp.png"
    done = RUNNER.invoke(app, ["show", "digits_mlp", "--json", "--out", str(path)])
    assert json.loads(done.stdout)["picture"] == str(path)
    assert columns_with(pixels(path), BLUE).size == 0
    assert columns_with(pixels(path), (0xD6, 0xE6, 0xF7)).size > 100  # the input's box


def test_refuses_another_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "a.doc"
    done = RUNNER.invoke(app, ["show", "xor", "--out", str(path)])
    assert done.exit_code == 2
    assert done.stderr == f"{path}: cannot draw into '.doc'; end it in .png, .svg, .pdf\n"


def test_refuses_a_picture_of_too_many_populations(tmp_path: Path) -> None:
    names = ["input", *(f"h{n}" for n in range(MAX_POPULATIONS)), "output"]
    populations = "".join(f"  {name}: {{shape: [2]}}\n" for name in names[1:-1])
    chain = "".join(
        f"  p{n}: {{pre: {pre}, post: {post}, connector: {{type: dense}}}}\n"
        for n, (pre, post) in enumerate(pairwise(names))
    )
    text = f"name: deep\npopulations:\n  input: {{shape: [2], role: input}}\n{populations}"
    path = tmp_path / "deep.yaml"
    path.write_text(f"{text}  output: {{shape: [2], role: output}}\nprojections:\n{chain}")
    done = RUNNER.invoke(app, ["show", str(path), "--out", str(tmp_path / "deep.png")])
    assert done.exit_code == 2
    assert done.stderr == "deep: 62 populations exceed the 60 of a picture; leave out --out\n"


@pytest.mark.parametrize(
    ("arrows", "columns"),
    [
        ([("a", "b"), ("b", "c"), ("a", "c")], {"a": 0, "b": 1, "c": 2}),
        ([("a", "b"), ("b", "c"), ("c", "b"), ("b", "b")], {"a": 0, "b": 1, "c": 2}),
        ([], {"a": 0, "b": 0, "c": 0}),
    ],
)
def test_columns_follow_the_longest_path(arrows: list[tuple[str, str]], columns: dict[str, int]) -> None:
    assert columns_of("abc", arrows) == columns
