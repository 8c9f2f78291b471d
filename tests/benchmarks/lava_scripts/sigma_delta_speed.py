"""Seconds of one bundle run in Lava, without recording: compile, run and stop, imports left out.

Runs in Lava's private environment: python sigma_delta_speed.py BUNDLE BIAS.npz STEPS
Prints the seconds of a run of all samples of BIAS.npz together (block-diagonal weights).
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import numpy as np
from bundle_file import load_bundle
from ep_sigma_delta import EPSigmaDelta
from lava_run import run_processes
from lava_settings import SIMULATION, run_configuration, sparse
from parts import parts, synapses

if __name__ == "__main__":
    bundle = load_bundle(Path(sys.argv[1]))
    bias, steps = np.load(sys.argv[2])["bias"], int(sys.argv[3])
    (whole,) = parts(bundle, "merged")
    began = time.perf_counter()
    neurons = EPSigmaDelta(
        bias=bias.ravel(), traces={}, columns=np.arange(bias.size), **bundle.manifest["registers"]
    )
    for exponent, weights in synapses(bundle, bias.shape[0], whole, whole):
        settings = {**bundle.manifest["synapses"], "weight_exp": exponent}
        connection = sparse(weights, (bias.size, bias.size), settings)
        neurons.s_out.connect(connection.s_in)
        connection.a_out.connect(neurons.a_in)
    run_processes(neurons, run_configuration(SIMULATION, "fixed"), [steps])
    print(f"seconds {time.perf_counter() - began}", flush=True)
