"""`mep-neuro convert`: write a trained network in another simulator's form."""

from pathlib import Path
from typing import Annotated

import typer

from mep_neuro.cli.chip_options import ChipNeuronOption, PopulationsOption
from mep_neuro.cli.held_out import DataOption, JsonOption, RunArgument, load_run_data
from mep_neuro.cli.output import note, print_json

_GOLDEN_SAMPLES = 3  # as many as the bundle's golden run takes


def convert(
    folder: RunArgument,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="The target: lava.")],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="What to write: a folder for lava.")],
    data: DataOption = None,
    neuron: ChipNeuronOption = None,
    populations: PopulationsOption = None,
    json: JsonOption = False,
) -> None:
    """Export a trained network to another simulator.

    \b
    Example:
      mep-neuro convert RUN --to lava --out bundle
    writes a folder that runs with numpy and Lava alone, with a golden run of three
    held-out samples to check itself against, and says what it keeps of the network.
      mep-neuro convert RUN --to lava --neuron lif --out bundle
    takes Lava's stock LIF processes alone, for a host with the vendor's compiler.
    """
    from mep_neuro.backends.registry import FILE_TARGETS, find_converter
    from mep_neuro.backends.run_folder import RunFolder
    from mep_neuro.errors import UnsupportedError

    converter = find_converter(to)
    if to not in FILE_TARGETS:
        raise UnsupportedError(
            f"conversion target '{to}': it makes objects in Python, not files; use mep_neuro.convert(net, "
            f"to='{to}'), or --to {' or '.join(FILE_TARGETS)}"
        )
    run = RunFolder.open(folder)
    network = run.network()
    held = load_run_data(run, data)
    held.check(network)
    chosen = {"neuron": neuron, "populations": populations}
    options = {key: value for key, value in chosen.items() if value is not None}
    if options and to != "lava":
        raise UnsupportedError(f"conversion target '{to}': --{next(iter(options))} is lava's; leave it out")
    converted = converter(network, out, features=held.x_test[:_GOLDEN_SAMPLES], **options)
    report = converted.report
    kinds = {"exact": report.exact, "approximated": report.approximated, "dropped": report.dropped}
    if json:
        print_json({"target": to, "out": out, **kinds})
        return
    for kind, sentences in kinds.items():
        for sentence in sentences:
            typer.echo(f"{kind}: {sentence}")
    note(f"wrote {out}")
