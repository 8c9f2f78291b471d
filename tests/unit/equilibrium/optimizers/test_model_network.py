"""A model's EP gradient is that of its cost, in the model's own tensors."""

import pytest
import torch
from torch import Tensor, nn

import mep_neuro as mep
from mep_neuro.equilibrium.optimizers.model_network import ModelNetwork
from mep_neuro.equilibrium.optimizers.settling import Settling
from mep_neuro.errors import DataError, UnsupportedError

BATCH = 6


def seeded(*layers: nn.Module) -> nn.Sequential:
    model = nn.Sequential(*layers).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.5 / p[0].numel() ** 0.5)
    return model


def features(*shape: int) -> Tensor:
    return torch.rand(BATCH, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


TARGET = torch.arange(BATCH) % 3


def by_backprop(model: nn.Module, x: Tensor, loss_type: str) -> list[Tensor]:
    output = model(x)
    if loss_type == "mse":
        wanted = nn.functional.one_hot(TARGET, 3).double()
        loss = 0.5 * (output - wanted).square().sum(1).mean()
    else:
        loss = nn.functional.cross_entropy(output, TARGET)
    return list(torch.autograd.grad(loss, list(model.parameters())))


def by_ep(model: nn.Module, x: Tensor, beta: float, **settling: object) -> list[Tensor]:
    model.zero_grad()
    mep.compute_ep_gradients(model, x, TARGET, beta, tolerance=1e-12, settle_steps=500, **settling)
    found = [p.grad for p in model.parameters()]
    assert all(g is not None for g in found)
    return [g for g in found if g is not None]


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    a, b = (torch.cat([g.flatten() for g in gradients]) for gradients in (found, exact))
    return float((a - b).norm() / b.norm())


def dense(*hidden: nn.Module) -> nn.Sequential:
    return seeded(nn.Linear(8, 7), hidden[0], nn.Linear(7, 6), hidden[-1], nn.Linear(6, 3))


@pytest.mark.parametrize("loss_type", ["mse", "cross_entropy"])
@pytest.mark.parametrize("rho", [nn.Tanh(), nn.Sigmoid(), nn.ReLU(), nn.Hardtanh(0.0, 1.0)], ids=repr)
def test_of_predictive_coding_it_is_backpropagations(rho: nn.Module, loss_type: str) -> None:
    model, x = dense(rho), features(8)
    exact = by_backprop(model, x, loss_type)
    assert error(by_ep(model, x, 1e-3, loss_type=loss_type, energy="predictive_coding"), exact) < 1e-5


@pytest.mark.parametrize("loss_type", ["mse", "cross_entropy"])
def test_as_the_feedback_vanishes_it_is_backpropagations(loss_type: str) -> None:
    """Linear in g: a tenth of g leaves a tenth of the difference."""
    model, x = dense(nn.Tanh()), features(8)
    exact = by_backprop(model, x, loss_type)
    errors = [
        error(by_ep(model, x, 1e-3, loss_type=loss_type, feedback_gain=gain), exact) for gain in (0.1, 0.01)
    ]
    assert errors[1] < 0.12 * errors[0]
    assert errors[1] < 0.01


def test_with_one_hidden_layer_and_cross_entropy_nothing_feeds_back() -> None:
    model, x = seeded(nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 3)), features(8)
    assert error(by_ep(model, x, 1e-3, feedback_gain=1.0), by_backprop(model, x, "cross_entropy")) < 1e-5


@pytest.mark.parametrize("beta", [0.5, 0.05])
def test_beta_biases_it_by_its_square(beta: float) -> None:
    model, x = seeded(nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 3)), features(8)
    assert error(by_ep(model, x, beta), by_backprop(model, x, "cross_entropy")) < 0.3 * beta**2


def convolutional() -> nn.Sequential:
    return seeded(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 2, bias=False),
        nn.AvgPool2d(2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def test_of_convolutions_means_and_their_shared_biases() -> None:
    model, x = convolutional(), features(1, 6, 6)
    exact = by_backprop(model, x, "cross_entropy")
    assert error(by_ep(model, x, 1e-3, feedback_gain=0.001), exact) < 0.01


def test_the_loss_is_that_of_the_model_where_nothing_feeds_back() -> None:
    model, x = seeded(nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 3)), features(8)
    loss = mep.compute_ep_gradients(model, x, TARGET)
    assert loss == pytest.approx(float(nn.functional.cross_entropy(model(x), TARGET).detach()), rel=1e-12)


def test_gradients_add_up_as_those_of_backward_do() -> None:
    model, x = seeded(nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 3)), features(8)
    mep.compute_ep_gradients(model, x, TARGET)
    once = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    mep.compute_ep_gradients(model, x, TARGET)
    twice = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.allclose(2 * a, b) for a, b in zip(once, twice, strict=True))


def test_the_network_settles_on_the_models_own_tensors() -> None:
    model, x = dense(nn.Tanh()), features(8)
    network = ModelNetwork(model, Settling())
    before = network.output(x)
    made = network.networks[0].weights["p1"]
    weight = model[2].weight
    assert made.data_ptr() == weight.data_ptr()
    with torch.no_grad():
        weight.mul_(2.0)
    assert not torch.allclose(network.output(x), before)
    model.load_state_dict({key: value.clone() for key, value in dense(nn.Tanh()).state_dict().items()})
    assert torch.allclose(network.output(x), before)


def test_a_sequential_of_ours_has_its_gradients_and_its_fixed_point() -> None:
    torch.manual_seed(0)
    model = mep.Sequential(
        mep.EPLayer(8, 7, "sigmoid"), nn.Linear(7, 6), nn.Tanh(), mep.EPLayer(6, 3, "tanh")
    )
    x = features(8).float()
    model.compute_ep_gradients(x, TARGET, beta=0.2, loss_type="mse")
    assert all(p.grad is not None for p in model.parameters())
    settled = model.settled(x, loss_type="mse", feedback_gain=1e-5)
    assert torch.allclose(settled, model(x), atol=1e-4)
    assert not torch.allclose(model.settled(x, loss_type="mse", feedback_gain=1.0), model(x), atol=1e-3)


def test_dropout_is_one_mask_for_all_phases_and_off_in_eval() -> None:
    """Silent units have no contrast at all; a second mask in the nudged phase would leave one."""
    model, x = seeded(nn.Linear(8, 40), nn.Tanh(), nn.Dropout(0.5), nn.Linear(40, 3)), features(8)
    network = ModelNetwork(model, Settling())
    first = network.gradients(x, TARGET).of[model[0].weight]
    silent = (first == 0).all(1)
    assert 8 <= int(silent.sum()) <= 32  # binomial, 40 units of 1/2: 3.8 deviations
    assert torch.equal((network.gradients(x, TARGET).of[model[3].weight] == 0).all(0), silent) is False
    model.eval()
    assert not bool((network.gradients(x, TARGET).of[model[0].weight] == 0).all(1).any())


def test_a_layer_added_later_is_seen() -> None:
    model, x = mep.Sequential(nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 3)), features(8).float()
    model.compute_ep_gradients(x, TARGET)
    model[1] = nn.ReLU()
    model.zero_grad()
    model.compute_ep_gradients(x, TARGET, beta=1e-3)
    exact = by_backprop(model, x, "cross_entropy")
    assert error([p.grad for p in model.parameters() if p.grad is not None], exact) < 0.01


def test_what_does_not_fit_is_refused() -> None:
    model, x = dense(nn.Tanh()), features(8)
    with pytest.raises(DataError, match=r"target: classes lie in 0 to 2; these reach 7"):
        mep.compute_ep_gradients(model, x, TARGET + 5)
    with pytest.raises(DataError, match=r"target: shape \(6, 4\) does not fit the output; give \(batch,\)"):
        mep.compute_ep_gradients(model, x, torch.zeros(BATCH, 4))
    with pytest.raises(DataError, match=r"x: shape \(6, 2, 4\) does not fit .* with a Flatten"):
        mep.compute_ep_gradients(model, x.reshape(BATCH, 2, 4), TARGET)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bata'"):
        mep.compute_ep_gradients(model, x, TARGET, bata=1.0)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"loss_type: 'nll' is out of range; give 'mse' or 'cross_entropy'"):
        mep.compute_ep_gradients(model, x, TARGET, loss_type="nll")
    with pytest.raises(UnsupportedError, match=r"float16.*float32 or float64, in one of them"):
        mep.compute_ep_gradients(dense(nn.Tanh()).half(), x, TARGET)
    images = seeded(nn.Linear(8, 4), nn.Tanh(), nn.Conv2d(1, 3, 3))
    with pytest.raises(UnsupportedError, match=r"layer '2': needs images, and what comes before has the sha"):
        mep.compute_ep_gradients(images, x, TARGET)
    for wrong in (TARGET[:1], TARGET[:5], torch.zeros(1, 3)):  # one row would serve every sample
        with pytest.raises(DataError, match=rf"target: {len(wrong)} for 6 samples; give one for each"):
            mep.compute_ep_gradients(model, x, wrong)
    with pytest.raises(DataError, match=r"target: a list; give a tensor"):
        mep.compute_ep_gradients(model, x, [0] * BATCH)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"x: a ndarray; give a tensor"):
        mep.compute_ep_gradients(model, x.numpy(), TARGET)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="x: holds no sample"):
        mep.compute_ep_gradients(model, x[:0], TARGET[:0])


def test_features_of_another_width_are_refused_and_leave_no_network_behind() -> None:
    model = dense(nn.Tanh())
    network = ModelNetwork(model, Settling())
    with pytest.raises(DataError, match=r"x: shape \(6, 5\) does not fit model layer '0'; give \(batch, 8\)"):
        network.gradients(features(5), TARGET)
    assert len(network.networks) == 1
    flat = seeded(nn.Flatten(), nn.Linear(8, 3))
    with pytest.raises(DataError, match=r"x: shape \(6, 2, 5\), \(6, 10\) when it gets there, does not fit"):
        mep.compute_ep_gradients(flat, features(2, 5), TARGET)
    with pytest.raises(DataError, match=r"does not fit model layer '0'; give \(batch, 1, height, width\)"):
        mep.compute_ep_gradients(convolutional(), features(8), TARGET)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (
            seeded(nn.Linear(8, 7), nn.Tanh(), nn.Linear(6, 3)),
            (8,),
            "'2': takes 6 inputs.* before has 7 units",
        ),
        (
            seeded(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 3)),
            (1, 6, 6),
            "'2': takes 3 channels, and what comes before has 2; give both the same",
        ),
        (
            seeded(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)),
            (1, 6, 6),
            "'3': takes 8 inputs, and what comes before has 32 units",
        ),
        (
            seeded(nn.Conv2d(1, 2, 5), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)),
            (1, 4, 4),
            "'0': nothing is left of images of 4 x 4; give larger ones",
        ),
    ],
)
def test_layers_that_do_not_follow_each_other_are_named(
    model: nn.Sequential, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        mep.compute_ep_gradients(model, features(*shape), TARGET)


def test_what_predictive_coding_has_not_is_refused_by_layer() -> None:
    energy = {"energy": "predictive_coding"}
    with pytest.raises(
        UnsupportedError, match=r"layer '0': predictive coding joins dense layers; remove it, or"
    ):
        mep.compute_ep_gradients(convolutional(), features(1, 6, 6), TARGET, **energy)
    dropped = seeded(nn.Linear(8, 7), nn.Tanh(), nn.Dropout(0.1), nn.Linear(7, 3))
    with pytest.raises(UnsupportedError, match=r"layer '0': predictive coding joins layers without dropout"):
        mep.smep(dropped.parameters(), dropped, energy="predictive_coding")
    with pytest.raises(ValueError, match=r"settle_lr: 0\.1 is of membranes, .* give None"):
        Settling(settle_lr=0.1, energy="predictive_coding")


def test_features_that_are_not_finite_leave_everything() -> None:
    model, x = dense(nn.Tanh()), features(8)
    x[0, 0] = torch.nan
    with pytest.raises(DataError, match="x: holds values that are not finite; give finite numbers"):
        mep.compute_ep_gradients(model, x, TARGET)
    assert all(p.grad is None for p in model.parameters())
