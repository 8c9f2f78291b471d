"""`mep-neuro run`: settle a trained network on one back end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mep_neuro.cli.chip_options import (
    PopulationsOption,
    StateBitsOption,
    ThresholdOption,
    TimeLimitOption,
    WeightBitsOption,
    file_neuron,
    run_options,
)
from mep_neuro.cli.held_out import (
    DataOption,
    JsonOption,
    NeuronOption,
    RunArgument,
    SamplesOption,
    TargetOption,
    ToleranceOption,
    check_tolerance,
    held_out,
)
from mep_neuro.cli.output import print_json
from mep_neuro.cli.plots import draw, tell_drawn
from mep_neuro.cli.settling import settle_on, summary, tell_exceeding

if TYPE_CHECKING:
    from mep_neuro.backends.comparison import Comparison


def run(
    folder: RunArgument,
    on: Annotated[
        str, typer.Option("--on", metavar="NAME", help="torch, brian2, loihi-emulator or lava.")
    ] = "torch",
    data: DataOption = None,
    samples: SamplesOption = 100,
    target: TargetOption = None,
    tolerance: ToleranceOption = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="DIR", help="Draw pictures into a folder.")
    ] = None,
    neuron: NeuronOption = None,
    weight_bits: WeightBitsOption = None,
    state_bits: StateBitsOption = None,
    threshold: ThresholdOption = None,
    populations: PopulationsOption = None,
    time_limit: TimeLimitOption = 600.0,
    json: JsonOption = False,
) -> None:
    """Settle a trained network on one simulator.

    \b
    Example:
      mep-neuro run RUN --on brian2 --samples 100
    prints the accuracy on the first 100 held-out samples, how many of them
    settled, in how many steps, and how far the rates are from torch's; with
    --plots DIR also traces, weights and, of spiking neurons, the raster.
      mep-neuro run RUN --on lava --neuron lif --samples 10 --time-limit 900
    counts the spikes of Lava's stock LIF neurons instead.
    """
    from mep_neuro.backends.registry import require
    from mep_neuro.simulation.recording import widths

    check_tolerance(tolerance)
    require(on)
    integers = widths(weight_bits, state_bits, threshold)
    options = run_options(on, neuron, populations, time_limit, integers)
    held = held_out(folder, data, samples, file_neuron(on, neuron))
    comparison = settle_on([on], held, quiet=json, trace=plots is not None, target=target, options=options)
    drawn = None if plots is None else draw(plots, held, comparison, on)
    if json:
        told = {"backend": on, **summary(comparison, on), "deviation": _deviation(comparison, on)}
        print_json(told if drawn is None else {**told, "plots": drawn.files, "left_out": drawn.left_out})
    else:
        _print(comparison, on)
        if drawn is not None:
            tell_drawn(drawn)
    if tell_exceeding(comparison, tolerance):
        raise typer.Exit(1)


def _deviation(comparison: "Comparison", name: str) -> dict[str, Any] | None:
    """None for the reference itself."""
    found = comparison.deviations.get(name)
    return None if found is None else found.as_dict()


def _print(comparison: "Comparison", name: str) -> None:
    told = summary(comparison, name)
    low, high = told["interval"]
    typer.echo(
        f"{name}: accuracy {told['accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f}) "
        f"on {told['samples']} held-out samples"
    )
    typer.echo(
        f"settled {told['settled']:.1%} of them; steps: median {told['steps']['median']:g}, "
        f"most {told['steps']['max']}; {told['seconds']:.2f} s"
    )
    if name in comparison.deviations:
        d = comparison.deviations[name]
        typer.echo(
            f"against {d.reference}: largest difference of a rate {d.max_abs:.3g}, mean {d.mean_abs:.3g}; "
            f"same class in {d.agreement:.1%}"
        )
    for key, value in told["counts"].items():
        typer.echo(f"{key}: {value:,.6g}")
    for line in told["notes"]:
        typer.echo(f"note: {line}")
