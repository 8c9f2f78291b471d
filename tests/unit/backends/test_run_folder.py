"""RUN folders: what goes in comes out, and what does not fit is refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import RunFolderError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

IDENTITY = "ab" * 32
SETTINGS = {"epochs": 3, "seed": 7, "on": "torch", "betas": [0.9, 0.99]}


@pytest.fixture
def network():
    return build(read_spec("digits_cube"), seed=7)


@pytest.fixture
def run(tmp_path, network):
    with RunFolder.create(tmp_path / "run", network, SETTINGS, IDENTITY) as run:
        yield run


def single(network, factor=1.0):
    return {name: (factor * array).astype(np.float32) for name, array in network.arrays().items()}


def test_a_new_run_is_at_step_0_with_the_networks_weights(run, network):
    opened = RunFolder.open(run.path)
    assert opened.step == 0
    assert opened.state() == {}
    assert opened.metrics() == []
    assert opened.settings == SETTINGS
    assert opened.data_identity == IDENTITY
    loaded = opened.network()
    assert loaded.spec == network.spec
    for name, array in network.arrays().items():
        assert np.array_equal(loaded.arrays()[name], array), name
    for name, population in network.populations.items():  # what is not stored is computed again
        assert np.array_equal(loaded.populations[name].energy_weight, population.energy_weight)


def test_weights_state_and_metrics_come_back_bit_for_bit(run, network):
    weights = single(network, 1 / 3)
    state = {
        "adam.step": np.array(17),
        "adam.v": np.arange(6.0).reshape(2, 3).T,  # not contiguous
        "every_other": np.arange(10, dtype=np.float32)[::2],
        "rng": np.arange(256, dtype=np.uint8),
        "counter": np.array([2**64 - 1], np.uint64),
        "none": np.zeros((0, 4), np.float16),
        "flags": np.array([True, False]),
        "not_finite": np.array([np.nan, -0.0, np.inf]),
    }
    run.save(5, weights, state, [{"epoch": 1, "loss": np.float32(0.5), "step": np.int64(3), "note": "ü\n"}])
    opened = RunFolder.open(run.path)
    assert opened.step == 5
    for saved, loaded in ((weights, opened.weights()), (state, opened.state())):
        assert list(loaded) == sorted(saved)
        for name, array in saved.items():
            assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape), name
            assert loaded[name].tobytes() == array.tobytes(), name
    assert opened.metrics() == [{"epoch": 1, "loss": 0.5, "step": 3, "note": "ü\n"}]
    for name, array in opened.network().arrays().items():
        assert array.dtype == np.float64
        assert np.array_equal(array, weights[name].astype(np.float64)), name


def test_the_last_two_checkpoints_are_kept(run, network):
    for step in (1, 2, 30):
        run = run.save(step, single(network, step), {"at": np.array(step)}, [{"step": step}])
    assert sorted(os.listdir(run.path)) == [
        ".mep-neuro.lock",
        "metrics.jsonl",
        "network.yaml",
        "run.json",
        "step-2",
        "step-30",
    ]
    assert [record["step"] for record in RunFolder.open(run.path).metrics()] == [1, 2, 30]


def test_run_json_says_what_a_reader_of_the_folder_wants_to_know(run, network):
    run.save(1, single(network), {}, [])
    content = json.loads((run.path / "run.json").read_text())
    assert (content["format"], content["version"], content["checkpoint"]) == ("mep-neuro-run", 1, "step-1")
    assert content["seeds"] == {"init": network.spec.seeds.init, "data": 1, "noise": 2}
    assert content["data"] == IDENTITY
    assert content["settings"] == SETTINGS
    assert set(content["versions"]) == {"mep-neuro", "numpy", "python", "safetensors", "torch"}
    assert content["versions"]["numpy"] == np.__version__
    assert len(content["files"]) == 5  # network.yaml and two files of each of two checkpoints


def test_network_yaml_is_a_topology_file(run, network):
    assert read_spec(run.path / "network.yaml") == network.spec
    assert (run.path / "network.yaml").read_text().startswith("# yaml-language-server: $schema=")


def test_settings_are_a_copy(run):
    run.settings["betas"].append(1)
    assert run.settings == SETTINGS


def test_creating_the_same_run_goes_on_with_it(run, network):
    run.save(4, single(network), {}, [])
    run.close()
    with RunFolder.create(run.path, network, SETTINGS | {"betas": (0.9, 0.99)}, IDENTITY) as again:
        assert again.step == 4


def test_creating_another_run_in_its_place_names_every_difference(run, network):
    run.close()
    other = build(read_spec("xor"))
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create(run.path, other, {"epochs": 4, "seed": 7, "on": "torch", "lr": 1}, "cd" * 32)
    message = str(caught.value)
    assert message.startswith(f"{run.path}: holds another RUN (network: ")
    assert "populations, projections" in message
    assert (
        "betas: [0.9, 0.99] there, nothing asked; epochs: 3 there, 4 asked; lr: nothing there, 1" in message
    )
    assert "data: abababababab there, cdcdcdcdcdcd asked); choose another folder, or ask for" in message
    RunFolder.open(run.path, writing=True).close()  # the refused one holds no lock


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path, network):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "a" / "b" / "c"):
        RunFolder.create(str(path), network, {}, IDENTITY).close()
        assert RunFolder.open(str(path)).step == 0


@pytest.mark.parametrize("name", ["thesis.txt", "network.yaml", ".hidden", "step-3"])
def test_a_folder_with_other_things_is_left_alone(tmp_path, network, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create(tmp_path, network, {}, IDENTITY)
    assert str(caught.value) == (
        f"{tmp_path}: not empty and no RUN (it holds '{name}'); choose a folder that does not exist yet"
    )
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("act", ["create", "resume", "read"])
def test_somebody_elses_run_json_is_left_alone(tmp_path, network, act):
    (tmp_path / "run.json").write_text('{"format": "theirs"}')
    acts = {
        "create": lambda: RunFolder.create(tmp_path, network, {}, IDENTITY),
        "resume": lambda: RunFolder.open(tmp_path, writing=True),
        "read": lambda: RunFolder.open(tmp_path),
    }
    with pytest.raises(
        RunFolderError, match=r"run.json: not of the format 'mep-neuro-run'; give a RUN folder"
    ):
        acts[act]()
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_file_is_no_folder(tmp_path, network):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunFolderError, match="file: is no folder; choose a folder that does not exist yet"):
        RunFolder.create(tmp_path / "file", network, {}, IDENTITY)
    with pytest.raises(
        RunFolderError, match="file: no such folder; give the RUN folder that mep-neuro train"
    ):
        RunFolder.open(tmp_path / "file")


def test_no_run(tmp_path):
    with pytest.raises(
        RunFolderError, match=r"no run.json, so no RUN or one whose creation was cut short; train"
    ):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"lr": float("nan")}, "Out of range float values"), ({"f": print}, "not JSON serializable")],
)
def test_settings_that_json_does_not_hold(tmp_path, network, settings, reason):
    with pytest.raises(
        RunFolderError, match=f"run: settings: no JSON .*{reason}.*; give text, finite numbers"
    ):
        RunFolder.create(tmp_path / "run", network, settings, IDENTITY)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("step", [0, -1, 5])
def test_a_step_that_is_not_later(run, network, step):
    run = run.save(5, single(network), {}, [])
    with pytest.raises(RunFolderError, match=f"run: step {step} is not after step 5; save a later one"):
        run.save(step, single(network), {}, [])


def test_weights_of_another_network(run, network):
    weights = single(network)
    missing = {k: v for k, v in weights.items() if k != "projections.lattice.weight"}
    for wrong, words in (
        (missing, "shape missing, the network's is [1940]"),
        (missing | {"projections.lattice.weight": np.zeros(3)}, "shape [3], the network's is [1940]"),
    ):
        with pytest.raises(RunFolderError) as caught:
            run.save(1, wrong, {}, [])
        assert f"run: weights 'projections.lattice.weight': {words}; save the arrays of this" in str(
            caught.value
        )
    with pytest.raises(
        RunFolderError, match=r"weights 'x': shape \[2\], the network's is none of this name; save"
    ):
        run.save(1, weights | {"x": np.zeros(2)}, {}, [])


def test_a_state_that_is_no_number(run, network):
    with pytest.raises(
        RunFolderError, match=r"state of step-1: cannot be stored \(<U1: .*; give arrays of numb"
    ):
        run.save(1, single(network), {"name": np.array(["a"])}, [])


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), object()])
def test_metrics_that_json_does_not_hold(run, network, value):
    with pytest.raises(
        RunFolderError, match=r"run: metrics: \{'loss': .* is no JSON .*; give text and finite num"
    ):
        run.save(1, single(network), {}, [{"loss": 1.0}, {"loss": value}])
    assert RunFolder.open(run.path).step == 0
    assert (run.path / "metrics.jsonl").read_bytes() == b""


def test_a_reader_left_behind_is_told_to_open_again(run, network):
    reader = RunFolder.open(run.path)
    for step in (1, 2):
        run = run.save(step, single(network), {}, [])
    with pytest.raises(
        RunFolderError, match=r"saved by another writer \(step 2, this one is at 0\); open it again"
    ):
        reader.network()


def test_a_run_needs_no_torch(tmp_path):
    code = (
        "import sys; from mep_neuro.backends.run_folder import RunFolder as R;"
        "from mep_neuro.simulation.build import build; from mep_neuro.topology.reader import read_spec;"
        "R.create(sys.argv[1], build(read_spec('xor')), {}, ''); R.open(sys.argv[1]).network();"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"
