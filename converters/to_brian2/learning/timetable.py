"""How many steps each phase of a pattern takes, and at which steps something happens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mep_neuro.simulation.network import Network
from mep_neuro.simulation.spiking import is_spiking
from mep_neuro.topology.training_spec import Equilibrium

MOST_UNIT = 10
"""Most steps between two ticks; so many, where the file leaves the numbers of steps open."""


@dataclass(frozen=True)
class Timetable:
    """One presentation of a pattern, in steps of dt.

    Attributes:
        free: Steps of the free phase.
        nudged: Steps of each nudged phase.
        signs: Sign of the nudge in each nudged phase, in order: (1, -1), or (1,).
        unit: Steps between two ticks; divides `free` and `nudged`, and is how long the rest takes.
    """

    free: int
    nudged: int
    signs: tuple[int, ...]
    unit: int

    @property
    def ends(self) -> tuple[int, ...]:
        """Steps of the pattern at which its phases have ended, the free one first."""
        return tuple(self.free + self.nudged * n for n in range(len(self.signs) + 1))

    @property
    def close(self) -> int:
        """Step at which the last phase has ended and weights may change."""
        return self.ends[-1]

    @property
    def steps(self) -> int:
        """Steps of a whole presentation, the rest included."""
        return self.close + self.unit

    @property
    def marks(self) -> Mapping[int, int]:
        """Sign with which the product of the ends enters the contrast, by the step of the pattern."""
        if len(self.signs) == 2:
            return dict(zip(self.ends[1:], self.signs, strict=True))
        return {self.ends[0]: -1, self.ends[1]: 1}

    @property
    def span(self) -> float:
        """(beta_plus - beta_minus) / beta."""
        return float(len(self.signs))


def timetable(network: Network, dt: float) -> Timetable:
    """The timetable of a network.

    `free_steps` and `nudged_steps` of the file count steps of dt. Where the file leaves them open, they
    are as many as bring the error below equilibrium.tolerance while the slowest mode of the coupled map
    has the radius that consolidation.spectral_bound allows: an Euler step leaves 1 - dt / tau_mem
    (1 - gamma) of it. Without a bound below 1, and at most, they are max_steps. A phase of spiking
    neurons has equilibrium.slots of them.
    """
    section = network.spec.equilibrium
    phases = section.nudge.phases
    signs = (1, -1) if phases == "centered" else (1,)
    if is_spiking(network):
        free = nudged = section.slots
    else:
        guess = _steps_to_settle(network, section, dt)
        free, nudged = section.free_steps or guess, section.nudged_steps or guess
    common = math.gcd(free, nudged)
    unit = max(n for n in range(1, MOST_UNIT + 1) if common % n == 0)
    return Timetable(free, nudged, signs, unit)


def _steps_to_settle(network: Network, section: Equilibrium, dt: float) -> int:
    bound = network.spec.consolidation.guaranteed
    if bound is None or bound >= 1.0:
        wanted = section.max_steps
    else:
        slowest = max(p.tau_mem for p in network.dynamic)
        kept = 1.0 - dt / slowest * (1.0 - bound)
        wanted = min(section.max_steps, math.ceil(math.log(min(section.tolerance, 0.5)) / math.log(kept)))
    return max(1, -(-wanted // MOST_UNIT)) * MOST_UNIT
