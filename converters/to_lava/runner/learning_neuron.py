"""A sigma-delta neuron that takes itself through the phases of Equilibrium Propagation, as a Lava process.

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

Array = np.ndarray[Any, Any]
FREE, NUDGED, SILENT = 0, 1, 2
PHASES = 3
COMMIT_FIXED, COMMIT_FLOAT = 64, 2.0  # y3 of a commit: Lava scales products in fixed point only


class EPLearningNeuron(AbstractProcess):  # type: ignore[misc]  # lava is not typed
    """EPSigmaDelta with the phases of learning in it; a sample takes three of them, `steps` steps each.

    free: settle; post-synaptic factor y2 = s / 2.
    nudged: settle with the current beta (target - s at the end of the free phase); y1 = s / 2.
    silent: every unit goes back to 0 and tells so; y3 commits what the synapses' tags have gathered. As all
        states are 0 then, the sums W s that receivers hold are 0 too, and stay right when W changes.

    Args:
        size: Neurons.
        steps: Steps of a phase, which is the epoch of the learning rule; at most 63.
        clamped: States (samples, size) of an input population; None for one that settles.
        target: States (samples, size) that an output population is nudged to; None for others.
        beta_shift: The nudge is (target - s) 2^beta_shift in units of v.
        dv: Decay of v per step, in 1/4096.
        p: Bits of v below one step of the state.
        third_factor: Whether y3 is sent at all.
        s_max: Largest state; states are even, so that s / 2 is exact.
        record: .npy file of (2 * presentations, size): the state at the end of each free and nudged phase.
    """

    def __init__(self, *, size: int, record: str, **settings: Any) -> None:
        """Declare ports and registers; names are prefixed, as Lava's models own short ones."""
        super().__init__(ep_settings=settings, ep_record=record)
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))
        self.y1_out = OutPort(shape=(size,))
        self.y2_out = OutPort(shape=(size,))
        self.y3_out = OutPort(shape=(size,))
        self.ep_sigma = Var(shape=(size,), init=0)
        self.ep_v = Var(shape=(size,), init=0)
        self.ep_s = Var(shape=(size,), init=0)
        self.ep_free = Var(shape=(size,), init=0)


class _Learning(PyLoihiProcessModel):  # type: ignore[misc]  # lava is not typed
    """What both precisions share: the schedule, and what is sent."""

    commit: Any = COMMIT_FIXED
    ep_sigma: Any
    ep_v: Any
    ep_s: Any
    ep_free: Any

    def run_spk(self) -> None:
        """One time step."""
        settings = self.proc_params["ep_settings"]
        presentation, phase, last = self._moment(settings["steps"])
        self._integrate(self.a_in.recv())
        if phase == SILENT:
            self.ep_v = np.zeros_like(self.ep_v)
            wanted = np.zeros_like(self.ep_s)
        elif settings["clamped"] is not None:
            clamped = settings["clamped"]
            wanted = clamped[presentation % len(clamped)].astype(self.ep_s.dtype)
        else:
            wanted = self._settle(settings, self._nudge(settings, presentation, phase))
        messages = wanted - self.ep_s
        self.ep_s = self.ep_s + messages
        if last and phase == FREE:
            self.ep_free = self.ep_s.copy()
        if last and phase != SILENT:
            np.load(self.proc_params["ep_record"], mmap_mode="r+")[2 * presentation + phase] = self.ep_s
        self._send(messages, phase)

    def _moment(self, steps: int) -> tuple[int, int, bool]:
        """Presentation from 0, phase, and whether this is the phase's last step."""
        before = int(self.time_step) - 1
        return before // (PHASES * steps), before // steps % PHASES, before % steps == steps - 1

    def _nudge(self, settings: dict[str, Any], presentation: int, phase: int) -> Any:
        if phase != NUDGED or settings["target"] is None:
            return 0
        target = settings["target"]
        away = target[presentation % len(target)] - self.ep_free
        return away * 2 ** settings["beta_shift"]

    def _send(self, messages: Array, phase: int) -> None:
        half, nothing = self._half(), np.zeros_like(self.ep_s)
        self.s_out.send(messages)
        self.y1_out.send(half if phase == NUDGED else nothing)
        self.y2_out.send(half if phase == FREE else nothing)
        committing = phase == SILENT and self.proc_params["ep_settings"]["third_factor"]
        self.y3_out.send(nothing + self.commit if committing else nothing)


@implements(proc=EPLearningNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyEPLearningFixed(_Learning):
    """Integer arithmetic, as EPSigmaDelta's."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=7)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=7)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=7)
    ep_sigma: Array = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_v: Array = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_s: Array = LavaPyType(np.ndarray, np.int32, precision=24)
    ep_free: Array = LavaPyType(np.ndarray, np.int32, precision=24)

    def _integrate(self, arriving: Array) -> None:
        half = 1 << 23
        self.ep_sigma = (((self.ep_sigma + arriving + half) & (2 * half - 1)) - half).astype(np.int32)

    def _settle(self, settings: dict[str, Any], nudge: Any) -> Array:
        v = self.ep_v.astype(np.int64)
        kept = np.sign(v) * ((np.abs(v) * (4096 - settings["dv"])) >> 12)
        v = np.clip(kept + self.ep_sigma + nudge, 1 - (1 << 23), (1 << 23) - 1)
        self.ep_v = v.astype(np.int32)
        p = settings["p"] + 1  # two steps of the state
        wanted: Array = (2 * np.clip((v + (1 << (p - 1))) >> p, 0, settings["s_max"] // 2)).astype(np.int32)
        return wanted

    def _half(self) -> Array:
        half: Array = self.ep_s >> 1
        return half


@implements(proc=EPLearningNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyEPLearningFloat(_Learning):
    """The same equations in real numbers."""

    commit: Any = COMMIT_FLOAT
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    ep_sigma: Array = LavaPyType(np.ndarray, float)
    ep_v: Array = LavaPyType(np.ndarray, float)
    ep_s: Array = LavaPyType(np.ndarray, float)
    ep_free: Array = LavaPyType(np.ndarray, float)

    def _integrate(self, arriving: Array) -> None:
        self.ep_sigma = self.ep_sigma + arriving

    def _settle(self, settings: dict[str, Any], nudge: Any) -> Array:
        self.ep_v = self.ep_v * (1.0 - settings["dv"] / 4096.0) + self.ep_sigma + nudge
        wanted: Array = np.clip(self.ep_v / 2.0 ** settings["p"], 0.0, settings["s_max"])
        return wanted

    def _half(self) -> Array:
        half: Array = self.ep_s / 2.0
        return half
