"""The RUN, its data and the held-out samples that `run`, `compare` and `convert` are about."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mep_neuro.cli.output import note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mep_neuro.backends.data.data_set import DataSet
    from mep_neuro.backends.run_folder import RunFolder
    from mep_neuro.simulation.network import Network

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder that mep-neuro train wrote.")]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="digits, xor, mnist:DIR, FILE.npz or FILE.csv; the data of the training if left out.",
    ),
]
SamplesOption = Annotated[
    int, typer.Option("--samples", min=1, metavar="N", help="How many held-out samples, from the first.")
]
ToleranceOption = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        metavar="X",
        help="Exit with 1 if a rate differs from the torch reference by more than X.",
    ),
]
NeuronOption = Annotated[
    str | None,
    typer.Option(
        "--neuron",
        metavar="MODEL",
        help="rate, sif, sigma_delta, annealed_sigma_delta or lif, instead of the file's.",
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="Brian2's code: numpy, cython, cpp_standalone, or auto by the size of the work.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@dataclass(frozen=True)
class HeldOut:
    """A RUN and the first samples of the held-out part.

    Attributes:
        run: The RUN.
        network: Its network.
        data: The whole data set.
        features: Shape (samples, n_input).
        labels: Shape (samples,), or (samples, positions).
    """

    run: "RunFolder"
    network: "Network"
    data: "DataSet"
    features: "NDArray[np.float64]"
    labels: "NDArray[np.int64]"


def held_out(folder: str, data_text: str | None, samples: int, neuron: str | None = None) -> HeldOut:
    """Open the RUN and take its first held-out samples; `neuron` replaces its neuron model.

    Raises:
        RunFolderError: The folder is no RUN, or a damaged one.
        DataError: The data cannot be read, do not fit the network or hold fewer samples.
        TopologyError: The neuron model is unknown, or cannot express the network.
    """
    from mep_neuro.backends.run_folder import RunFolder
    from mep_neuro.errors import DataError
    from mep_neuro.simulation.override import network_with_neuron

    run = RunFolder.open(folder)
    network = run.network()
    if neuron is not None:
        network = network_with_neuron(network, neuron)
    data = load_run_data(run, data_text)
    data.check(network)
    if samples > len(data.y_test):
        raise DataError(
            f"--samples: {samples} exceed the {len(data.y_test)} held-out samples of {data.name}; "
            f"give at most {len(data.y_test)}"
        )
    return HeldOut(run, network, data, data.x_test[:samples], data.y_test[:samples])


def load_run_data(run: "RunFolder", data_text: str | None) -> "DataSet":
    """The data that a user names, or else those of the training, which must be the very same.

    Raises:
        DataError: They cannot be read, or are no longer what the RUN was trained on.
    """
    from mep_neuro.backends.data.load import load_data
    from mep_neuro.errors import DataError

    named = data_text or run.settings.get("data")
    if not named:
        raise DataError(f"{run.path}: it does not say what data it was trained on; give --data")
    data = load_data(str(named), seed=int(run.network().spec.seeds.data))
    if data.identity != run.data_identity:
        if data_text is None:
            raise DataError(
                f"{run.path}: {named} has changed since the training (sha256 {data.identity[:12]}, then "
                f"{run.data_identity[:12]}); restore it, or give --data to use it as it is"
            )
        note(f"note: {named} is not the data of the training; its held-out part is used")
    return data


def check_tolerance(tolerance: float | None) -> None:
    """Refuse a tolerance that no deviation can be held against.

    Raises:
        typer.BadParameter: It is negative or not a number.
    """
    if tolerance is not None and not tolerance >= 0:
        raise typer.BadParameter(f"{tolerance} is no tolerance; give 0 or more", param_hint="--tolerance")
