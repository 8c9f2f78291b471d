"""A bundle holds the integers of a network and no byte of it can change unseen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_matrix

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.converters.to_lava.backend import convert
from mep_neuro.converters.to_lava.bundle import RUNNER, RUNNER_FILES, read_bundle, write_bundle
from mep_neuro.converters.to_lava.bundle_sigma_delta import sigma_delta_content
from mep_neuro.converters.to_lava.runner.bundle_file import manifest_text
from mep_neuro.errors import BundleError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.spec import NetworkSpec


def network(readout: str = "chip", activation: str = "hard_sigmoid") -> Network:
    """An encoded input, two settling layers, and a softmax read-out of a part where asked for."""
    unit = {"u": {"activation": activation}}
    populations: dict[str, Any] = {
        "input": {"shape": [4], "role": "input", "encoding": {"scale": 0.5}},
        "a": {"shape": [2, 3], "neuron": "u", "bias": 0.1},
    }
    weight = {"weight": {"init": "normal", "gain": 0.5}}
    projections: dict[str, Any] = {"in": {"pre": "input", "post": "a", "connector": {"type": "dense"}}}
    if readout == "chip":
        populations["out"] = {"shape": [3], "role": "output", "neuron": "u"}
        projections["up"] = {"pre": "a", "post": "out", "connector": {"type": "dense"}} | weight
    else:
        populations["b"] = {"shape": [4], "neuron": "u"}
        populations["out"] = {"shape": [3], "role": "output", "activation": "softmax"}
        projections["up"] = {"pre": "a", "post": "b", "connector": {"type": "dense"}} | weight
        projections["read"] = {"pre": "b[1:]", "post": "out", "connector": {"type": "dense"}} | {
            "calibrate": {"samples": 10},
            "weight": {"init": "normal", "gain": 3.0},
        }
    mapping = {"name": "small", "neurons": unit, "populations": populations, "projections": projections}
    plain = build(NetworkSpec.model_validate(mapping), seed=4)
    rng = np.random.default_rng(7)
    arrays = plain.arrays()
    for name in arrays:
        if name.endswith((".bias", ".offset")):
            arrays[name] = rng.normal(0.0, 0.3, arrays[name].shape)
        if name.endswith(".gain"):
            arrays[name] = np.array([0.2])
    return plain.with_arrays(arrays)


def quantized(source: Network) -> Quantized:
    return quantize(source, read_profile("loihi2"))


def features(samples: int = 5) -> Any:
    return np.random.default_rng(3).random((samples, 4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    convert(network(), tmp_path / "bundle", features=features())
    return tmp_path / "bundle"


def test_a_bundle_holds_the_integers(folder: Path) -> None:
    bundle, q = read_bundle(folder), quantized(network())
    a = bundle.arrays
    weight = coo_matrix((a["weight"], (a["weight_post"], a["weight_pre"])), shape=(9, 9)).toarray()
    np.testing.assert_array_equal(weight, q.weight.toarray())
    assert a["weight"].dtype == np.int16
    m = bundle.manifest
    assert m["registers"] == {
        "dv": 1024, "p": q.p, "s_max": 256, "v_threshold": 1, "message_max": q.message_max,
        "register_bits": 24,
    }  # fmt: skip
    assert m["synapses"]["sign_mode"] == "MIXED"
    assert m["scales"] == {"P": q.P, "E": q.weight_exponent, "B": 8, "k": 2}
    assert m["populations"]["out"] == {"offset": 6, "size": 3, "shape": [3]}
    assert m["readout"] == {"on": "chip", "population": "out", "offset": 6, "size": 3}
    assert set(RUNNER_FILES) | {"README.txt", "arrays.npz", "golden.npz"} == set(m["files"])


def test_the_golden_run_is_the_emulators(folder: Path) -> None:
    golden, q = read_bundle(folder).golden, quantized(network())
    bias = q.bias(present(network(), features()[:3]))
    np.testing.assert_array_equal(golden["bias"], bias)
    trace = emulate(q, bias, steps=golden["s"].shape[0], trace=True).trace
    assert trace is not None
    assert golden["s"].shape[0] > 10
    np.testing.assert_array_equal(golden["s"], trace.s)
    np.testing.assert_array_equal(golden["v"], trace.v)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The runner as it is in a bundle: its files are modules of their own, and need no Lava to be read."""
    monkeypatch.syspath_prepend(str(RUNNER))
    import encoding

    return encoding


@pytest.mark.parametrize("readout", ["chip", "host"])
def test_the_runner_encodes_and_reads_out_as_we_do(tmp_path: Path, runner: Any, readout: str) -> None:
    source = network(readout)
    bundle, q = convert(source, tmp_path / "b").bundle, quantized(source)
    x = features(50)
    np.testing.assert_array_equal(runner.bias_of(bundle, x), q.bias(present(source, x)))
    s = np.random.default_rng(1).integers(0, 257, (50, q.size))
    results = runner.results(bundle, {"s": s}, s / 256)
    rates = with_readout(source, q.rates(s))
    np.testing.assert_array_equal(results["classes"], classes(source, rates))
    assert len(set(results["classes"])) > 1
    np.testing.assert_array_equal(results["rates_a"], rates["a"])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("name", [*RUNNER_FILES, "README.txt", "arrays.npz", "golden.npz"])
@pytest.mark.parametrize(
    ("damage", "what"), [(flip, "the content is not the manifest's"), (Path.unlink, "the file is missing")]
)
def test_a_damaged_file_is_named(folder: Path, name: str, damage: Callable[[Path], None], what: str) -> None:
    damage(folder / name)
    with pytest.raises(BundleError, match=rf"{name}: {what}; export the bundle again"):
        read_bundle(folder)


def test_a_changed_manifest_is_refused(folder: Path) -> None:
    file = folder / "manifest.json"
    file.write_text(file.read_text().replace('"v_threshold": 1', '"v_threshold": 2'))
    with pytest.raises(BundleError, match=r"manifest\.json: the content differs from its seal; export"):
        read_bundle(folder)


def edit(folder: Path, **changes: Any) -> None:
    """Change the manifest and seal it again."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(manifest_text(manifest | changes))


def test_another_version_is_refused(folder: Path) -> None:
    edit(folder, version=4)
    with pytest.raises(
        BundleError, match=r"has version 4, known is 3; export the bundle again with this version"
    ):
        read_bundle(folder)


def test_a_manifest_without_its_parts_is_refused(folder: Path) -> None:
    edit(folder, files=None)
    with pytest.raises(BundleError, match=r"bundle: lacks what a bundle holds \(.*\); export it again"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", r"is no JSON; export the bundle again"),
        ("[]", r"is no manifest of a mep-neuro-lava-bundle; give a bundle's folder"),
        (None, r"cannot be read: No such file or directory; give a bundle's folder"),
    ],
)
def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, content: str | None, what: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=rf"manifest\.json: {what}"):
        read_bundle(tmp_path)


def test_an_older_bundle_is_replaced_and_nothing_lies_beside_it(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    convert(network("host"), folder)
    assert read_bundle(folder).manifest["readout"]["on"] == "host"
    assert [file.name for file in folder.parent.iterdir()] == ["bundle"]
    assert not (folder / "__pycache__").exists()


def test_something_else_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for path in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(BundleError, match=r": exists and is no bundle; give a new folder"):
            convert(network(), path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    q = quantized(network())
    with pytest.raises(
        BundleError, match=r"bundle: cannot be written: Not a directory; give a writable folder"
    ):
        write_bundle(q, sigma_delta_content(q, np.zeros((1, 9), np.int32), 1), tmp_path / "file" / "bundle")


def test_units_without_an_integer_form_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"population 'a'.*tanh"):
        convert(network(activation="tanh"), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_the_report_says_what_is_kept(folder: Path, tmp_path: Path) -> None:
    report = convert(network("host"), tmp_path / "b").report
    assert "population 'a': rates in steps of 1/256" in report.approximated
    assert any(line.startswith("projection 'up': weights rounded by at most") for line in report.approximated)
    assert any(line.startswith("projection 'read': float numbers") for line in report.dropped)
    text = (folder / "README.txt").read_text()
    assert "has no hardware\nmodel" in text
    assert "Nothing here was measured on hardware." in text
