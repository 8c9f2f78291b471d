"""A command that hangs, crashes or leaves children behind ends in a readable error, and nothing is left."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mep_neuro.converters.to_lava import launch as module
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.errors import BackendFailedError


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.3)


def start(tmp_path: Path, code: str, **changes: Any) -> None:
    """Launch Python on code that may append the ids of its processes to `pids`."""
    note = f"def note(): open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}} ')\n"
    prelude = "import os, signal, sys, time\n" + note
    settings: dict[str, Any] = {"time_limit": 30.0} | changes
    command = [sys.executable, "-c", prelude + code]
    launch(command, name="stand-in", advice="mend it", log=tmp_path / "log", **settings)


def noted(tmp_path: Path) -> list[int]:
    return [int(pid) for pid in (tmp_path / "pids").read_text().split()]


def gone(pid: int) -> bool:
    """Ended; a process that nobody reaped has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_lines_arrive_while_it_runs(tmp_path: Path) -> None:
    lines: list[tuple[str, float]] = []
    code = "print('first é', flush=True); time.sleep(0.6); print('second'); print('no end of line', end='')"
    start(tmp_path, code, on_line=lambda line: lines.append((line, time.monotonic())))
    assert [line for line, _ in lines] == ["first é", "second"]
    assert lines[1][1] - lines[0][1] > 0.3


def test_a_command_that_hangs_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(
        BackendFailedError,
        match=r"^stand-in: no answer within 0\.5 s; mend it\n  its last lines:\n  still here$",
    ):
        start(tmp_path, "note(); print('still here', flush=True); time.sleep(60)", time_limit=0.5)
    assert [gone(pid) for pid in noted(tmp_path)] == [True]


def test_a_crash_shows_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(
        BackendFailedError,
        match=r"(?s)^stand-in: its process ended with code 1; mend it\n.*ValueError: the cause",
    ):
        start(tmp_path, "raise ValueError('the cause')")


def test_an_end_by_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BackendFailedError, match=r"was ended by signal 9 \(Killed\); mend it\n  \(it wrote nothing\)"
    ):
        start(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")


def test_a_command_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(
        BackendFailedError,
        match=r"^stand-in: /no/such cannot be started \(No such file or directory\); mend it",
    ):
        launch(["/no/such"], name="stand-in", advice="mend it", log=tmp_path / "log", time_limit=1.0)


FAMILY = """
note()
for deaf in (False, True):
    if os.fork() == 0:
        if deaf: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0: pass
        note(); time.sleep(60); os._exit(0)
while len(open({pids!r}).read().split()) < 5: time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("last", "expected"),
    [("time.sleep(60)", "no answer within"), ("sys.exit(3)", "ended with code 3"), ("", None)],
    ids=["hangs", "crashes", "ends well"],
)
def test_children_and_grandchildren_are_ended_too(tmp_path: Path, last: str, expected: str | None) -> None:
    code = FAMILY.format(pids=str(tmp_path / "pids")) + last
    if expected is None:
        start(tmp_path, code)
    else:
        with pytest.raises(BackendFailedError, match=expected):
            start(tmp_path, code, time_limit=3.0)
    pids = noted(tmp_path)
    assert len(pids) == 5
    assert [pid for pid in pids if not gone(pid)] == []


def interrupt(line: str) -> None:
    raise KeyboardInterrupt


def break_down(line: str) -> None:
    raise RuntimeError("of the caller's own")


@pytest.mark.parametrize(("on_line", "error"), [(interrupt, KeyboardInterrupt), (break_down, RuntimeError)])
def test_an_interrupt_ends_the_group_and_goes_on(
    tmp_path: Path, on_line: Callable[[str], None], error: type[BaseException]
) -> None:
    code = "note(); signal.signal(signal.SIGTERM, signal.SIG_IGN); print('line', flush=True); time.sleep(60)"
    with pytest.raises(error):
        start(tmp_path, code, on_line=on_line)
    assert [gone(pid) for pid in noted(tmp_path)] == [True]


def test_the_check_for_orphans_sees_a_process_that_lives() -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    assert not gone(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert gone(pid)


def test_another_python_does_not_see_our_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("PYTHONHOME", "/ours")
    monkeypatch.setenv("PIP_INDEX_URL", "of the user")
    environment = clean_environment(TMPDIR="/there")
    assert {"PYTHONPATH", "PYTHONHOME"} & set(environment) == set()
    assert environment["PYTHONNOUSERSITE"] == "1"
    assert (environment["PIP_INDEX_URL"], environment["TMPDIR"]) == ("of the user", "/there")
