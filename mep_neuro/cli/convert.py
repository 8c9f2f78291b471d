"""`mep-neuro convert`: write a trained network in another simulator's form."""

from pathlib import Path
from typing import Annotated

import typer

from mep_neuro.cli.chip_options import PopulationsOption
from mep_neuro.cli.held_out import DataOption, JsonOption, RunArgument, load_run_data
from mep_neuro.cli.output import note, print_json

_GOLDEN_SAMPLES = 3  # as many as the golden run of a folder takes

ExportNeuronOption = Annotated[
    str | None,
    typer.Option(
        "--neuron",
        metavar="NAME",
        help="lava: sigma_delta (the default) or lif. brian2: rate, sif, ... instead of the file's.",
    ),
]


def convert(
    folder: RunArgument,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="The target: lava or brian2.")],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The folder to write.")],
    data: DataOption = None,
    neuron: ExportNeuronOption = None,
    populations: PopulationsOption = None,
    json: JsonOption = False,
) -> None:
    """Export a trained network to another simulator.

    \b
    Example:
      mep-neuro convert RUN --to brian2 --out network && python network/network.py
    writes a Brian2 script to read and edit, with its weights: it needs brian2 and numpy
    alone, and compares itself with a golden run of three held-out samples.
      mep-neuro convert RUN --to brian2 --neuron sif --out spiking
    writes the same network as spiking neurons.
      mep-neuro convert RUN --to lava --out bundle
    writes a folder that runs with numpy and Lava alone, with a golden run of the same kind.
      mep-neuro convert RUN --to lava --neuron lif --out bundle
    takes Lava's stock LIF processes alone, for a host with the vendor's compiler.
    """
    from mep_neuro.backends.registry import find_exporter
    from mep_neuro.backends.run_folder import RunFolder
    from mep_neuro.errors import UnsupportedError

    exporter = find_exporter(to)
    run = RunFolder.open(folder)
    network = run.network()
    held = load_run_data(run, data)
    held.check(network)
    chosen = {"neuron": neuron, "populations": populations}
    options = {key: value for key, value in chosen.items() if value is not None}
    if populations is not None and to != "lava":
        raise UnsupportedError(f"conversion target '{to}': --populations is lava's; leave it out")
    exported = exporter(network, out, features=held.x_test[:_GOLDEN_SAMPLES], **options)
    report = exported.report
    kinds = {"exact": report.exact, "approximated": report.approximated, "dropped": report.dropped}
    if json:
        print_json({"target": to, "out": out, **kinds})
        return
    for kind, sentences in kinds.items():
        for sentence in sentences:
            typer.echo(f"{kind}: {sentence}")
    if to == "brian2":  # whose script has run, and says how near it is
        typer.echo(exported.output.rstrip())
    note(f"wrote {out}")
