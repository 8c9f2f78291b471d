"""The verb `train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mep_neuro.cli.held_out import NeuronOption
from mep_neuro.cli.output import first_process, note, print_json, progress
from mep_neuro.errors import UnsupportedError

if TYPE_CHECKING:
    from mep_neuro.simulation.network import Network

MOST_LINES = 20
"""Epochs told one by one; of more, every so many."""


def train(
    network: Annotated[str, typer.Argument(metavar="NET.yaml", help="Topology file, or a library name.")],
    out: Annotated[Path, typer.Option("--out", help="RUN folder to make, or to go on with.")],
    data: Annotated[
        str, typer.Option("--data", help="digits, xor, mnist:DIR, FILE.npz or FILE.csv.")
    ] = "digits",
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Passes over the training part; the file's otherwise."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seeds S, S+1, S+2 for weights, data and noise.")
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option("--after", help="RUN of an earlier task to go on from, keeping what it needs."),
    ] = None,
    on: Annotated[
        str,
        typer.Option("--on", metavar="NAME", help="Where it learns: torch, brian2 or loihi-emulator."),
    ] = "torch",
    target: Annotated[
        str | None, typer.Option("--target", help="Code generation target of the simulator.")
    ] = None,
    neuron: NeuronOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a network by Equilibrium Propagation and keep it in a RUN folder.

    A run that was stopped goes on where its last checkpoint was: give the same command again. The
    outcome is the same, bit for bit, as if it had never stopped. Started by torchrun, the processes share
    each batch.

    \b
    Example:
      mep-neuro train digits_mlp --data digits --epochs 20 --out runs/digits
      mep-neuro train xor --data xor --on brian2 --out runs/xor
      torchrun --nproc-per-node 2 -m mep_neuro train digits_mlp --out runs/digits
    """
    from mep_neuro.backends.load import load
    from mep_neuro.backends.registry import require
    from mep_neuro.backends.training import train as train_network
    from mep_neuro.topology.reader import read_spec

    if on != "torch":
        require(on)
    spec = read_spec(network)
    if seed is not None:
        seeds = {"init": seed, "data": seed + 1, "noise": seed + 2}
        spec = read_spec(spec.to_mapping() | {"seeds": seeds})
    net = load(spec.to_mapping(), neuron=neuron)
    quiet = as_json or not first_process()
    with progress(1, f"training {spec.name}", quiet=quiet) as advance:
        shown = 0.0

        def on_update(done: int, total: int) -> None:
            nonlocal shown
            advance(done / total - shown)
            shown = done / total

        every = max(1, (epochs or spec.learning.epochs) // MOST_LINES)

        def on_epoch(record: dict[str, float]) -> None:
            if record["epoch"] % every:
                return
            note(
                f"epoch {record['epoch']:3.0f}  train {record['train_accuracy']:.4f}  "
                f"held out {record['held_out_accuracy']:.4f}  {_rest(record)}",
                quiet=quiet,
            )

        training = train_network(
            net,
            data,
            epochs=epochs,
            out=out,
            after=after,
            on=on,
            target=target,
            on_update=on_update,
            on_epoch=on_epoch,
        )
    if not first_process():
        return
    held_out = training.held_out
    for sentence in training.notes:
        note(sentence, quiet=as_json)
    if as_json:
        print_json(
            {
                "run": out,
                "on": on,
                "notes": training.notes,
                "network": spec.name,
                "accuracy": held_out.value,
                "interval": [held_out.low, held_out.high],
                "samples": held_out.samples,
                "epochs": len(training.metrics),
                "last_epoch": training.metrics[-1] if training.metrics else None,
            }
        )
        return
    print(
        f"{out}: held-out accuracy {held_out.value:.4f} "
        f"(95 % interval {held_out.low:.4f} to {held_out.high:.4f}, {held_out.samples} samples)"
    )
    print(f"next: mep-neuro compare {out} --on {_comparable(net.to_network())} --report report.html")


def _rest(record: dict[str, float]) -> str:
    """How far from rest an epoch's phases ended."""
    residual = f" (residual {record['residual']:.0e})" if "residual" in record else ""
    return f"settled {record['settled']:.3f}{residual}"


def _comparable(network: "Network") -> str:
    """Back ends to suggest, each where it can express the network."""
    from mep_neuro.chip.profile import read_profile
    from mep_neuro.chip.ranges import check_units
    from mep_neuro.simulation.torch_only import refuse_torch_only

    names = "torch"
    try:
        refuse_torch_only(network, "brian2")
        names += ",brian2"
        check_units(network, read_profile("loihi2"))
        names += ",loihi-emulator"
    except UnsupportedError:
        pass
    return names
