"""How gradients become steps, as the settings of a parameter group."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mep_neuro.topology.mistakes import unknown


@dataclass(frozen=True)
class Rule:
    """How gradients become steps: the defaults of every parameter group.

    Attributes:
        lr: Learning rate.
        momentum: mu.
        weight_decay: Decoupled from the step, as in AdamW.
        update: 'orthogonal' (Muon, or Dion from `dion_thresh` weights on), 'natural', or 'plain'.
        nesterov: Of Muon.
        ns_steps: Newton-Schulz iterations of Muon.
        dion_thresh: Weights of a matrix from which on Dion takes Muon's place; None for never.
        rank: Of Dion; None takes `rank_frac`.
        rank_frac: Rank of Dion over the smaller side of a matrix.
        error_feedback: Share, 0 to 1, of what a step of Dion leaves out that later steps make up.
        fisher_damping: Added to the Fisher matrix over its mean.
        use_diagonal_fisher: One number for each weight instead of a matrix for each side.
        gamma: Spectral bound; None for none. With `bound` 'matrix' each group has its own.
    """

    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    update: str = "orthogonal"
    nesterov: bool = True
    ns_steps: int = 5
    dion_thresh: int | None = None
    rank: int | None = None
    rank_frac: float = 0.2
    error_feedback: float = 1.0
    fisher_damping: float = 1e-3
    use_diagonal_fisher: bool = False
    gamma: float | None = 0.95


TORCHS = ("params", "param_names", "initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")
"""Keys of a group that torch writes into it: its own, and those of schedulers."""


def check_keys(group: Mapping[str, Any], where: str) -> None:
    """Refuse keys that would have no effect; what torch and its schedulers keep in a group may stay.

    Raises:
        ValueError: Names the key.
    """
    own = [field.name for field in fields(Rule)]
    for key in group:
        if key not in own and key not in TORCHS:
            raise ValueError(f"{where}: {unknown('key', key, own)}")


def check(group: Mapping[str, Any], where: str) -> None:
    """Refuse settings that are out of range.

    Raises:
        ValueError: Names the setting, its value and its range.
    """
    for key, holds, rule in (
        ("lr", group["lr"] >= 0.0, "a number >= 0"),
        ("momentum", 0.0 <= group["momentum"] < 1.0, "from 0, below 1"),
        ("weight_decay", group["weight_decay"] >= 0.0, "a number >= 0"),
        ("update", group["update"] in ("orthogonal", "natural", "plain"), "orthogonal, natural or plain"),
        ("ns_steps", _whole(group["ns_steps"]), "an integer >= 1"),
        ("dion_thresh", group["dion_thresh"] is None or group["dion_thresh"] >= 0, "an integer, or None"),
        ("rank", group["rank"] is None or _whole(group["rank"]), "an integer >= 1, or None"),
        ("rank_frac", 0.0 < group["rank_frac"] <= 1.0, "above 0, at most 1"),
        ("error_feedback", 0.0 <= group["error_feedback"] <= 1.0, "from 0 to 1"),
        ("fisher_damping", group["fisher_damping"] > 0.0, "a number > 0"),
        ("gamma", group["gamma"] is None or group["gamma"] > 0.0, "a number > 0, or None"),
    ):
        if not holds:
            raise ValueError(f"{where}: {key} {group[key]!r} is out of range; give {rule}")


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 1
