"""The verb `demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mep_neuro.cli.output import note, out_console, print_json, progress

if TYPE_CHECKING:
    from mep_neuro.backends.demo import Demo


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("demo-out"),
    samples: Annotated[
        int, typer.Option("--samples", min=1, max=450, help="Held-out images shown to every back end.")
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """The main job end to end, in about a minute: train, run everywhere, compare, report.

    A network learns the handwritten digits that scikit-learn carries, by Equilibrium Propagation.
    Then it settles in PyTorch, in Brian2, on an integer emulation of Loihi 2 and as real Lava
    processes, and report.html shows how far each is from the PyTorch reference.

    \b
    Example:
      mep-neuro demo --out demo-out
    """
    from mep_neuro.backends.demo import demo as run_demo

    with progress(1, "starting", quiet=as_json) as advance:
        stage, shown = "", 0.0

        def watch(what: str, done: float) -> None:
            nonlocal stage, shown
            if what != stage:
                note(what, quiet=as_json)
                advance(-shown)
                stage, shown = what, 0.0
            advance(done - shown)
            shown = done

        outcome = run_demo(out, samples=samples, watch=watch)
    if as_json:
        print_json(outcome.to_json())
    else:
        _print(outcome, out)
    if not all(claim.holds for claim in outcome.claims):
        raise typer.Exit(1)


def _print(outcome: "Demo", out: Path) -> None:
    from rich.table import Table

    console = out_console()
    table = Table("", "held-out accuracy", "95 % interval", "samples", title="Accuracy")
    for name, a in outcome.accuracies.items():
        table.add_row(name, f"{a.value:.4f}", f"{a.low:.3f} to {a.high:.3f}", str(a.samples))
    console.print(table)
    table = Table("", "max |error|", "mean |error|", "same class", "samples", title="Deviation from torch")
    for name, d in outcome.deviations.items():
        table.add_row(name, f"{d.max_abs:.1e}", f"{d.mean_abs:.1e}", f"{d.agreement:.4f}", str(d.samples))
    console.print(table)
    for claim in outcome.claims:
        print(f"{'holds' if claim.holds else 'FAILS'}: {claim.text} (measured {claim.value:.3g})")
    for text in outcome.notes:
        print(f"note: {text}")
    print(f"{outcome.seconds:.0f} s; everything is in {out}: open {out / 'report.html'}")
    print("next:")
    print(f"  mep-neuro show {out / 'network.yaml'}")
    print(f"  mep-neuro train digits_cube --out {out / 'cube-run'}")
    print(f"  mep-neuro compare {out / 'run'} --on torch,brian2,loihi-emulator --report compare.html")
