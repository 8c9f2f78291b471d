"""Whatever happens to the writer of a RUN folder, a complete checkpoint is left."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mep_neuro.backends import run_checks
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import RunFolderError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

WRITER = Path(__file__).with_name("killed_writer.py")


def writer(path: Path, mode: str) -> list[str]:
    done = subprocess.run([sys.executable, WRITER, path, mode], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_killed_at_random_times(tmp_path):
    (line,) = writer(tmp_path / "run", "at_random_times")
    assert line.startswith("25 kills, ")


def test_killed_before_every_file_operation(tmp_path):
    creating, saving = writer(tmp_path, "at_every_file_operation")
    assert int(creating.split()[0]) >= 8
    assert int(saving.split()[0]) >= 16  # two checkpoints, and step-0 removed


def test_a_write_that_fails_half_way(tmp_path):
    (line,) = writer(tmp_path / "run", "on_a_full_disk")
    assert line == (
        f"{tmp_path}/run: checkpoint step-2 could not be written (File too large); what was saved before is "
        "whole: free space or mend permissions, then resume"
    )


def test_one_writer_at_a_time(tmp_path):
    lines = writer(tmp_path / "run", "beside_another")
    path = tmp_path / "run"
    assert lines == [f"{path}: process CHILD is writing this RUN; wait for it, or choose another folder"] * 3


@pytest.fixture
def network():
    return build(read_spec("xor"))


@pytest.fixture
def run(tmp_path, network):
    with RunFolder.create(tmp_path / "run", network, {}, "") as run:
        yield run.save(1, network.arrays(), {"at": np.array(1)}, [{"step": 1}])


CALLS = ("fsync", "rename", "replace", "mkdir")


@pytest.mark.parametrize("call", CALLS)
def test_no_space_at_any_call(run, network, monkeypatch, call):
    """The n-th call fails, for every n that a save makes; the next attempt with the same run succeeds."""
    real, failures = getattr(os, call), 0
    for nth in range(1, 20):
        calls = iter(range(1, 1000))

        def fails(*arguments, nth=nth, calls=calls, **more):
            if next(calls) == nth:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **more)

        monkeypatch.setattr(os, call, fails)
        saved = attempt(run, network)
        monkeypatch.setattr(os, call, real)
        opened = RunFolder.open(run.path)
        if saved is not None:
            run = saved
            break
        failures += 1
        assert opened.step in (run.step, run.step + 1)
        assert opened.state()["at"] == opened.step
        assert [record["step"] for record in opened.metrics()] == list(range(1, opened.step + 1))
        if opened.step > run.step:  # replaced, but the disk did not confirm it
            run.close()
            run = RunFolder.open(run.path, writing=True)
    assert failures >= 1, "no save went through this call"
    assert RunFolder.open(run.path).step == run.step


def attempt(run, network):
    step, refusal = run.step + 1, ""
    try:
        return run.save(step, network.arrays(), {"at": np.array(step)}, [{"step": step}])
    except RunFolderError as error:
        refusal = str(error)
    assert f"checkpoint step-{step} could not be written (No space left on device); what was" in refusal
    return None


def test_an_old_checkpoint_that_cannot_be_removed_is_no_failure(run, network, monkeypatch):
    def fails(*arguments, **more):
        raise OSError(errno.EACCES, "no")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", fails)
        run = run.save(2, network.arrays(), {}, [])
    assert (run.path / "step-0").exists()
    run = run.save(3, network.arrays(), {}, [])
    assert {path.name for path in run.path.glob("step-*")} == {"step-2", "step-3"}


def test_what_a_killed_writer_left_is_ignored_and_removed_at_the_next_save(run, network):
    (run.path / "step-7").mkdir()
    (run.path / "step-2.tmp").mkdir()
    (run.path / "step-2.tmp/weights.safetensors").write_bytes(b"half")
    (run.path / "run.json.tmp").write_bytes(b"half")
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2}\n{"st' + 100 * "x")
    (run.path / "notes.txt").write_text("mine")
    assert [record["step"] for record in RunFolder.open(run.path).metrics()] == [1]
    run = run.save(2, network.arrays(), {}, [{"step": 2, "again": True}])
    assert run.metrics() == [{"step": 1}, {"step": 2, "again": True}]
    assert (run.path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2, "again": true}\n'
    assert sorted(path.name for path in run.path.iterdir()) == [
        ".mep-neuro.lock",
        "metrics.jsonl",
        "network.yaml",
        "notes.txt",
        "run.json",
        "step-1",
        "step-2",
    ]


def test_opening_while_a_writer_moves_on(run, network, monkeypatch):
    """Between run.json and the files that it names, the writer saves twice: they are gone then."""
    steps, real = iter((2, 3)), run_checks.read_whole

    def overtaken(folder, name, digest):
        saved = run
        for step in steps:
            saved = saved.save(step, network.arrays(), {"at": np.array(step)}, [])
        return real(folder, name, digest)

    monkeypatch.setattr(run_checks, "read_whole", overtaken)
    assert RunFolder.open(run.path).step == 3


def test_two_runs_of_one_process_are_two_writers(run, network):
    with pytest.raises(RunFolderError, match=f"process {os.getpid()} is writing this RUN; wait for it"):
        RunFolder.open(run.path, writing=True)
    with pytest.raises(RunFolderError, match=f"process {os.getpid()} is writing this RUN; wait for it"):
        RunFolder.create(run.path, network, {}, "")
    run.close()
    RunFolder.open(run.path, writing=True).close()


def test_the_lock_goes_with_the_last_run_that_holds_it(tmp_path, network):
    run = RunFolder.create(tmp_path / "run", network, {}, "")
    run = run.save(1, network.arrays(), {}, [])
    with pytest.raises(RunFolderError, match="is writing this RUN"):
        RunFolder.open(run.path, writing=True)
    del run
    RunFolder.open(tmp_path / "run", writing=True).close()


def test_saving_from_an_old_checkpoint(run, network):
    old = RunFolder.open(run.path)
    run.save(2, network.arrays(), {}, [])
    run.close()
    with pytest.raises(
        RunFolderError, match=r"was saved by another writer \(step 2, this one is at 1\); open it"
    ):
        old.save(2, network.arrays(), {}, [])
    old.close()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path, network):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.mep-neuro.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(RunFolderError, match=r"run: cannot be locked for writing .*; choose another folder"):
        RunFolder.create(tmp_path / "run", network, {}, "")
    assert (tmp_path / "victim").read_text() == "mine"
