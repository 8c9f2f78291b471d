"""Large states are worked on in pieces, with the result of the whole."""

import pytest
import torch

from mep_neuro.equilibrium.activation import RHO
from mep_neuro.equilibrium.solvers.modes import PIECE, Frozen, Mirrored, Mode, Pair, Single

BATCH, UNITS = 7, PIECE // 2  # pieces of two samples, and a last one of one
WEIGHT = torch.linspace(0.5, 2.0, UNITS)
SIZE = torch.linspace(0.1, 1.0, BATCH)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def modes() -> dict[str, tuple[Mode, torch.Tensor]]:
    """Each mode with a state of its shape."""
    rhos, state, pair = [RHO["tanh"]], drawn(BATCH, UNITS), drawn(2, BATCH, UNITS)
    return {
        "single": (Single(rhos), state),
        "mirrored": (Mirrored(rhos, [WEIGHT], lambda: SIZE), pair),
        "pair": (Pair(rhos, [WEIGHT], lambda: SIZE), pair),
        "frozen": (Frozen(rhos, [drawn(BATCH, UNITS)], [WEIGHT], lambda: SIZE), state),
    }


@pytest.mark.parametrize("name", ["single", "mirrored", "pair", "frozen"])
def test_the_distance_is_the_largest_gap_of_every_sample(name: str) -> None:
    mode, new = modes()[name]
    old = new.flip(-1)
    assert mode.distance(0, new, old).shape == (BATCH,)
    assert torch.allclose(mode.distance(0, new, old), mode.gap(0, new, old).amax(-1), rtol=1e-6, atol=0)
    nothing = torch.zeros_like(new)
    assert torch.allclose(mode.distance(0, new, None), mode.gap(0, new, nothing).amax(-1), rtol=1e-6, atol=0)


def test_a_pair_is_activated_as_sample_by_sample() -> None:
    mode, pair = modes()["mirrored"]
    whole = mode.activate(0, pair)
    for row in range(BATCH):
        assert torch.equal(whole[:, [row]], mode.activate(0, pair[:, [row]]))
