"""Lava waits for ever when one of its processes fails; the guard ends the run and tells the cause."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from mep_neuro.converters.to_lava.bundle import RUNNER

SCRIPT = """
import multiprocessing, os, sys, time
sys.path.insert(0, {runner!r})
from guard import guarded

def child():
    {child}

if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    with guarded({parent}) as watch:
        processes = [fork.Process(target=target) for target in (child, lambda: time.sleep(60))]
        for process in processes: process.start()
        watch(processes)
        print(os.getpid(), *[process.pid for process in processes], flush=True)
        {body}
    for process in processes: process.kill()
    print("went well")
"""


def run(child: str, body: str) -> subprocess.CompletedProcess[str]:
    code = SCRIPT.format(runner=str(RUNNER), parent=0, child=child, body=body)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def left(pids: Iterable[int]) -> list[int]:
    """Those that still live after 10 s; the end of a killed process takes a moment."""
    living, end = list(pids), time.monotonic() + 10
    while living and time.monotonic() < end:
        living = [pid for pid in living if not gone(pid)]
        time.sleep(0.02)
    return living


def test_a_run_that_loses_nothing_goes_on() -> None:
    done = run("time.sleep(60)", "time.sleep(0.6)")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("went well\n")


@pytest.mark.parametrize("child", ["os.kill(os.getpid(), 9)", "sys.exit(0)"], ids=["killed", "ended"])
def test_a_lost_process_ends_the_run(child: str) -> None:
    done = run(child, "time.sleep(15)")
    assert done.returncode == 1
    assert "1 of Lava's processes ended before the run did" in done.stderr
    assert left(map(int, done.stdout.split())) == []


def test_an_error_ends_the_run_with_its_traceback() -> None:
    done = run("time.sleep(60)", "raise RuntimeError('of run()')")
    assert done.returncode == 1
    assert "RuntimeError: of run()" in done.stderr
    assert left(map(int, done.stdout.split())) == []


def test_nothing_lives_on_when_the_caller_is_killed(tmp_path: Path) -> None:
    """SIGKILL: the caller can clean up nothing."""
    inner = SCRIPT.format(
        runner=str(RUNNER), parent="os.getppid()", child="time.sleep(60)", body="time.sleep(60)"
    )
    outer = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], start_new_session=True)"
    )
    with subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        pids = [int(pid) for pid in caller.stdout.readline().split()]
        assert [gone(pid) for pid in pids] == [False] * 3
        os.kill(caller.pid, signal.SIGKILL)
    assert left(pids) == []


def test_a_run_over_its_limit_is_ended() -> None:
    code = SCRIPT.format(runner=str(RUNNER), parent="0, 1.0", child="time.sleep(60)", body="time.sleep(60)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.strip() == "lava: no answer within 1 s; give fewer samples or a longer limit"
    assert left(map(int, done.stdout.split())) == []
