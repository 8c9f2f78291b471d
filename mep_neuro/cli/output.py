"""What the command line prints: one JSON object or text on stdout; notes, progress and errors on stderr."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[float], None]


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout.

    Args:
        value: Mapping of plain values, numpy numbers and arrays, paths; NaN and infinity become null.
    """
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def first_process() -> bool:
    """Whether this process speaks for all that torchrun started; True where it started none."""
    return os.environ.get("RANK", "0") == "0"


def print_errors(text: str) -> None:
    """Print error lines on stderr, each on one line however long."""
    print(text, file=sys.stderr, flush=True)


def note(text: str, *, quiet: bool = False) -> None:
    """Print a line for the reader on stderr, unless quiet (a verb's --json)."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def out_console() -> Console:
    """A console on stdout for tables; 160 columns wide where stdout is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


@contextmanager
def progress(total: int, label: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Show a bar with the time left on stderr while the block runs.

    It is silent when quiet, and when stderr is no terminal.

    Args:
        total: Number of steps.
        label: What is being done.
        quiet: A verb's --json or --quiet.

    Yields:
        `advance(steps)`, to be called as steps are done.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda steps: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("time left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.update(task, advance=steps)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy, which this module does not import
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
