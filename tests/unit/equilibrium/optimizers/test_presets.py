"""Every documented keyword of every preset changes the result, and unknown ones are refused."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mep_neuro as mep

X = torch.rand(8, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(8) % 3

OTHER: dict[str, Any] = {
    "lr": 0.05,
    "momentum": 0.5,
    "weight_decay": 0.2,
    "beta": 2.0,
    "settle_steps": 2,
    "settle_lr": 0.5,
    "tolerance": 0.3,
    "loss_type": "mse",
    "feedback_gain": 0.6,
    "energy": "predictive_coding",
    "gamma": 0.05,
    "bound": "matrix",
    "ns_steps": 2,
    "rank_frac": 0.3,
    "rank": 3,
    "dion_thresh": 20,
    "use_error_feedback": False,
    "error_feedback": 0.0,
    "error_beta": 0.5,
    "fisher_damping": 0.5,
    "use_diagonal_fisher": True,
}
# What must be set besides, so that the keyword has something to act on.
BESIDES: dict[str, dict[str, Any]] = {
    **{key: {"dion_thresh": 1} for key in ("rank_frac", "rank", "use_error_feedback", "error_beta")},
    "error_feedback": {"dion_thresh": 1},
    "bound": {"gamma": 0.05},
    "bound_mode": {"gamma": 0.05},
    "settle_lr": {"settle_steps": 4},  # it leads to the same fixed point
}
PRESETS = {"smep": mep.smep, "sdmep": mep.sdmep, "local_ep": mep.local_ep, "natural_ep": mep.natural_ep}


def trained(preset: Any, settings: dict[str, Any]) -> Tensor:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    optimizer = preset(model.parameters(), model=model, **settings)
    for _ in range(6):
        optimizer.step(x=X, target=Y)
    return torch.cat([p.detach().flatten() for p in model.parameters()])


CASES = [
    (name, preset, key)
    for name, preset in {**PRESETS, "SDMEPOptimizer": mep.SDMEPOptimizer}.items()
    for key in inspect.signature(preset).parameters
    if key not in ("params", "model", "mode") and not (name == "smep" and key == "use_error_feedback")
]


@pytest.mark.filterwarnings("ignore:.*did not settle")
@pytest.mark.parametrize(("name", "preset", "key"), CASES, ids=[f"{n}-{k}" for n, _, k in CASES])
def test_every_keyword_takes_effect(name: str, preset: Any, key: str) -> None:
    besides = BESIDES.get(key, {})
    value = "soft" if key == "bound_mode" else OTHER[key]
    before, after = trained(preset, besides), trained(preset, {**besides, key: value})
    # Far above float32's rounding of six steps, 1e-6.
    assert float((before - after).abs().max()) > 1e-5


MUON_BACKPROP = {
    "use_spectral": True,
    **{k: OTHER[k] for k in ("lr", "momentum", "weight_decay", "ns_steps")},
}
MUON_BACKPROP |= {"gamma": 0.3, "bound_mode": "soft"}


@pytest.mark.parametrize("key", MUON_BACKPROP)
def test_every_keyword_of_muon_backprop_takes_effect(key: str) -> None:
    def result(settings: dict[str, Any]) -> Tensor:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        optimizer = mep.muon_backprop(model.parameters(), **settings)
        for _ in range(6):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    besides = {"gamma": {"use_spectral": True}, "bound_mode": {"use_spectral": True, "gamma": 0.3}}.get(
        key, {}
    )
    assert set(inspect.signature(mep.muon_backprop).parameters) == {"params", *MUON_BACKPROP}
    changed = {**besides, key: MUON_BACKPROP[key], **({"gamma": 0.3} if key == "use_spectral" else {})}
    assert float((result(besides) - result(changed)).abs().max()) > 1e-5


@pytest.mark.parametrize("name", PRESETS)
def test_unknown_keywords_are_refused(name: str) -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    with pytest.raises(TypeError, match="unexpected keyword argument 'bogus'"):
        PRESETS[name](model.parameters(), model, bogus=1)  # type: ignore[operator]


def test_mode_backprop_steps_along_backwards_gradients() -> None:
    for preset in (mep.smep, mep.sdmep):
        model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        optimizer = preset(model.parameters(), model, mode="backprop")
        before = model[0].weight.detach().clone()
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
        assert not torch.equal(before, model[0].weight)


def test_muon_has_nothing_to_feed_back() -> None:
    model = nn.Sequential(nn.Linear(6, 5))
    with pytest.raises(ValueError, match=r"Muon steps in every direction.*use sdmep"):
        mep.smep(model.parameters(), model, use_error_feedback=True)
