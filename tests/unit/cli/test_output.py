"""JSON on stdout for machines; notes, errors and progress on stderr for people."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mep_neuro.cli.output import note, print_errors, print_json, progress


def test_json_is_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        "a": np.float64(0.5),
        "b": np.arange(3),
        "c": float("nan"),
        "d": np.array([1.0, np.inf]),
        "e": Path("x/y"),
        "f": {1: (True, None, "é\n")},
    }
    print_json(value)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {
        "a": 0.5,
        "b": [0, 1, 2],
        "c": None,
        "d": [1.0, None],
        "e": "x/y",
        "f": {"1": [True, None, "é\n"]},
    }


def test_notes_and_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    note("a [bold]note[/bold]")
    note("silent", quiet=True)
    print_errors("an error " * 50)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "a [bold]note[/bold]\n" + "an error " * 50 + "\n"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(3, "work") as advance:
        advance(1)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_on_a_terminal_shows_steps_and_time_left_unless_quiet(quiet: bool) -> None:
    program = (
        "import time\n"
        "from mep_neuro.cli.output import progress\n"
        f"with progress(4, 'training', quiet={quiet}) as advance:\n"
        "    for _ in range(4):\n"
        "        time.sleep(0.15)\n"
        "        advance(1)\n"
        "print('done')\n"
    )
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while piece := os.read(leader, 65536):
                shown += piece
        except OSError:  # Linux ends a pseudo-terminal whose writers are gone with EIO
            pass
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
    os.close(leader)
    assert process.returncode == 0
    if quiet:
        assert shown == b""
    else:
        assert b"training" in shown
        assert b"time left" in shown
        assert b"2/4" in shown
