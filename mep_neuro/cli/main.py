"""The command `mep-neuro`: its verbs and their names.

To add a verb: write mep_neuro/cli/NAME.py with one function whose docstring is the help (first
line: the summary; an example in a block after a line with a lone backslash-b), raise
`MepNeuroError` for what the user can mend and `typer.Exit(1)` for a claim that failed, import
torch, matplotlib and scikit-learn inside functions only, and add a line to VERBS.
"""

import os
from collections.abc import Callable
from typing import Annotated

import typer

from mep_neuro.cli.backend import backend
from mep_neuro.cli.compare import compare
from mep_neuro.cli.convert import convert
from mep_neuro.cli.demo import demo
from mep_neuro.cli.doctor import doctor
from mep_neuro.cli.errors import Verbs
from mep_neuro.cli.evaluate import evaluate
from mep_neuro.cli.fit import fit
from mep_neuro.cli.robustness import robustness
from mep_neuro.cli.run import run
from mep_neuro.cli.schema import schema
from mep_neuro.cli.show import show
from mep_neuro.cli.train import train
from mep_neuro.cli.validate import validate

VERBS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "validate": validate,
    "show": show,
    "train": train,
    "evaluate": evaluate,
    "run": run,
    "compare": compare,
    "convert": convert,
    "fit": fit,
    "robustness": robustness,
    "doctor": doctor,
    "backend": backend,
    "schema": schema,
}

app = typer.Typer(
    name="mep-neuro",
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would wrap the lines of usage errors
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mep-neuro {version('mep-neuro')}")
        raise typer.Exit


@app.callback()
def verbs(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train a YAML network by Equilibrium Propagation and run it on other simulators.

    Each verb explains itself: mep-neuro VERB --help.

    \b
    Start here:
      mep-neuro demo --out demo-out    train, run on every back end, and compare
      mep-neuro validate digits_mlp    check a network of the library
      mep-neuro show digits_cube       see its sizes and a picture

    Exit codes: 0 done, 1 a claim failed, 2 a mistake in what was given,
    3 a back end is missing or failed.
    """


for _name, _verb in VERBS.items():
    app.command(_name)(_verb)


def main() -> None:
    """Entry point of the console script.

    One thread unless OMP_NUM_THREADS says otherwise: on these small matrices a second one was seen to
    slow training from 4 s to 80 s on a busy machine.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    app(prog_name="mep-neuro")
