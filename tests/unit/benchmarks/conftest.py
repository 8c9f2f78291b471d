"""Runs a benchmark as its command does, in this process: others would import torch and compile loops anew."""

import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mep_neuro.equilibrium.settle import SOLVERS

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """`printed(NAME, *options)`: the one JSON object of `python tests/benchmarks/NAME.py --json *options`."""

    def run(name: str, *options: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(FOLDER)
        monkeypatch.setattr(sys, "argv", [name, "--json", *options])
        with mock.patch.dict(os.environ), mock.patch.dict(SOLVERS):  # events.py adds solvers of its own
            runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        out, err = capsys.readouterr()
        sys.stderr.write(err)  # left for the test to read
        found: dict[str, Any] = json.loads(out)
        return found

    return run
