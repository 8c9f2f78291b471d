"""From what a run on any target saw to a Recording."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording

if TYPE_CHECKING:
    from mep_neuro.converters.to_brian2.converted import Converted

Array = NDArray[np.float64]


def recording(
    model: "Converted",
    *,
    rates: Mapping[str, Array],
    residual: Array,
    steps: NDArray[np.integer],
    tolerance: float,
    seconds: float,
    curve: Array | None,
    trace: Mapping[str, Array],
    notes: tuple[str, ...] = (),
) -> Recording:
    """The recording of a rate network.

    Args:
        model: What ran.
        rates: Rates of the settling populations at the end, shape (samples, n) each.
        residual: Largest |s - rho(current)| of each sample at the end, shape (samples,).
        steps: Steps of each sample, shape (samples,).
        tolerance: Residual of a settled sample.
        seconds: Wall-clock time.
        curve: Residuals at each step, shape (steps, samples), or None.
        trace: Rates at each step, shape (steps, samples, n) each.
        notes: What is said besides the model's own notes.
    """
    said = (*model.notes, *notes, *model.report.dropped)
    diverged = int(np.count_nonzero(~np.isfinite(residual)))
    if diverged:
        said += (f"{diverged} of {model.samples} samples diverged; lower the weights or the gains",)
    inner = [model.source.projections[name] for name in model.projections]
    return Recording(
        backend="brian2",
        rates=with_readout(model.source, rates),
        steps=steps.astype(np.int64),
        settled=residual <= tolerance,
        seconds=seconds,
        residual_curve=curve,
        trace=trace,
        counts={
            "neurons": float(sum(model.source.populations[name].size for name in model.populations)),
            "synapses": float(sum(q.synapses.pre.size for q in inner)),
        },
        notes=said,
    )
