"""Responses held times their population's power of two (`response.py` says why), and who cannot hold them."""

import math

import torch
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import UnsupportedError


def held(model: EquilibriumNetwork, name: str, values: Tensor) -> Tensor:
    """Values times the power of two with which a population holds its responses."""
    exponent = model.exponents[name]
    return values if exponent == 0 else values * 2.0**exponent


def refuse_rounding(model: EquilibriumNetwork, phases: str) -> None:
    """States of order one, not responses, settle: what the nudge moves by less than rounding is lost."""
    lost = -math.log2(torch.finfo(model.compute).eps)
    name = max(model.settling, key=model.exponents.__getitem__)
    if model.exponents[name] > lost:
        raise UnsupportedError(
            f"nudged phase: population '{name}' has an energy weight of 2**{model.exponents[name]}, so its "
            f"response is below the rounding of {phases} phases in {model.compute} (2**-{lost:.0f}); write "
            "centered or frozen, or raise feedback_gain"
        )
