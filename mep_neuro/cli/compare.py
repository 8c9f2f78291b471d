"""`mep-neuro compare`: the deviation table of several back ends, and the report."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mep_neuro.cli.held_out import (
    DataOption,
    HeldOut,
    JsonOption,
    NeuronOption,
    RunArgument,
    SamplesOption,
    TargetOption,
    ToleranceOption,
    check_tolerance,
    held_out,
)
from mep_neuro.cli.output import note, out_console, print_json
from mep_neuro.cli.settling import settle_on, summary, tell_exceeding

if TYPE_CHECKING:
    from mep_neuro.backends.comparison import Comparison


def compare(
    folder: RunArgument,
    on: Annotated[
        str,
        typer.Option("--on", metavar="A,B,...", help="Of torch, brian2, loihi-emulator, lava, with commas."),
    ] = "torch,brian2,loihi-emulator",
    data: DataOption = None,
    samples: SamplesOption = 100,
    target: TargetOption = None,
    tolerance: ToleranceOption = None,
    neuron: NeuronOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write a report with plots.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare simulators, unit by unit; the report.

    \b
    Example:
      mep-neuro compare RUN --on brian2,loihi-emulator --report report.html
    settles the same held-out samples everywhere, prints how far each simulator is
    from the torch reference, and writes that with plots into the report.
    """
    from mep_neuro.backends.registry import require

    check_tolerance(tolerance)
    names = [name.strip() for name in on.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter("no back end is named; give for example brian2", param_hint="--on")
    for name in names:
        require(name)
    held = held_out(folder, data, samples, neuron)
    comparison = settle_on(names, held, quiet=json, target=target)
    if report is not None:
        command = _command(folder, names, data, samples, tolerance, neuron, target, report)
        _write(report, held, comparison, command)
    if json:
        deviations = {name: d.as_dict() for name, d in comparison.deviations.items()}
        backends = {name: summary(comparison, name) for name in comparison.recordings}
        print_json({"deviations": deviations, "backends": backends, "tolerance": tolerance, "report": report})
    else:
        _print(comparison, report)
    if tell_exceeding(comparison, tolerance):
        raise typer.Exit(1)


def _command(
    folder: str,
    names: list[str],
    data: str | None,
    samples: int,
    tolerance: float | None,
    neuron: str | None,
    target: str | None,
    report: Path,
) -> str:
    words = ["mep-neuro", "compare", folder, "--on", ",".join(names), "--samples", str(samples)]
    words += ["--data", data] if data is not None else []
    words += ["--target", target] if target is not None else []
    words += ["--tolerance", f"{tolerance:g}"] if tolerance is not None else []
    words += ["--neuron", neuron] if neuron is not None else []
    return shlex.join([*words, "--report", str(report)])


def _write(path: Path, held: HeldOut, comparison: "Comparison", command: str) -> None:
    from mep_neuro.backends.report import write_report
    from mep_neuro.backends.run_report import run_report

    write_report(run_report(held.run, held.data, comparison, commands=[command]), path)


def _print(comparison: "Comparison", report: Path | None) -> None:
    from rich.table import Table

    table = Table()
    for title in (
        "",
        "max |d|",
        "mean |d|",
        "agreement",
        "accuracy",
        "samples",
        "settled",
        "steps",
        "seconds",
    ):
        table.add_column(title, justify="right" if title else "left")
    for name in comparison.recordings:
        told, d = summary(comparison, name), comparison.deviations.get(name)
        errors = ("reference", "", "") if d is None else _errors(d.max_abs, d.mean_abs, d.agreement)
        table.add_row(
            name,
            *errors,
            f"{told['accuracy']:.4f}",
            str(told["samples"]),
            f"{told['settled']:.4f}",
            f"{told['steps']['median']:g}",
            f"{told['seconds']:.2f}",
        )
    out_console().print(table)
    if report is not None:
        note(f"wrote {report}")


def _errors(max_abs: float, mean_abs: float, agreement: float) -> tuple[str, str, str]:
    return f"{max_abs:.2e}", f"{mean_abs:.2e}", f"{agreement:.4f}"
