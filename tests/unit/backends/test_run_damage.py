"""A damaged RUN folder is refused, whichever byte of whichever file it is."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import RunFolderError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

FILES = (
    "network.yaml",
    "metrics.jsonl",
    "run.json",
    "step-1/weights.safetensors",
    "step-1/state.safetensors",
    "step-2/weights.safetensors",
    "step-2/state.safetensors",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path, network = tmp_path_factory.mktemp("whole") / "run", build(read_spec("xor"))
    with RunFolder.create(path, network, {"epochs": 2}, "ab" * 32) as run:
        for step in (1, 2):
            run = run.save(step, network.arrays(), {"at": np.array(step)}, [{"step": step}])
    return path


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def refusal(path) -> str:
    with pytest.raises(RunFolderError) as caught:
        RunFolder.open(path)
    return str(caught.value)


def rewrite(path, **changes):
    """Change run.json and sign it again, as nobody but a writer of run.json can."""
    content = json.loads((path / "run.json").read_text()) | changes
    content.pop("sha256")

    def dump(value):
        return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()

    digest = hashlib.sha256(dump(content)).hexdigest()
    (path / "run.json").write_bytes(dump(content | {"sha256": digest}))


def test_the_list_of_files_is_complete(whole):
    found = {
        os.path.relpath(os.path.join(top, name), whole) for top, _, names in os.walk(whole) for name in names
    }
    assert found == {*FILES, ".mep-neuro.lock"}


def test_the_undamaged_copy_opens(run):
    assert RunFolder.open(run).step == 2


def test_rewriting_without_a_change_opens(run):
    rewrite(run)
    assert RunFolder.open(run).step == 2


@pytest.mark.parametrize("name", FILES)
def test_one_changed_bit(run, name):
    content = (run / name).read_bytes()
    places = (
        range(0, len(content), 3) if name == "run.json" else np.linspace(0, len(content) - 1, 25, dtype=int)
    )
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        (run / name).write_bytes(changed)
        message = refusal(run)
        assert message.startswith(f"{run / name}: "), place
        assert "; " in message


@pytest.mark.parametrize("name", FILES)
def test_cut_off(run, name):
    content = (run / name).read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        (run / name).write_bytes(content[:length])
        assert f"{run / name}: damaged, " in refusal(run)


@pytest.mark.parametrize("name", [name for name in FILES if name != "run.json"])
def test_deleted(run, name):
    (run / name).unlink()
    assert refusal(run) == (
        f"{run / name}: missing; restore the folder from a copy, or train again into another one"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_folder_or_a_pipe_in_the_place_of_a_file(run, name):
    for make in (os.mkdir, os.mkfifo):
        shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()
        make(run / name)
        assert f"{run / name}: missing; restore" in refusal(run)


def test_damage_after_opening_is_noticed(run):
    opened = RunFolder.open(run)
    for name, read in (
        ("network.yaml", opened.network),
        ("step-2/weights.safetensors", opened.network),
        ("step-2/state.safetensors", opened.state),
        ("metrics.jsonl", opened.metrics),
    ):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[:-2] + b"x" + content[-1:])
        with pytest.raises(RunFolderError, match="damaged, its sha256 is not the one in run"):
            read()
        (run / name).write_bytes(content)


@pytest.mark.parametrize("name", FILES)
def test_a_link_out_of_the_folder(run, tmp_path, name):
    shutil.move(run / name, tmp_path / "elsewhere")
    (run / name).symlink_to(tmp_path / "elsewhere")
    assert f"{run / name}: leads out of the RUN folder by a link; put the file itself there" in refusal(run)


def test_a_checkpoint_that_is_a_link(run, tmp_path):
    shutil.move(run / "step-2", tmp_path / "elsewhere")
    (run / "step-2").symlink_to(tmp_path / "elsewhere")
    assert "leads out of the RUN folder by a link; put the file itself there" in refusal(run)


def test_the_folder_itself_may_be_a_link(run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    assert RunFolder.open(tmp_path / "link").network()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "step-2/../../secret", "step-2/other.bin"])
def test_a_path_that_is_no_file_of_a_run(run, name):
    (run.parent / "secret").write_bytes(b"x")
    files = json.loads((run / "run.json").read_text())["files"]
    rewrite(run, files=files | {name: hashlib.sha256(b"x").hexdigest()})
    message = refusal(run)
    assert f"run.json: names 'files.{name}', no file of a RUN folder; restore the folder" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": "other"},
            "run.json: not of the format 'mep-neuro-run'; give a RUN folder of mep-neuro train",
        ),
        (
            {"version": 2},
            "run.json: version 2 of the format, this mep-neuro reads up to 1; upgrade mep-neuro",
        ),
        ({"version": 0}, "run.json: unknown version 0 of the format; restore the folder"),
        ({"version": "1"}, "run.json: unknown version '1' of the format; restore the folder"),
        ({"version": True}, "run.json: unknown version True of the format; restore the folder"),
        ({"extra": 1}, "run.json: extra: Extra inputs are not permitted; restore the folder"),
        ({"checkpoint": "../x"}, "run.json: checkpoint: String should match pattern"),
        (
            {"checkpoint": "step-3"},
            "files: ['step-3/state.safetensors', 'step-3/weights.safetensors'] are not li",
        ),
        (
            {"files": {}},
            "'network.yaml', 'step-2/state.safetensors', 'step-2/weights.safetensors'] are not li",
        ),
        (
            {"metrics": {"bytes": -1, "lines": 0, "sha256": "0" * 64}},
            "run.json: metrics.bytes: Input should be",
        ),
    ],
)
def test_run_json_of_another_format(run, changes, message):
    rewrite(run, **changes)
    assert message in refusal(run)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_run_json_that_is_no_json(run, content):
    (run / "run.json").write_bytes(content)
    assert f"{run}/run.json: damaged, no JSON (" in refusal(run)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}"])
def test_run_json_that_is_no_run(run, content):
    (run / "run.json").write_bytes(content)
    assert f"{run}/run.json: not of the format 'mep-neuro-run'; give a RUN" in refusal(run)


def test_weights_that_do_not_fit_the_topology(run):
    topology = (run / "network.yaml").read_text().replace("shape: [8]", "shape: [9]").encode()
    (run / "network.yaml").write_bytes(topology)
    files = json.loads((run / "run.json").read_text())["files"]
    rewrite(run, files=files | {"network.yaml": hashlib.sha256(topology).hexdigest()})
    opened = RunFolder.open(run)
    words = r"run: weights do not fit network.yaml \(populations.hidden.bias: shape \(8,\), .*; restore"
    with pytest.raises(RunFolderError, match=words):
        opened.network()


def test_weights_that_are_no_safetensors_file(run):
    (run / "step-2/weights.safetensors").write_bytes(b"weights")
    files = json.loads((run / "run.json").read_text())["files"]
    rewrite(run, files=files | {"step-2/weights.safetensors": hashlib.sha256(b"weights").hexdigest()})
    opened = RunFolder.open(run)
    with pytest.raises(
        RunFolderError, match=r"step-2/weights.safetensors: no safetensors file \(.*; restore the"
    ):
        opened.network()
