"""Brian2's spiking populations against the numpy reference: every spike, message and membrane.

    python tests/benchmarks/spiking_exact.py --json

784-256-10, a free, a plus and a minus phase in one run() of Brian2, on its three targets; the reference
runs the three phases with `spiking_phase`. A unit-step differs where what the unit sent, or its membrane
after the slot, is not the same float64. `control` is a run with the weights into one unit changed by 0.01.

The first run on a machine compiles for about 5 minutes of CPU: some 30 modules of Cython, 4 C++ programs.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import resource
import sys
from collections.abc import Mapping

import numpy as np
from brian2_nets import Array, layered

from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.neurons.table import SPIKING_MODELS
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.nudge import force
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.spiking import SpikingPhase, spiking_phase
from mep_neuro.simulation.stimulus import Stimulus, present

TARGETS = ("numpy", "cython", "cpp_standalone")
SIGNS = (0.0, 1.0, -1.0)
BETA = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--quick", action="store_true", help="few unit-steps on numpy alone, for a smoke test"
    )
    options = parser.parse_args()
    sizes, samples, slots = ((20, 12, 4), 2, 16) if options.quick else ((784, 256, 10), 16, 84)
    result: dict[str, dict[str, dict[str, int]]] = {}
    for model in SPIKING_MODELS:
        network = layered(sizes, model)
        stimulus = present(network, np.random.default_rng(7).random((samples, sizes[0])))
        phases, nudge = reference(network, stimulus, slots)
        result[model] = {}
        for target in TARGETS[:1] if options.quick else TARGETS:
            begin = cpu_seconds()
            found = differences(run(network, stimulus, nudge, slots, target), phases)
            result[model][target] = found
            print(model, target, found, f"{cpu_seconds() - begin:.1f} s of CPU", file=sys.stderr, flush=True)
        wrong = run(changed(network), stimulus, nudge, slots, "numpy")
        result[model]["control"] = differences(wrong, phases)
    print(json.dumps({"spiking_exact": result}, indent=None if options.json else 2))


def cpu_seconds() -> float:
    """Of this process, and of the compilers and programs that it has started."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def reference(
    network: Network, stimulus: Stimulus, slots: int
) -> tuple[list[SpikingPhase], Mapping[str, Array]]:
    """The free phase, both nudged phases from its end, and the nudge."""
    free = spiking_phase(network, stimulus, slots=slots, trace=True)
    target = np.eye(network.output.size)[np.arange(stimulus.samples) % network.output.size]
    nudge = {name: BETA * pull for name, pull in force(network, free.rates, target).items()}
    phases = [free]
    for sign in SIGNS[1:]:
        start = free.end
        phases.append(
            spiking_phase(network, stimulus, slots=slots, nudge=nudge, sign=sign, start=start, trace=True)
        )
    return phases, nudge


def run(
    network: Network, stimulus: Stimulus, nudge: Mapping[str, Array], slots: int, target: str
) -> Recording:
    """All phases in one run, traced."""
    model = convert(network, samples=stimulus.samples, target=target, slots=slots, phases=SIGNS, trace=True)
    recording: Recording = model.run(stimulus, nudge=nudge, trace=True)
    return recording


def differences(recording: Recording, phases: list[SpikingPhase]) -> dict[str, int]:
    """Unit-steps in which what was sent or the membrane differ, and all there are."""
    differ, steps = 0, 0
    for name, sent in recording.spikes.items():
        expected = np.concatenate([phase.sent[name] for phase in phases])
        membranes = np.concatenate([phase.membranes[name] for phase in phases])
        assert sent.shape == expected.shape
        assert expected.any()  # a comparison of silent units would prove nothing
        differ += int(np.count_nonzero((sent != expected) | (recording.membranes[name] != membranes)))
        steps += sent.size
    return {"differences": differ, "unit_steps": steps}


def changed(network: Network) -> Network:
    (name,) = (key for key in network.arrays() if key.endswith("hidden1_output.weight"))
    weight = network.arrays()[name].copy()
    weight[3] += 0.01
    return network.with_arrays({**network.arrays(), name: weight})


if __name__ == "__main__":
    main()
