"""What README.md shows a user: commands that exist, a network that is valid, Python that runs."""

import re
from pathlib import Path

import pytest
import typer

from mep_neuro.cli.main import app
from mep_neuro.topology.reader import parse_spec

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^ *mep-neuro (.*?)(?:  .*)?$", README, re.MULTILINE)


def indented_block(heading: str) -> str:
    """The first indented block after a heading."""
    lines = README.split(f"## {heading}\n")[1].splitlines()[1:]
    end = next(number for number, line in enumerate(lines) if line and line[0] != " ")
    return "\n".join(line[4:] for line in lines[:end])


def test_the_two_commands_come_first_and_ci_runs_the_same_tests() -> None:
    blocks = re.findall(r"```(?:bash|sh|shell|console)\n(.*?)```", README, re.DOTALL)
    demo, tests = (block.splitlines() for block in blocks[:2])
    assert "-m venv" in demo[0]
    assert "-m venv" in tests[0]
    assert demo[-1] == "mep-neuro demo --out demo-out"
    assert tests[-1] in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_every_command_exists_with_its_options(line: str) -> None:
    words, command = line.split(), typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert not hasattr(command, "commands"), f"{words[0]} is no command"
    assert {word for word in words if word.startswith("--")} <= known


def test_every_command_of_the_program_is_listed() -> None:
    verbs = set(typer.main.get_command(app).commands)
    assert verbs == {line.split()[0] for line in COMMANDS}


def test_the_network_is_valid() -> None:
    spec = parse_spec(indented_block("A network"), "README.md")
    assert spec.populations["input"].shape == (64,)


def test_the_python_lines_run() -> None:
    names: dict[str, object] = {}
    exec(indented_block("From Python").replace("epochs=10", "epochs=1"), names)
    assert names["training"].held_out.value > 0.5
    assert names["recording"].settled.all()
