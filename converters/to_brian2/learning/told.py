"""What a training tells the simulation: the patterns, the schedule, and constants."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning import rules
from mep_neuro.converters.to_brian2.learning.schedule import Schedule
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import present

Array = NDArray[np.float64]


def shown(network: Network, features: Array, plan: Schedule) -> dict[str, NDArray[np.float64]]:
    """The patterns, and the schedule with one entry a presentation, by the names that the code gives them."""
    update = np.cumsum(plan.closes)  # of the last presentation of each batch, its number from 1
    columns: dict[str, NDArray[Any]] = {
        "features": present(network, features).rates,
        "row": plan.row,
        "label": plan.label,
        "share": plan.share,
        "closing": plan.closes,
        "rate": network.spec.learning.lr * plan.factor,
        "sign": plan.sign,
        "mean_bias": 1.0 - rules.ADAM_BETAS[0] ** np.maximum(update, 1),
        "square_bias": 1.0 - rules.ADAM_BETAS[1] ** np.maximum(update, 1),
    }
    return {f"ep_{name}": column.astype(np.float64) for name, column in columns.items()}


def namespace(
    brian2: Any, network: Network, arrays: Mapping[str, Array], times: Timetable, dt: float
) -> dict[str, Any]:
    """What `shown` gives as TimedArrays, and constants."""
    step = dt * brian2.second
    timed = {name: brian2.TimedArray(array, dt=step, name=name) for name, array in arrays.items()}
    return {
        **timed,
        "ep_dt": step,
        "ep_span": times.span * float(network.spec.equilibrium.nudge.beta),
        "ep_momentum": network.spec.learning.momentum,
        "ep_epsilon": rules.ADAM_EPSILON,
    }
