"""A torch optimizer in every habit, on EP gradients or on those of backward."""

import copy
import io
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mep_neuro as mep
from mep_neuro.equilibrium.optimizers.ep_optimizer import EPOptimizer
from mep_neuro.errors import SettleError

X = torch.rand(8, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(8) % 3


def made(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 5), nn.Tanh(), nn.Dropout(dropout), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)
    )


def optimizer_of(model: nn.Module, **settings: Any) -> EPOptimizer:
    return mep.sdmep(model.parameters(), model, **{"rank_frac": 0.5, "dion_thresh": 20, **settings})


def weights(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_it_learns_without_backward() -> None:
    model = made()
    optimizer = optimizer_of(model, lr=0.03)  # at 0.05 the loss leaps, and rounding decides where it stands
    losses = [optimizer.step(x=X, target=Y) for _ in range(200)]
    assert losses[-1] < 0.05 * losses[0]
    with torch.no_grad():
        assert bool((model(X).argmax(1) == Y).all())
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert not any(p.grad is not None and p.grad.requires_grad for p in model.parameters())


def test_the_gradient_of_the_last_batch_stays_to_be_seen() -> None:
    model = made()
    optimizer = optimizer_of(model)
    for _ in range(2):  # replaced, not added up
        before = weights(model)
        optimizer.step(x=X, target=Y)
        found = [p.grad for p in model.parameters()]
        again = made()
        again.load_state_dict(dict(zip(model.state_dict(), before, strict=True)))
        mep.compute_ep_gradients(again, X, Y, beta=0.3)
        for p, grad in zip(again.parameters(), found, strict=True):
            assert p.grad is not None
            assert grad is not None
            assert torch.allclose(p.grad, grad, rtol=0, atol=1e-6)
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_steps_along_gradients_that_are_there() -> None:
    """compute_ep_gradients, clipping, step(): as after loss.backward()."""
    one, other = made(), made()
    optimizer_of(one).step(x=X, target=Y)
    mep.compute_ep_gradients(other, X, Y, beta=0.3)
    nn.utils.clip_grad_norm_(other.parameters(), 1e9)
    second = optimizer_of(other)
    second._network.output(X)  # type: ignore[union-attr]  # so that the coupled map is bounded here too
    assert second.step() is None
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(one), weights(other), strict=True))


def test_mode_backprop_takes_backwards_gradients_and_closures() -> None:
    model = made()
    optimizer = mep.muon_backprop(model.parameters(), lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), Y)
        loss.backward()
        return float(loss.detach())

    losses = [optimizer.step(closure) for _ in range(100)]
    assert losses[-1] < 0.5 * losses[0]
    with pytest.raises(ValueError, match=r"step: x and target are for mode 'ep', and this is 'backprop'"):
        optimizer.step(x=X, target=Y)


def test_groups_have_their_own_settings() -> None:
    model = made()
    hidden, rest = list(model[0].parameters()), [*model[3].parameters(), *model[5].parameters()]
    optimizer = mep.smep([{"params": hidden, "lr": 0.0}, {"params": rest}], model, lr=0.1)
    before = weights(model)
    optimizer.step(x=X, target=Y)
    after = weights(model)
    assert same(before[:2], after[:2])
    assert not any(torch.equal(a, b) for a, b in zip(before[2:], after[2:], strict=True))
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.1]


def test_a_key_of_a_group_that_would_do_nothing_is_refused() -> None:
    model = made()
    with pytest.raises(ValueError, match=r"EPOptimizer: unknown key 'momentun'; did you mean 'momentum'\?"):
        mep.smep([{"params": model.parameters(), "momentun": 0.5}], model)
    optimizer = mep.sdmep(model[0].parameters(), model)
    with pytest.raises(ValueError, match="SDMEPOptimizer: unknown key 'beta'; "):
        optimizer.add_param_group({"params": model[3].parameters(), "beta": 0.1})
    assert len(optimizer.param_groups) == 1
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=5)
    mep.sdmep(optimizer.param_groups, model)  # as a scheduler left them


def test_what_is_left_out_does_not_learn_and_may_be_added() -> None:
    model = made()
    optimizer = mep.smep(model[5].parameters(), model)
    before = weights(model)
    optimizer.step(x=X, target=Y)
    # The bound scales what settles together; here it is not reached.
    assert same(before[:4], weights(model)[:4])
    optimizer.add_param_group({"params": model[0].parameters(), "lr": 0.3})
    optimizer.step(x=X, target=Y)
    assert not torch.equal(before[0], weights(model)[0])
    with pytest.raises(ValueError, match=r"shape \(2, 2\) is none of the model's"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2, 2))]})
    assert len(optimizer.param_groups) == 2


def test_frozen_parameters_stay() -> None:
    model = made()
    model[0].requires_grad_(False)
    before = weights(model)
    optimizer_of(model).step(x=X, target=Y)
    assert same(before[:2], weights(model)[:2])
    assert not torch.equal(before[2], weights(model)[2])


def test_named_parameters_are_taken() -> None:
    model = made()
    optimizer = mep.smep(model.named_parameters(), model)
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"
    optimizer.step(x=X, target=Y)


@pytest.mark.parametrize("bound", [{}, {"gamma": 0.1}, {"gamma": 0.1, "bound": "matrix"}], ids=str)
@pytest.mark.parametrize(
    "preset", [mep.sdmep, mep.smep, mep.local_ep, mep.natural_ep], ids=lambda p: p.__name__
)
def test_the_state_goes_on_bit_for_bit(preset: Any, bound: dict[str, Any]) -> None:
    """Through torch.save, dropout's draws and what the bound knows included."""
    if "bound" in bound and preset in (mep.local_ep, mep.natural_ep):
        preset, bound = mep.smep, {"gamma": 0.02, "bound": "matrix"}  # they bound the coupled map alone

    def trained(stop: int | None) -> list[Tensor]:
        model = made(dropout=0.4)
        optimizer = preset(model.parameters(), model, lr=0.05, **bound)
        for number in range(6):
            if number == stop:
                file = io.BytesIO()
                torch.save((model.state_dict(), optimizer.state_dict()), file)
                file.seek(0)
                states = torch.load(file)
                torch.manual_seed(0)
                model = made(dropout=0.4)
                model.load_state_dict(states[0])
                optimizer = preset(model.parameters(), model, lr=9.0, **bound)
                optimizer.load_state_dict(states[1])
            optimizer.step(x=X, target=Y)
        return weights(model)

    assert same(trained(3), trained(None))


def test_schedulers_change_the_rate() -> None:
    model = made()
    optimizer = optimizer_of(model, lr=0.1, momentum=0.0, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.0)
    optimizer.step(x=X, target=Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns where step was not seen
        schedule.step()
    before = weights(model)
    optimizer.step(x=X, target=Y)
    assert same(before, weights(model))


def test_it_tells_what_it_is() -> None:
    text = repr(optimizer_of(made()))
    assert text.startswith("SDMEPOptimizer (")
    for part in ("lr: 0.02", "dion_thresh: 20", "mode: 'ep'", "beta=0.3", "bound: 'coupled' hard"):
        assert part in text


def test_a_copied_optimizer_steps_its_own_model() -> None:
    model = made()
    optimizer = optimizer_of(model)
    optimizer.step(x=X, target=Y)
    before = weights(model)
    other, twin = copy.deepcopy((model, optimizer))
    twin.step(x=X, target=Y)
    assert same(before, weights(model))
    assert not same(before, weights(other))


def test_a_batch_that_fails_changes_nothing() -> None:
    model = made()
    model[3].weight.data[0, 0] = torch.nan
    optimizer = optimizer_of(model)
    before = weights(model)
    with pytest.raises(SettleError, match="is not finite"):
        optimizer.step(x=X, target=Y)
    assert same([w.nan_to_num(7.0) for w in before], [w.nan_to_num(7.0) for w in weights(model)])


def test_samples_that_do_not_settle_are_told_once() -> None:
    model = made()
    optimizer = optimizer_of(model, settle_steps=1)
    with pytest.warns(UserWarning, match=r"8 of 8 samples did not settle in 1 steps \(told once\); raise"):
        optimizer.step(x=X, target=Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step(x=X, target=Y)


def test_step_refuses_half_a_batch() -> None:
    optimizer = optimizer_of(made())
    with pytest.raises(ValueError, match="step: give both x and target and no closure, or neither"):
        optimizer.step(x=X)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "both"}, r"mode: 'both' is none; give 'ep' or 'backprop'"),
        ({"model": None, "mode": "ep"}, r"mode: 'ep' settles the model; give model="),
        ({"bound": "all"}, r"bound: 'all' is none; give 'coupled' or 'matrix'"),
        ({"mode": "backprop", "bound": "coupled"}, r"bound: 'coupled' is of mode 'ep'"),
        ({"bound_mode": "firm"}, r"bound_mode: 'firm' is none; give 'hard' or 'soft'"),
        ({"lr": -1.0}, r"SDMEPOptimizer: lr -1.0 is out of range; give a number >= 0"),
        ({"gamma": 0.0}, r"gamma 0.0 is out of range"),
        ({"rank_frac": 1.5}, r"rank_frac 1.5 is out of range"),
        ({"beta": 0.0}, r"beta: 0.0 is out of range; give a number > 0"),
        ({"settle_lr": 2.0}, r"settle_lr: 2.0 is out of range"),
    ],
)
def test_what_is_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    model = made()
    with pytest.raises(ValueError, match=message):
        mep.SDMEPOptimizer(model.parameters(), **{"model": model, **settings})
