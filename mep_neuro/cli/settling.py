"""Settle held-out samples on back ends with a progress bar for each, and tell what came out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from mep_neuro.cli.held_out import HeldOut
from mep_neuro.cli.output import note, progress

if TYPE_CHECKING:
    from mep_neuro.backends.comparison import Comparison
    from mep_neuro.simulation.recording import RunOptions

_PARTS = 100  # of each back end's work: its own totals are steps or samples


def settle_on(
    names: Sequence[str],
    held: HeldOut,
    *,
    quiet: bool,
    trace: bool = False,
    target: str | None = None,
    options: "RunOptions | None" = None,
) -> "Comparison":
    """Run the back ends one after the other, where they can with a trace of every step.

    `target` is that of Brian2's code.

    Raises:
        BadParameter: A target is given, and Brian2 is not among the back ends.
        MepNeuroError: A back end is unknown, missing, failed, or cannot express the network.
    """
    from mep_neuro.backends.comparison import compare_backends
    from mep_neuro.backends.registry import REFERENCE
    from mep_neuro.simulation.recording import RunOptions

    if target is not None and "brian2" not in names:
        raise typer.BadParameter("only brian2 has targets; add --on brian2", param_hint="--target")
    chosen = replace(options or RunOptions(), trace=trace, target=target or RunOptions.target)
    order = list(dict.fromkeys([REFERENCE, *names]))
    with progress(_PARTS * len(order), f"settling on {', '.join(order)}", quiet=quiet) as advance:
        shown = 0

        def follow(name: str, done: int, total: int) -> None:
            nonlocal shown
            reached = _PARTS * order.index(name) + _PARTS * min(done, total) // max(total, 1)
            if reached > shown:
                advance(reached - shown)
                shown = reached

        return compare_backends(held.network, held.features, held.labels, names, chosen, follow)


def summary(comparison: "Comparison", name: str) -> dict[str, Any]:
    """What one back end made of the samples, as plain numbers."""
    import numpy as np

    recording, accuracy = comparison.recordings[name], comparison.accuracies[name]
    return {
        "accuracy": accuracy.value,
        "interval": [accuracy.low, accuracy.high],
        "samples": accuracy.samples,
        "settled": float(np.mean(recording.settled)),
        "steps": {"median": float(np.median(recording.steps)), "max": int(recording.steps.max())},
        "seconds": recording.seconds,
        "counts": dict(recording.counts),
        "notes": list(recording.notes),
    }


def tell_exceeding(comparison: "Comparison", tolerance: float | None) -> bool:
    """Name the back ends that are further off than the tolerance on stderr; whether there is one."""
    names = comparison.exceeding(tolerance) if tolerance is not None else ()
    for name in names:
        d = comparison.deviations[name]
        text = f"{name}: a rate differs from {d.reference} by {d.max_abs:.3g}, tolerance {tolerance:g}"
        if not d.reference_settled:
            text = f"{d.reference}: {d.unsettled_reference} of {d.samples} samples had not settled"
        note(f"{text}; raise --tolerance, or find out why")
    return bool(names)
