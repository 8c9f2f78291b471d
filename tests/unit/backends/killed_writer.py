"""Writes RUN folders in processes that are killed; `test_run_writers` starts it with a folder and a mode.

It forks from a process of its own, which has no threads, so that a kill costs milliseconds and not the
second that Python and numpy need to start.
"""

import itertools
import os
import random
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import RunFolderError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

NETWORK = build(read_spec("xor"))
IDENTITY = "ab" * 32
MIB = 1 << 20


def weights(step):
    return {name: np.full(array.shape, step, np.float32) for name, array in NETWORK.arrays().items()}


def save(run, step):
    """Everything of a checkpoint tells its step, so that parts of two cannot be taken for one."""
    return run.save(step, weights(step), {"at": np.full(5000, step)}, [{"step": step}])


def write_on(path, told):
    with RunFolder.open(path, writing=True) as run:
        for step in itertools.count(run.step + 1):
            run = save(run, step)
            os.write(told, b"x")


def begun(path):
    if (path / "run.json").exists():
        return RunFolder.open(path, writing=True)
    return RunFolder.create(path, NETWORK, {}, IDENTITY)


def check(path):
    """Open the RUN; every part must be of the same step."""
    run = RunFolder.open(path)
    if run.step > 0:
        assert set(run.state()["at"]) == {run.step}
        assert all((array == run.step).all() for array in run.weights().values())
    assert [record["step"] for record in run.metrics()] == list(range(1, run.step + 1))
    return run.step


def forked(work):
    """Run `work` in a child; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as error:
        print(f"writer: {error!r}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def end_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_random_times(path):
    """Kill a saving writer again and again; between the kills the RUN opens, and goes on."""
    random.seed(0)
    RunFolder.create(path, NETWORK, {}, IDENTITY).close()
    kills = 25
    steps = [0]
    for _ in range(kills):
        hear, tell = os.pipe()
        child = forked(lambda tell=tell: write_on(path, tell))
        os.close(tell)
        os.read(hear, 1)
        check(path)  # a reader beside the writer
        time.sleep(random.uniform(0, 0.02))  # a save takes about 0.006
        os.kill(child, signal.SIGKILL)
        assert end_of(child) == -signal.SIGKILL
        os.close(hear)
        steps.append(check(path))
    assert all(later > earlier for earlier, later in itertools.pairwise(steps)), steps
    print(f"{kills} kills, {steps[-1]} steps")


def at_every_file_operation(path):
    """Kill a writer before its first, second, ... change of the folder, while creating and while saving."""
    RunFolder.create(path / "new", NETWORK, {}, IDENTITY).close()
    for created, last in ((False, 0), (True, 2)):
        for operation in itertools.count(1):
            folder = path / f"{last}-{operation}"
            if created:
                shutil.copytree(path / "new", folder)

            def work(folder=folder, operation=operation, last=last):
                kill_before(operation, folder)
                run = begun(folder)
                for step in range(1, last + 1):
                    run = save(run, step)

            code = end_of(forked(work))
            if code == 0:
                break
            assert code == -signal.SIGKILL, code
            if created or (folder / "run.json").exists():
                assert check(folder) <= last
            with begun(folder) as run:  # goes on from wherever it was
                save(run, run.step + 1)
            left = sorted(os.listdir(folder))
            assert left == sorted(
                [".mep-neuro.lock", "metrics.jsonl", "network.yaml", "run.json"]
                + [f"step-{step}" for step in (run.step, run.step + 1)]
            ), left
            check(folder)
        print(f"{operation - 1} kills")


def kill_before(operation, folder):
    """Count what makes, renames, removes or opens for writing; die before the given one."""
    seen = itertools.count(1)

    def hook(event, arguments):
        writes = (
            event == "open" and str(folder) in str(arguments[0]) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
        if (writes or changes) and next(seen) == operation:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def on_a_full_disk(path):
    """Files of a writer may not grow beyond a limit: a write that fails half-way, as on a full disk."""
    with RunFolder.create(path, NETWORK, {}, IDENTITY) as run:
        save(run, 1)

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        run = RunFolder.open(path, writing=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, resource.RLIM_INFINITY))
        try:
            run.save(2, weights(2), {"at": np.full(MIB, 2)}, [{"step": 2}])
        except RunFolderError as error:
            print(error, flush=True)
            assert (path / "step-2.tmp/state.safetensors").stat().st_size == MIB  # it did fail half-way
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            os._exit(7)

    assert end_of(forked(work)) == 7
    assert check(path) == 1
    with RunFolder.open(path, writing=True) as run:
        save(run, 2)
    assert check(path) == 2


def beside_another(path):
    """A second writer is refused while the first lives, and not when it was killed."""
    read, write = os.pipe()

    def work():
        run = save(RunFolder.create(path, NETWORK, {}, IDENTITY), 1)
        os.write(write, b"x")
        time.sleep(60)
        run.close()

    child = forked(work)
    os.read(read, 1)
    for second in (
        lambda: RunFolder.open(path, writing=True),
        lambda: RunFolder.create(path, NETWORK, {}, IDENTITY),
        lambda: save(RunFolder.open(path), 2),
    ):
        try:
            second()
        except RunFolderError as error:
            print(str(error).replace(str(child), "CHILD"))
    assert check(path) == 1
    os.kill(child, signal.SIGKILL)
    end_of(child)
    with RunFolder.open(path, writing=True) as run:
        save(run, 2)
    assert check(path) == 2


if __name__ == "__main__":
    globals()[sys.argv[2]](Path(sys.argv[1]))
