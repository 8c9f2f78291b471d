"""The verb `evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from mep_neuro.cli.output import print_json


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="RUN folder that `train` wrote.")],
    data: Annotated[
        str | None,
        typer.Option("--data", help="digits, xor, mnist:DIR, FILE.npz or FILE.csv; the run's otherwise."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Accuracy of a trained network on the held-out part of a data set, settled in torch.

    \b
    Example:
      mep-neuro evaluate runs/digits --data digits
    """
    from mep_neuro.backends.accuracy import accuracy
    from mep_neuro.backends.data.load import load_data
    from mep_neuro.backends.run_folder import RunFolder
    from mep_neuro.backends.training import predict_classes
    from mep_neuro.equilibrium.model import EquilibriumNetwork

    folder = RunFolder.open(run)
    network = folder.network()
    source = load_data(data or str(folder.settings["data"]), seed=network.spec.seeds.data)
    source.check(network)
    predicted, status = predict_classes(EquilibriumNetwork(network), source.x_test)
    result = accuracy(predicted, source.y_test)
    same = source.identity == folder.data_identity
    if as_json:
        print_json(
            {
                "accuracy": result.value,
                "interval": [result.low, result.high],
                "samples": result.samples,
                "step": folder.step,
                "status": status,
                "data": source.name,
                "trained_on_this_data": same,
            }
        )
        return
    print(
        f"accuracy {result.value:.4f} (95 % interval {result.low:.4f} to {result.high:.4f}), "
        f"{result.samples} held-out samples of {source.name}; {status}"
    )
    if not same:
        print("note: the run was trained on other data than this")
