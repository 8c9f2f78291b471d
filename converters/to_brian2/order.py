"""What a conversion is asked for beside the network, and the objects that every kind of model ends in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mep_neuro.converters.to_brian2.converted import ProjectionTable
from mep_neuro.converters.to_brian2.equations import identifiers, inner_projections
from mep_neuro.converters.to_brian2.objects import Maker
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.simulation.network import Network, Population, Projection


@dataclass(frozen=True)
class Order:
    """A conversion.

    Attributes:
        dt: Time step, seconds.
        target: Code generation target.
        notes: How it was chosen.
        program: The standalone program, or None.
        trace: Whether a standalone program records every step.
        dropped: What is kept outside Brian2.
    """

    dt: float
    target: str
    notes: tuple[str, ...]
    program: Program | None
    trace: bool
    dropped: tuple[str, ...]

    @property
    def traced(self) -> bool:
        """Whether monitors are a part of the program."""
        return self.trace and self.program is not None

    def attributes(
        self,
        maker: Maker,
        network: Network,
        groups: Mapping[str, Any],
        synapses: Mapping[str, Any],
        others: Sequence[Any],
    ) -> dict[str, Any]:
        """What every converted network has: its objects, in one Network and by name, and this order."""
        return {
            "network": maker.brian2.Network(
                *groups.values(),
                *synapses.values(),
                *others,
                name="ep_network" if self.program else "ep_network*",
            ),
            "populations": groups,
            "projections": ProjectionTable(synapses, network),
            "source": network,
            "samples": maker.samples,
            "dt": self.dt,
            "target": self.target,
            "notes": self.notes,
            "program": self.program,
        }


def named(network: Network) -> tuple[list[tuple[Population, str]], list[tuple[Projection, str]]]:
    """Settling populations, and projections between them, each with its identifier in Brian2."""
    inner = inner_projections(network)
    names = identifiers([p.name for p in network.dynamic] + [q.name for q in inner])
    populations = list(zip(network.dynamic, names, strict=False))
    return populations, list(zip(inner, names[len(populations) :], strict=True))
