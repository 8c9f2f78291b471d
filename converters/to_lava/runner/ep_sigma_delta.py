"""The neuron of the chip as a Lava process, with a fixed-point and a floating-point model.

Lava's compiler executes every .py file of this folder: importing them must have no effect.
"""

from typing import Any

import numpy as np
from lava_on_python311 import hashable_dataclasses

with hashable_dataclasses():
    from lava.magma.core.decorator import implements, requires, tag
    from lava.magma.core.model.py.model import PyLoihiProcessModel
    from lava.magma.core.model.py.ports import PyInPort, PyOutPort
    from lava.magma.core.model.py.type import LavaPyType
    from lava.magma.core.process.ports.ports import InPort, OutPort
    from lava.magma.core.process.process import AbstractProcess
    from lava.magma.core.process.variable import Var
    from lava.magma.core.resources import CPU
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

TRACED = ("s", "v", "sigma", "messages")


class EPSigmaDelta(AbstractProcess):  # type: ignore[misc]  # lava is not typed
    """Leaky integrator whose clamped, quantized rate is sent as changes only.

    Each step, with a_in the synaptic input that last step's messages caused:

        sigma = wrap(sigma + a_in)                      two's complement of register_bits
        v = clip(sign(v) * ((|v| * (4096 - dv)) >> 12) + sigma + bias, +-(2^(register_bits - 1) - 1))
        S = clip((v + 2^(p-1)) >> p, 0, s_max)
        m = clip(S - s, +-message_max), or 0 where |S - s| < v_threshold
        s = s + m, and m is sent

    sigma is always W s of what was sent: no residue is kept and nothing is lost.

    Args:
        bias: Constant input, integers of shape (n,).
        dv: Decay of v per step, in 1/4096.
        p: Bits of v below one step of s.
        s_max: Largest rate.
        v_threshold: Smallest change of the rate that is sent.
        message_max: Largest message.
        register_bits: Width of sigma and v, sign included; at most 32.
        traces: Path of an .npy file of (rows, all units) for each of `TRACED` to record. Step t is
            written to row t - 1, or to the last row. Reading a Var costs 22 us per element instead.
        columns: Where this process's units lie in those rows, shape (n,).
    """

    def __init__(
        self,
        *,
        bias: np.ndarray[Any, Any],
        dv: int,
        p: int,
        s_max: int,
        v_threshold: int,
        message_max: int,
        register_bits: int,
        traces: dict[str, str],
        columns: np.ndarray[Any, Any],
        **names: Any,
    ) -> None:
        """Declare ports and registers; names are prefixed, as Lava's models own short ones."""
        shape = bias.shape
        super().__init__(ep_traces=traces, ep_columns=columns, **names)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.ep_bias = Var(shape=shape, init=bias)
        self.ep_sigma = Var(shape=shape, init=0)
        self.ep_v = Var(shape=shape, init=0)
        self.ep_s = Var(shape=shape, init=0)
        self.ep_dv = Var(shape=(1,), init=dv)
        self.ep_p = Var(shape=(1,), init=p)
        self.ep_s_max = Var(shape=(1,), init=s_max)
        self.ep_v_threshold = Var(shape=(1,), init=v_threshold)
        self.ep_message_max = Var(shape=(1,), init=message_max)
        self.ep_register_bits = Var(shape=(1,), init=register_bits)


@implements(proc=EPSigmaDelta, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyEPSigmaDeltaFixed(PyLoihiProcessModel):  # type: ignore[misc]  # lava is not typed
    """Integer arithmetic of EPSigmaDelta, in the widths of Loihi's registers."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    ep_bias: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_sigma: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_v: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_s: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_dv: int = LavaPyType(int, np.int32, precision=12)
    ep_p: int = LavaPyType(int, np.int32, precision=5)
    ep_s_max: int = LavaPyType(int, np.int32, precision=24)
    ep_v_threshold: int = LavaPyType(int, np.int32, precision=24)
    ep_message_max: int = LavaPyType(int, np.int32, precision=24)
    ep_register_bits: int = LavaPyType(int, np.int32, precision=6)

    def run_spk(self) -> None:
        """One time step."""
        half = 1 << (self.ep_register_bits - 1)
        sigma = self.ep_sigma.astype(np.int64) + self.a_in.recv()
        sigma = ((sigma + half) & (2 * half - 1)) - half
        v = self.ep_v.astype(np.int64)  # |v| * 4096 needs more than 32 bits
        kept = np.sign(v) * ((np.abs(v) * (4096 - self.ep_dv)) >> 12)
        v = np.clip(kept + sigma + self.ep_bias, 1 - half, half - 1)
        rate = np.clip((v + (1 << (self.ep_p - 1))) >> self.ep_p, 0, self.ep_s_max)
        change = rate - self.ep_s
        change[np.abs(change) < self.ep_v_threshold] = 0
        messages = np.clip(change, -self.ep_message_max, self.ep_message_max).astype(np.int32)
        self.ep_sigma, self.ep_v = sigma.astype(np.int32), v.astype(np.int32)
        self.ep_s = self.ep_s + messages
        _record(self, messages)
        self.s_out.send(messages)


@implements(proc=EPSigmaDelta, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyEPSigmaDeltaFloat(PyLoihiProcessModel):  # type: ignore[misc]  # lava is not typed
    """The same equations in real numbers: nothing is rounded, wrapped or clipped but the rate.

    With v_threshold 0 it settles at the fixed point of the integer weights and biases itself.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    ep_bias: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    ep_sigma: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    ep_v: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    ep_s: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    ep_dv: float = LavaPyType(float, float)
    ep_p: float = LavaPyType(float, float)
    ep_s_max: float = LavaPyType(float, float)
    ep_v_threshold: float = LavaPyType(float, float)
    ep_message_max: float = LavaPyType(float, float)
    ep_register_bits: float = LavaPyType(float, float)

    def run_spk(self) -> None:
        """A time step in floating point."""
        self.ep_sigma = self.ep_sigma + self.a_in.recv()
        self.ep_v = self.ep_v * (1.0 - self.ep_dv / 4096.0) + self.ep_sigma + self.ep_bias
        change = np.clip(self.ep_v / 2.0**self.ep_p, 0.0, self.ep_s_max) - self.ep_s
        change = np.where(np.abs(change) >= self.ep_v_threshold, change, 0.0)
        messages = np.clip(change, -self.ep_message_max, self.ep_message_max)
        self.ep_s = self.ep_s + messages
        _record(self, messages)
        self.s_out.send(messages)


def _record(model: Any, messages: np.ndarray[Any, Any]) -> None:
    state = {"s": model.ep_s, "v": model.ep_v, "sigma": model.ep_sigma, "messages": messages}
    for name, path in model.proc_params["ep_traces"].items():
        rows = np.load(path, mmap_mode="r+")
        rows[min(model.time_step, rows.shape[0]) - 1, model.proc_params["ep_columns"]] = state[name]
