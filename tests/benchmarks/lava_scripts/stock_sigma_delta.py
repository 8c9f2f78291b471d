"""The same networks with Lava's stock SigmaDelta process, as projected gradient descent: the control.

Runs in Lava's private environment: python stock_sigma_delta.py RUNNER_FOLDER NETS.npz OUT.npz STEPS

For a network s <- clip(W s + b, 0, 1), two populations of ReLU units r1 = relu(W s + b) and
r2 = relu(W s + b - 1) give the clamp s = r1 - r2; their weights are [W -W; W -W].
NETS.npz: g_weight integers (2n, 2n), g_bias (2n,), and g_parameters (vth, spike_exp, state_exp, weight_exp).
"""

import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

import numpy as np
from guard import guarded
from lava_on_python311 import hashable_dataclasses

with hashable_dataclasses():
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.sdn.process import ActivationMode, SigmaDelta
    from lava.utils.weightutils import SignMode


def run(net: dict[str, Any], steps: int) -> dict[str, Any]:
    vth, spike_exp, state_exp, weight_exp = (int(value) for value in net["parameters"])
    size = net["bias"].size
    neurons = SigmaDelta(
        shape=(size,), vth=vth, bias=net["bias"], act_mode=ActivationMode.RELU, cum_error=False,
        spike_exp=spike_exp, state_exp=state_exp,
    )  # fmt: skip
    synapses = Dense(
        weights=net["weight"], num_message_bits=24, num_weight_bits=8, weight_exp=weight_exp,
        sign_mode=SignMode.MIXED,
    )  # fmt: skip
    neurons.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_in)
    with guarded() as watch:
        neurons.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        watch(neurons.runtime._messaging_infrastructure.actors)
        neurons.run(condition=RunSteps(num_steps=steps))
        found = {name: np.asarray(getattr(neurons, name).get()) for name in ("sigma", "act")}
    neurons.stop()
    return found


if __name__ == "__main__":
    with np.load(sys.argv[2]) as stored:
        nets: dict[str, dict[str, Any]] = {}
        for key in stored.files:
            number, _, name = key.partition("_")
            nets.setdefault(number, {})[name] = stored[key]
    out = {f"{n}_{k}": v for n, net in nets.items() for k, v in run(net, int(sys.argv[4])).items()}
    np.savez(sys.argv[3], **out)
