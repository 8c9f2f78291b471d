"""`mep-neuro schema`."""

import json
from pathlib import Path

from typer.testing import CliRunner

from mep_neuro.cli.main import app
from mep_neuro.topology.schema import json_schema

RUNNER = CliRunner()


def test_prints_the_schema() -> None:
    done = RUNNER.invoke(app, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == json_schema()


def test_writes_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    done = RUNNER.invoke(app, ["schema", "--out", str(path)])
    assert done.exit_code == 0
    assert done.stdout == ""
    assert json.loads(path.read_text()) == json_schema()
