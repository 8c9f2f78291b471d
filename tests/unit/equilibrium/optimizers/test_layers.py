"""Which torch models are EP networks; the others are refused with the layer named."""

import pytest
import torch
from torch import nn

from mep_neuro.equilibrium.optimizers.layers import read_layers
from mep_neuro.equilibrium.optimizers.modules import EPLayer
from mep_neuro.errors import UnsupportedError


def test_a_network_of_everything_is_read() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.AvgPool2d(2), nn.ReLU()),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, 8),
        nn.Hardtanh(0.0, 1.0),
        EPLayer(8, 5, "tanh"),
        nn.Identity(),
        nn.Linear(5, 3, bias=False),
    )
    layers = read_layers(model).layers
    assert [layer.name for layer in layers] == ["0.0", "1", "3", "6", "8", "10"]
    assert [layer.activation for layer in layers] == ["relu", "sigmoid", None, "hard_sigmoid", "tanh", None]
    assert [layer.pool for layer in layers] == [2, 1, 2, 1, 1, 1]  # the first mean is the convolution's own
    assert [layer.dropout for layer in layers] == [0.0, 0.0, pytest.approx(0.2), 0.0, 0.0, 0.0]
    assert layers[2].weight is None
    assert layers[5].bias is None


def test_what_stands_before_the_first_layer_prepares_the_features() -> None:
    layers = read_layers(nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 2)))
    assert len(layers.layers) == 1
    assert layers.features(torch.ones(3, 1, 4, 4)).shape == (3, 4)


twice = nn.Linear(4, 4)
computed = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
REFUSED = {
    r"'1' \(BatchNorm1d.*cannot be part of an EP network; known layers: Linear, Conv2d": [nn.BatchNorm1d(4)],
    r"'1' \(Softmax.*loss_type 'cross_entropy' applies it": [nn.Softmax(1)],
    r"'1' \(Hardtanh.*write Hardtanh\(0\.0, 1\.0\), or Tanh": [nn.Hardtanh()],
    r"'1' \(ReLU6.*cannot be part": [nn.ReLU6()],
    r"'2' \(Tanh.*an activation follows a Linear": [nn.ReLU(), nn.Tanh()],
    r"'1' \(Flatten.*write Flatten\(\)": [nn.Flatten(0)],
    r"'1' \(AvgPool2d.*write AvgPool2d\(n\)": [nn.AvgPool2d(3, stride=1)],
    r"'1': dropout acts on hidden units": None,
    r"'1' \(Conv2d.*of one group": [nn.Conv2d(4, 4, 3, groups=2)],
    r"'1' \(Conv2d.*square": [nn.Conv2d(4, 4, (3, 5))],
    r"'1' \(Conv2d.*same on every side": [nn.Conv2d(4, 4, 3, padding=(0, 1))],
    r"'1' \(Conv2d.*needs an odd kernel": [nn.Conv2d(4, 4, 2, padding="same")],
    r"'1' \(ParametrizedLinear.*remove the parametrization": [
        nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
    ],
    r"two layers share a weight": [twice, twice],
}


@pytest.mark.parametrize("message", REFUSED)
def test_the_layer_is_named(message: str) -> None:
    more = REFUSED[message]
    model = nn.Sequential(nn.Linear(4, 4), *(more or [nn.Linear(4, 4), nn.Dropout(0.5)]))
    with pytest.raises(UnsupportedError, match=message):
        read_layers(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Dropout(0.1), nn.Linear(2, 2)), r"'0' \(Dropout.*dropout of the input"),
        (nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), r"'0' \(ReLU.*an activation follows"),
        (nn.Sequential(), "has no layer that learns"),
        (nn.Sequential(nn.LazyLinear(2)), r"'0' \(LazyLinear.*its shape is not known yet"),
        (nn.LSTM(2, 2), r"'LSTM' \(LSTM\(2, 2\)\): cannot be part of an EP network"),
    ],
)
def test_models_that_begin_wrongly(model: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        read_layers(model)
