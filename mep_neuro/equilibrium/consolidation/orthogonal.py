"""Who turns a sum of contrasts into one orthogonalised step: Muon, or Dion for large matrices."""

from collections.abc import Iterable

import torch
from torch import nn

from mep_neuro.equilibrium.consolidation.dion import Dion
from mep_neuro.equilibrium.consolidation.muon import Muon
from mep_neuro.topology.training_spec import Consolidation

MOMENTUM = 0.95
RANK_FRAC = 0.25
DION_THRESH = 100_000
ERROR_FEEDBACK = 1.0


def orthogonalisers(section: Consolidation, matrices: Iterable[nn.Parameter]) -> list[torch.optim.Optimizer]:
    """The optimizers of a file's `consolidation`, each with the matrices that are its own.

    Sources: Jordan et al. 2024 (Muon); Ahn et al. 2025 (Dion).
    """
    large: list[nn.Parameter] = []
    small: list[nn.Parameter] = []
    for matrix in matrices:
        (large if takes_dion(section, matrix.numel()) else small).append(matrix)
    made: list[torch.optim.Optimizer] = []
    if small:
        made.append(Muon(small, lr=section.lr, weight_decay=0.0, momentum=MOMENTUM))
    if large:
        feedback = ERROR_FEEDBACK if section.error_feedback is None else section.error_feedback
        made.append(
            Dion(
                large,
                section.lr,
                rank=section.rank,
                rank_frac=section.rank_frac or RANK_FRAC,
                momentum=MOMENTUM,
                error_feedback=feedback,
            )
        )
    return made


def takes_dion(section: Consolidation, weights: int) -> bool:
    """Whether a matrix of so many weights takes Dion's steps rather than Muon's."""
    threshold = DION_THRESH if section.dion_thresh is None else section.dion_thresh
    return section.method == "dion" or (section.method == "auto" and weights >= threshold)
