"""The result of a settle."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FixedPoint:
    """Where a batch came to rest, or where it was when time ran out.

    Attributes:
        states: Rates of every settling population, shape (batch, n) each.
        residual: Largest |s - rho(current)| of each sample, shape (batch,), dimensionless; NaN where a fixed
            number of steps was taken and none was measured.
        steps: Steps each sample took (block updates of all populations), shape (batch,).
        tolerance: What the residual was to fall below; of spiking neurons what their read-out can tell.
        events: Synaptic events of each sample, shape (batch,); None where the solver counts none.
        slots: Whether the steps are the slots of a spiking phase, which ends with the last of them.
        fixed: Whether exactly equilibrium.free_steps were taken, however far from rest.
    """

    states: Mapping[str, Tensor]
    residual: Tensor
    steps: Tensor
    tolerance: float
    events: Tensor | None = None
    slots: bool = False
    fixed: bool = False

    @property
    def settled(self) -> Tensor:
        """Whether each sample met the tolerance, shape (batch,)."""
        return self.residual <= self.tolerance

    @property
    def status(self) -> str:
        """The outcome as a sentence for the user."""
        if bool(self.residual.isnan().all()):
            return f"not measured: {int(self.steps.max())} steps, as the file says"
        missed = int((~self.settled).sum())
        worst, steps = float(self.residual.max()), int(self.steps.max())
        if self.slots:
            length, limit, mend = f"{steps} slots", "what the read-out tells", "equilibrium.slots"
        else:
            length, limit = f"{steps} steps", "tolerance"
            mend = "equilibrium.free_steps" if self.fixed else "max_steps"
        if missed == 0:
            most = "" if self.slots or self.fixed else "at most "
            return f"settled: residual {worst:.1e} after {most}{length} ({limit} {self.tolerance:.0e})"
        return (
            f"not settled: {missed} of {len(self.residual)} samples after {length} "
            f"(residual {worst:.1e}, {limit} {self.tolerance:.0e}); "
            f"raise {mend} or lower the spectral bound"
        )
