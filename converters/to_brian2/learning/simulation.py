"""The objects of a training and what runs them, on the runtime targets or in a standalone program."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning.objects import Maker, make_plastic
from mep_neuro.converters.to_brian2.learning.plastic import Plastic
from mep_neuro.converters.to_brian2.learning.runtime import Runtime
from mep_neuro.converters.to_brian2.learning.standalone import Standalone
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.converters.to_brian2.learning.told import namespace
from mep_neuro.converters.to_brian2.objects import code_object_class, require_runtime
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.simulation.network import Network

Array = NDArray[np.float64]


def simulation(
    brian2: Any,
    network: Network,
    times: Timetable,
    arrays: Mapping[str, Array],
    consolidated: frozenset[str],
    target: str,
) -> tuple[Plastic, Runtime | Standalone]:
    """Make them.

    Args:
        brian2: The module.
        network: The network.
        times: Steps of each phase.
        arrays: Patterns and schedule (`told.shown`).
        consolidated: Names of the weights that only consolidation moves.
        target: Code generation target.

    Raises:
        UnsupportedError: The user has set another device than 'runtime' on a runtime target.
    """
    step = network.spec.equilibrium.dt

    def make(shown: Mapping[str, Array]) -> Plastic:
        maker = Maker(
            brian2=brian2,
            network=network,
            times=times,
            dt=step,
            code_class=code_object_class(target),
            namespace=namespace(brian2, network, shown, times, step),
            main=brian2.Clock(dt=step * brian2.second, name="ep_clock*"),
            tick=brian2.Clock(dt=step * times.unit * brian2.second, name="ep_tick*"),
        )
        made: Plastic = make_plastic(maker, consolidated)
        return made

    if target != "cpp_standalone":
        require_runtime(brian2)
        plastic = make(arrays)
        return plastic, Runtime(brian2, plastic, target)
    program = Program(brian2, None)
    with program.making():  # zeros, so that one program serves every order and every data of this size
        plastic = make({name: np.zeros_like(array) for name, array in arrays.items()})
    told = {f"{name}.values": array.ravel() for name, array in arrays.items()}
    return plastic, Standalone(brian2, plastic, program, told)
