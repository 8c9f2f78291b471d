"""The command line as a whole: help, version, exit codes, errors on unwrapped lines."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mep_neuro.cli.errors import Verbs
from mep_neuro.cli.main import VERBS, app
from mep_neuro.errors import BackendMissingError, MepNeuroError, SettleError, TopologyError

RUNNER = CliRunner()
PROGRAM = "from mep_neuro.cli.main import main; main()"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The console script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["validate", "xor"], ["schema"]])
def test_does_not_import_heavy_packages(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from mep_neuro.cli.main import app\n"
        f"app({words!r}, standalone_mode=False)\n"
        "heavy = {'torch', 'matplotlib', 'sklearn', 'brian2', 'lava', 'snntorch'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_help_lists_every_verb_with_a_summary() -> None:
    done = RUNNER.invoke(app, ["--help"])
    assert done.exit_code == 0
    for verb in VERBS:
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"  {verb} "))
        assert len(line.split()) > 3


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    done = RUNNER.invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert "Example" in done.stdout
    assert f"mep-neuro {verb}" in done.stdout


def test_version() -> None:
    done = RUNNER.invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout.startswith("mep-neuro 0.")


@pytest.mark.parametrize("words", [["valdate"], ["validate"], ["validate", "xor", "--jsn"]])
def test_usage_errors_exit_with_2(words: list[str]) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert done.stdout == ""


LONG = "populations.hidden: " + "a very long reason " * 20 + "; [red]mend[/red] it"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TopologyError([LONG]), 2),
        (SettleError(LONG), 1),
        (BackendMissingError(LONG), 3),
        (MepNeuroError(LONG), 2),
    ],
)
def test_errors_are_whole_lines_on_stderr_with_their_exit_code(error: MepNeuroError, code: int) -> None:
    done = RUNNER.invoke(_raising(error), ["verb"])
    assert done.exit_code == code
    assert done.stderr == f"{LONG}\n"
    assert done.stdout == ""


def test_an_interrupt_exits_with_130() -> None:
    done = RUNNER.invoke(_raising(KeyboardInterrupt()), ["verb"])
    assert done.exit_code == 130
    assert done.stderr == "interrupted\n"


def test_a_real_interrupt_exits_with_130() -> None:
    program = (
        "import time\n"
        "from mep_neuro.cli import main\n"
        "def wait() -> None:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "main.app.command('wait')(wait)\n"
        "main.app(['wait'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)  # into the sleep
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "interrupted\n"


def test_a_file_that_cannot_be_written_is_a_readable_mistake(tmp_path: Path) -> None:
    out = tmp_path / "none" / "schema.json"
    done = RUNNER.invoke(app, ["schema", "--out", str(out)])
    assert done.exit_code == 2
    assert done.stderr == f"{out}: No such file or directory; check the path and its permissions\n"


def test_a_defect_of_ours_is_not_hidden() -> None:
    done = RUNNER.invoke(_raising(ZeroDivisionError("ours")), ["verb"])
    assert isinstance(done.exception, ZeroDivisionError)


def _raising(error: BaseException) -> typer.Typer:
    """An app whose one verb raises."""
    raising = typer.Typer(cls=Verbs, pretty_exceptions_enable=False, rich_markup_mode=None)

    @raising.callback()
    def verbs() -> None:
        """Make it a group."""

    @raising.command("verb")
    def verb() -> None:
        raise error

    return raising
