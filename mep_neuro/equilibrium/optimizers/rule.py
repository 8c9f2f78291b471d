"""How gradients become steps, as the settings of a parameter group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
