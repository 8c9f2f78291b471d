"""A bundle of Lava's stock LIF neurons: LIF and Sparse processes alone, spikes counted by LIF neurons too."""

from typing import Any

import numpy as np
from bundle_file import Bundle
from lava_on_python311 import hashable_dataclasses
from lava_run import Progress, run_processes
from lava_settings import SIMULATION, run_configuration, sparse
from parts import Part, pairs, parts, synapses

Ints = np.ndarray[Any, Any]
COUNTER = {"du": 4095, "dv": 0, "vth": 131071}  # a current of one step into a membrane without leak
COUNT = 64  # membrane of one spike: weight 1, shifted by 6
MOST = 131071  # spikes that a counter holds
ONE = {"num_message_bits": 0, "num_weight_bits": 8, "weight_exp": 0, "sign_mode": "EXCITATORY"}


def simulate(
    bundle: Bundle,
    mantissa: Ints,
    exponent: Ints,
    windows: list[int],
    progress: Progress | None = None,
    parent: int = 0,
    *,
    layout: str = "merged",
    run_config: str = SIMULATION,
    limit: float = 0.0,
) -> dict[str, Ints]:
    """Run every sample from rest, and read counts and registers after each window.

    A counter sees a spike one step late: the first window is run one step longer, so that counts and
    registers are one step apart.

    Args:
        bundle: The network.
        mantissa: Biases, integers of shape (samples, neurons).
        exponent: Their powers of two, same shape.
        windows: Steps after each of which everything is read.
        progress: Called with (steps done, steps).
        parent: Process id of whoever started this one, whose end ends the run; 0 for nobody's.
        layout: 'merged', or 'separate': a process for each population.
        run_config: Lava's run configuration; a host with the vendor's compiler can give
            one of hardware.
        limit: Seconds after which the run is ended; 0 for no limit.

    Returns:
        'counts': spikes in each window, (windows, samples, neurons). 'u' and 'v': registers one step
        after the end of each window, same shape.

    Raises:
        ValueError: The windows are longer than a counter can count.
    """
    if sum(windows) >= MOST:
        raise ValueError(f"{sum(windows)} steps; a counter holds {MOST} spikes: run fewer")
    samples, units = mantissa.shape
    network = _Network(bundle, mantissa, exponent, layout)
    frames: list[dict[str, Ints]] = []
    run_processes(
        network.first,
        run_configuration(run_config, "fixed"),
        [windows[0] + 1, *windows[1:]],
        read=lambda: frames.append(network.read(samples, units)),
        progress=progress,
        parent=parent,
        limit=limit,
    )
    states = {name: np.array([frame[name] for frame in frames]) for name in ("counts", "u", "v")}
    total = states["counts"] // COUNT
    return states | {"counts": np.diff(total, axis=0, prepend=np.zeros_like(total[:1]))}


class _Network:
    """The connected processes."""

    def __init__(self, bundle: Bundle, mantissa: Ints, exponent: Ints, layout: str) -> None:
        """Make and connect them; nothing starts yet."""
        with hashable_dataclasses():
            from lava.proc.lif.process import LIF

        samples, self.parts = mantissa.shape[0], parts(bundle, layout)
        self.neurons, self.counters = {}, {}
        for part in self.parts:
            size = samples * part.size
            self.neurons[part] = LIF(
                shape=(size,), bias_mant=part.of(mantissa), bias_exp=part.of(exponent), name=part.name,
                **bundle.manifest["registers"],
            )  # fmt: skip
            self.counters[part] = LIF(shape=(size,), name=part.name + "_count", **COUNTER)
            each = np.arange(size)
            count = sparse((np.ones(size, np.int32), (each, each)), (size, size), ONE)
            self.neurons[part].s_out.connect(count.s_in)
            count.a_out.connect(self.counters[part].a_in)
        for post, pre in pairs(self.parts):
            for exponent, weights in synapses(bundle, samples, post, pre):
                shape = (samples * post.size, samples * pre.size)
                connection = sparse(weights, shape, {**bundle.manifest["synapses"], "weight_exp": exponent})
                self.neurons[pre].s_out.connect(connection.s_in)
                connection.a_out.connect(self.neurons[post].a_in)

    @property
    def first(self) -> Any:
        """One of the processes."""
        return self.neurons[self.parts[0]]

    def read(self, samples: int, units: int) -> dict[str, Ints]:
        """Membranes of the counters, and currents and membranes of the neurons, (samples, units) each."""
        found = {name: np.zeros((samples, units), np.int64) for name in ("counts", "u", "v")}
        for part in self.parts:
            self._fill(found["counts"], part, self.counters[part].v)
            self._fill(found["u"], part, self.neurons[part].u)
            self._fill(found["v"], part, self.neurons[part].v)
        return found

    @staticmethod
    def _fill(target: Ints, part: Part, variable: Any) -> None:
        values = np.asarray(variable.get()).reshape(target.shape[0], part.size)
        target[:, part.offset : part.offset + part.size] = values
