"""Start Lava's processes, run them in slices that report progress, and stop them."""

from collections.abc import Callable
from typing import Any

from guard import guarded
from lava_on_python311 import hashable_dataclasses

Progress = Callable[[int, int], None]
SLICES = 20  # progress reports of a run


def run_processes(
    first: Any,
    configuration: Any,
    windows: list[int],
    *,
    read: Callable[[], None] | None = None,
    progress: Progress | None = None,
    parent: int = 0,
    limit: float = 0.0,
) -> None:
    """Run a connected network of processes, from rest, to its end.

    Args:
        first: Any process of the network.
        configuration: An instance of a run configuration.
        windows: Steps of each window.
        read: Called after each window, while Lava stands still.
        progress: Called with (steps done, steps).
        parent: Process id of whoever started this one, whose end ends the run; 0 for nobody's.
        limit: Seconds after which the run is ended; 0 for no limit.
    """
    with hashable_dataclasses():
        from lava.magma.core.run_conditions import RunSteps

    total, done = sum(windows), 0
    with guarded(parent, limit) as watch:
        first.create_runtime(run_cfg=configuration)
        watch(first.runtime._messaging_infrastructure.actors)  # Lava has no public name for them
        for window in windows:
            end = done + window
            while done < end:
                size = min(-(-total // SLICES), end - done)
                first.run(condition=RunSteps(num_steps=size))
                done += size
                if progress is not None:
                    progress(done, total)
            if read is not None:
                read()
    first.stop()
