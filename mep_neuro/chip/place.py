"""Placement: which core each unit lies on, and the first limit of a core that cannot be met.

Units are laid on cores in the order of the populations, as many on a core as its limits allow: neurons,
synapses or their memory, which lie with the unit they drive, and axons. One incoming axon of a core is
one unit that drives any unit of it; one outgoing axon is one unit and one core that it drives.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.circuit import Circuit
from mep_neuro.chip.limits import Check, check_count
from mep_neuro.chip.profile import ChipProfile
from mep_neuro.errors import CapacityError

Index = NDArray[np.intp]
PER_CORE = {
    "neurons_per_core": "choose a chip with larger cores",
    "synapses_per_core": "use fewer synapses on each unit (a sparse connector)",
    "synapse_memory_per_core": "use fewer synapses on each unit (a sparse connector)",
    "axons_in_per_core": "let fewer units drive each unit (a sparse connector)",
    "axons_out_per_core": "let each unit drive units of fewer cores (a lattice, a sparse connector)",
}


@dataclass(frozen=True)
class Core:
    """What lies on one core.

    Attributes:
        units: Units of each population on it.
        used: What it uses of each limit of `PER_CORE`; memory in bytes, and only where it is known.
    """

    units: Mapping[str, int]
    used: Mapping[str, int]

    def load(self, profile: ChipProfile) -> tuple[float, str]:
        """The largest share of a known limit that is used, and which; (0, '') where none is known."""
        shares = [
            (used / getattr(profile, limit).value, limit)
            for limit, used in self.used.items()
            if getattr(profile, limit).value is not None
        ]
        return max(shares, default=(0.0, ""))


@dataclass(frozen=True, eq=False)
class Placement:
    """Cores that hold a network.

    Attributes:
        cores: Those in use.
        core_of: Core of each unit, shape (size,).
        targets: Cores that each unit drives, its own included, shape (size,).
    """

    cores: tuple[Core, ...]
    core_of: Index
    targets: Index


def place(circuit: Circuit, profile: ChipProfile) -> Placement:
    """Lay a network on the cores of a chip.

    Raises:
        CapacityError: A unit does not fit a core, or the cores do not suffice; the first limit that is
            broken, with value, limit and what to do.
    """
    most = profile.neurons_per_core.value or circuit.size
    while True:
        core_of = _fill(circuit, profile, most)
        placement = _described(circuit, profile, core_of)
        check = _axons_out(placement, profile)
        if check.verdict != "broken":
            break
        if most == 1:
            raise CapacityError(check.sentence(profile))
        most = max(1, most * 3 // 4)  # fewer units on a core have fewer outgoing axons
    cores = check_count(
        profile,
        "cores",
        f"network '{circuit.name}'",
        len(placement.cores),
        "use fewer units or synapses, or several chips",
    )
    if cores.verdict == "broken":
        raise CapacityError(cores.sentence(profile))
    return placement


def core_checks(circuit: Circuit, placement: Placement, profile: ChipProfile) -> tuple[Check, ...]:
    """The fullest core held against each limit, and the number of cores."""
    checks = []
    for limit, advice in PER_CORE.items():
        used = [core.used.get(limit, -1) for core in placement.cores]
        fullest = int(np.argmax(used))
        value = used[fullest] if used[fullest] >= 0 else None
        checks.append(check_count(profile, limit, f"core {fullest}", value, advice))
    where = f"network '{circuit.name}'"
    return (*checks, check_count(profile, "cores", where, len(placement.cores), "use several chips"))


def _fill(circuit: Circuit, profile: ChipProfile, most: int) -> Index:
    """Core of each unit, at most `most` units on one."""
    each, limit = _synapse_limit(profile)
    axons = profile.axons_in_per_core.value
    fan_in = np.diff(circuit.synapses.indptr) * (profile.synapses_per_weight.value or 1)
    core_of = np.zeros(circuit.size, dtype=np.intp)
    core, neurons, bits, seen, sources = 0, 0, 0, np.zeros(circuit.size, dtype=bool), 0
    for unit in range(circuit.size):
        pre = circuit.synapses.indices[circuit.synapses.indptr[unit] : circuit.synapses.indptr[unit + 1]]
        own = int(fan_in[unit]) * each
        new = int(np.count_nonzero(~seen[pre])) if axons is not None else 0
        full = limit is not None and bits + own > limit
        if neurons and (neurons >= most or full or (axons is not None and sources + new > axons)):
            core, neurons, bits, sources = core + 1, 0, 0, 0
            seen[:] = False
            new = len(pre) if axons is not None else 0
        if neurons == 0:
            _refuse_unit(circuit, profile, unit, int(fan_in[unit]), len(pre))
        seen[pre] = True
        core_of[unit], neurons, bits, sources = core, neurons + 1, bits + own, sources + new
    return core_of


def _synapse_limit(profile: ChipProfile) -> tuple[int, int | None]:
    """Cost of one synapse and what a core holds, in bits or in synapses."""
    memory, bits = profile.synapse_memory_per_core.value, profile.bits_per_synapse.value
    if memory is not None and bits is not None:
        return bits, 8 * memory
    return 1, profile.synapses_per_core.value


def _refuse_unit(circuit: Circuit, profile: ChipProfile, unit: int, fan_in: int, sources: int) -> None:
    """Refuse a unit that fits no core even alone."""
    where = f"population '{circuit.population_of(unit)}', one unit alone"
    needs = {"axons_in_per_core": sources, **_synapse_use(profile, fan_in)}
    for limit, value in needs.items():
        check = check_count(profile, limit, where, value, PER_CORE[limit])
        if check.verdict == "broken":
            raise CapacityError(check.sentence(profile))


def _synapse_use(profile: ChipProfile, synapses: int) -> dict[str, int]:
    use = {"synapses_per_core": synapses}
    if profile.bits_per_synapse.value is not None:
        use["synapse_memory_per_core"] = -(-synapses * profile.bits_per_synapse.value // 8)
    return use


def _described(circuit: Circuit, profile: ChipProfile, core_of: Index) -> Placement:
    """Count what each core uses."""
    total = int(core_of.max(initial=-1)) + 1
    edges = circuit.synapses.tocoo()
    pairs = np.unique(edges.col.astype(np.int64) * max(total, 1) + core_of[edges.row])
    pre, target = np.divmod(pairs, max(total, 1))
    axons_in = np.bincount(target, minlength=total)
    axons_out = np.bincount(core_of[pre], minlength=total)
    factor = profile.synapses_per_weight.value or 1
    fan_in = np.diff(circuit.synapses.indptr) * factor
    synapses = np.bincount(core_of, weights=fan_in, minlength=total)
    names = np.repeat(list(circuit.sizes), list(circuit.sizes.values()))
    cores = []
    for core in range(total):
        held, counts = np.unique(names[core_of == core], return_counts=True)
        units = dict(zip(held.tolist(), counts.tolist(), strict=True))
        used = {
            "neurons_per_core": int(counts.sum()),
            **_synapse_use(profile, int(synapses[core])),
            "axons_in_per_core": int(axons_in[core]),
            "axons_out_per_core": int(axons_out[core]),
        }
        cores.append(Core(units, used))
    return Placement(tuple(cores), core_of, np.bincount(pre, minlength=circuit.size))


def _axons_out(placement: Placement, profile: ChipProfile) -> Check:
    used = [core.used["axons_out_per_core"] for core in placement.cores]
    worst = int(np.argmax(used))
    return check_count(
        profile, "axons_out_per_core", f"core {worst}", used[worst], PER_CORE["axons_out_per_core"]
    )
