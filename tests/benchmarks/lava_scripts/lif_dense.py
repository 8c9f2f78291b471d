"""Random networks of Lava's LIF and Dense processes, every register recorded at every step.

Runs in Lava's private environment: python lif_dense.py RUNNER_FOLDER GROUPS.npz OUT_FOLDER STEPS

GROUPS.npz holds for each group g: g_weight (n, n), g_mantissa, g_exponent, g_u, g_v (n,), and g_parameters
(du, dv, vth, weight_exp, num_weight_bits). The model is Lava's own; it only also writes what it holds.
"""

import os
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

import numpy as np
from guard import guarded
from lava_on_python311 import hashable_dataclasses

with hashable_dataclasses():
    from lava.magma.core.decorator import implements, requires, tag
    from lava.magma.core.resources import CPU
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
    from lava.proc.dense.process import Dense
    from lava.proc.lif.models import PyLifModelBitAcc
    from lava.proc.lif.process import LIF
    from lava.utils.weightutils import SignMode


@implements(proc=LIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class Recorded(PyLifModelBitAcc):
    """The stock model, which then writes its registers to a file."""

    def run_spk(self) -> None:
        super().run_spk()
        rows = np.load(self.proc_params["record"], mmap_mode="r+")
        rows[0, self.time_step - 1], rows[1, self.time_step - 1] = self.u, self.v
        rows[2, self.time_step - 1] = self.s_out_buff


def run(group: dict[str, Any], out: str, steps: int) -> None:
    du, dv, vth, weight_exp, bits = (int(value) for value in group["parameters"])
    size = group["mantissa"].size
    np.save(out, np.zeros((3, steps, size), dtype=np.int32))
    neurons = LIF(
        shape=(size,), u=group["u"], v=group["v"], du=du, dv=dv, vth=vth,
        bias_mant=group["mantissa"], bias_exp=group["exponent"], record=out,
    )  # fmt: skip
    synapses = Dense(
        weights=group["weight"], num_message_bits=0, num_weight_bits=bits, weight_exp=weight_exp,
        sign_mode=SignMode.MIXED,
    )  # fmt: skip
    neurons.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_in)
    with guarded(int(os.environ.get("MEP_NEURO_PARENT", "0"))) as watch:
        neurons.create_runtime(
            run_cfg=Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map={LIF: Recorded})
        )
        watch(neurons.runtime._messaging_infrastructure.actors)
        neurons.run(condition=RunSteps(num_steps=steps))
    neurons.stop()


if __name__ == "__main__":
    with np.load(sys.argv[2]) as stored:
        groups: dict[str, dict[str, Any]] = {}
        for key in stored.files:
            number, _, name = key.partition("_")
            groups.setdefault(number, {})[name] = stored[key]
    for number, group in groups.items():
        run(group, os.path.join(sys.argv[3], f"{number}.npy"), int(sys.argv[4]))
        print(f"group {number}", flush=True)
