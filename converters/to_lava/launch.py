"""Run a command in a process group of its own: with a time limit, and leaving nothing behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mep_neuro.errors import BackendFailedError

GRACE = 3.0  # seconds between asking a group to end and killing it; the shared memory is freed meanwhile
PERIOD = 0.05  # seconds between two looks at the command
TAIL = 12  # lines of its output that an error shows


def launch(
    command: Sequence[str],
    *,
    name: str,
    advice: str,
    log: Path,
    time_limit: float,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Run a command to its end. However that comes, the whole process group is gone afterwards.

    Args:
        command: Program and arguments.
        name: Who this is, in error messages.
        advice: What the user can do when it fails.
        log: File for what it writes to stdout and stderr.
        time_limit: Seconds after which it is stopped.
        environment: Its environment variables; this process's own by default.
        on_line: Called with each line that it writes, while it runs.

    Raises:
        BackendFailedError: It cannot be started, ended with another code than 0, or took too long.
    """
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise BackendFailedError(
                f"{name}: {command[0]} cannot be started ({error.strerror}); {advice}"
            ) from error
    try:
        in_time = _wait(process, log, time.monotonic() + time_limit, on_line)
    finally:
        _end_group(process)
    if not in_time:
        raise BackendFailedError(f"{name}: no answer within {time_limit:.3g} s; {advice}{_tail(log)}")
    if process.returncode:
        raise BackendFailedError(f"{name}: {_ending(process.returncode)}; {advice}{_tail(log)}")


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment variables without those that lead another Python to our packages."""
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    return {**kept, "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", **changes}


def _wait(
    process: subprocess.Popen[bytes], log: Path, deadline: float, on_line: Callable[[str], None] | None
) -> bool:
    """Whether the command ended before the deadline."""
    with log.open(encoding="utf-8", errors="replace") as output:
        rest = ""
        while True:
            ended = process.poll() is not None
            *lines, rest = (rest + output.read()).split("\n")
            for line in lines if on_line is not None else ():
                on_line(line)  # type: ignore[misc]  # mypy does not see that the loop is empty for None
            if ended or time.monotonic() >= deadline:
                return ended
            time.sleep(PERIOD)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group; pid and group are the same number, as the command leads it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not _alive(process.pid):
            break
        _signal(process.pid, sign)
        end = time.monotonic() + GRACE
        while _alive(process.pid) and time.monotonic() < end:
            process.poll()
            time.sleep(PERIOD)
    process.wait()


def _signal(group: int, sign: signal.Signals | int) -> bool:
    try:
        os.killpg(group, sign)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of ended processes
        return False
    return True


def _alive(group: int) -> bool:
    """Whether a process of the group still runs; one that has ended but was not reaped does not."""
    if not _signal(group, 0):
        return False
    if not Path("/proc/self/stat").exists():
        return True
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # it ended while we looked
        if int(pgrp) == group and state not in "ZX":
            return True
    return False


def _ending(code: int) -> str:
    if code > 0:
        return f"its process ended with code {code}"
    return f"its process was ended by signal {-code} ({signal.strsignal(-code)})"


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if not lines:
        return "\n  (it wrote nothing)"
    return "".join(f"\n  {line}" for line in ["its last lines:", *lines[-TAIL:]])
