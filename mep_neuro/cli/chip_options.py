"""Options of the chip's back ends: the neuron model, how Lava runs the populations, and for how long."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mep_neuro.simulation.recording import RunOptions, Widths

ChipNeuronOption = Annotated[
    str | None,
    typer.Option(
        "--neuron",
        metavar="NAME",
        help="sigma_delta (EPSigmaDelta) or lif (Lava's stock neuron, a rate code); else the file's, or "
        "sigma_delta.",
    ),
]
PopulationsOption = Annotated[
    str | None,
    typer.Option(
        "--populations",
        metavar="LAYOUT",
        help="In Lava: merged into one process (the default) or separate.",
    ),
]
TimeLimitOption = Annotated[
    float,
    typer.Option("--time-limit", min=0.0, metavar="SECONDS", help="Stop Lava after so long."),
]
WeightBitsOption = Annotated[
    int | None,
    typer.Option("--weight-bits", min=2, metavar="N", help="Bits of a weight; the chip's if left out."),
]
StateBitsOption = Annotated[
    int | None,
    typer.Option(
        "--state-bits", min=1, metavar="N", help="Rates in steps of 2^-N (sigma_delta); 8 if left out."
    ),
]
ThresholdOption = Annotated[
    int | None,
    typer.Option(
        "--threshold",
        min=1,
        metavar="N",
        help="Smallest message sent, in steps of the state (sigma_delta); 1 if left out.",
    ),
]
CHIP_BACK_ENDS = ("loihi-emulator", "lava")


def run_options(
    on: str,
    neuron: str | None,
    populations: str | None,
    time_limit: float,
    integers: "Widths | None" = None,
) -> "RunOptions":
    """The options of a run on one back end; elsewhere than on a chip the neuron replaces the file's.

    Raises:
        UnsupportedError: The back end has no such option, or a chip no such neuron.
    """
    from mep_neuro.chip.neuron_models import check_neuron_model
    from mep_neuro.errors import UnsupportedError
    from mep_neuro.simulation.recording import RunOptions

    if populations is not None and on != "lava":
        raise UnsupportedError(f"back end '{on}': --populations is for lava; leave it out")
    if integers and on not in CHIP_BACK_ENDS:
        name = next(iter(integers)).replace("_", "-")
        raise UnsupportedError(
            f"back end '{on}': --{name} is for {' and '.join(CHIP_BACK_ENDS)}; leave it out"
        )
    model = neuron if on in CHIP_BACK_ENDS else None
    if model is not None:
        check_neuron_model(model)
    return RunOptions(
        neuron=model, populations=populations or "merged", time_limit=time_limit, widths=integers or {}
    )


def file_neuron(on: str, neuron: str | None) -> str | None:
    """What replaces the file's neuron model: on a chip rate units, which it takes in its neurons."""
    return "rate" if neuron is not None and on in CHIP_BACK_ENDS else neuron
