"""Training by Equilibrium Propagation uses no autograd; the guard is shown to see it where it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.trainer import Gradient, Trainer, equilibrium_propagation
from mep_neuro.topology.reader import read_spec


class AutogradUsed(Exception):
    """A graph was made or run."""


class NoGraph(TorchFunctionMode):
    """Every result of every torch function called from Python: none may carry a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor) and (value.requires_grad or value.grad_fn is not None):
                raise AutogradUsed(f"{func} gave a tensor that requires grad")
        return result


@contextmanager
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[NoGraph]:
    """Autograd raises, though it is enabled; it must not be used rather than switched off."""

    torch.optim.SGD([torch.zeros(1)], lr=1.0).step()  # imports what would look at the patched functions

    def refuse(*args: object, **kwargs: object) -> None:
        raise AutogradUsed("autograd was asked for a gradient")

    with monkeypatch.context() as patched, NoGraph() as mode:
        patched.setattr(torch.Tensor, "backward", refuse)
        patched.setattr(torch.autograd, "backward", refuse)
        patched.setattr(torch.autograd, "grad", refuse)
        assert torch.is_grad_enabled()
        yield mode


def settings(name: str, optimizer: str) -> dict[str, Any]:
    mapping = read_spec(name).to_mapping()
    mapping["learning"]["optimizer"] = "adam" if optimizer == "adam" else "sgd"
    mapping["consolidation"] |= {"method": "muon" if optimizer == "muon" else "none", "period": "2 updates"}
    return mapping


def trained(name: str, optimizer: str, gradient: Gradient) -> Trainer:
    data = load_data("digits")
    trainer = Trainer(
        load(settings(name, optimizer)), data.x_train[:256], data.y_train[:256], epochs=1, gradient=gradient
    )
    trainer.prepare()
    while not trainer.finished:
        trainer.advance()
    return trainer


CASES = [
    (name, optimizer)
    for name in ("digits_mlp", "digits_cube")
    for optimizer in ("sgd", "adam", "muon")
    if (name, optimizer) != ("digits_cube", "muon")  # lattices take Adam or SGD
]


@pytest.mark.parametrize(("name", "optimizer"), CASES)
def test_no_graph_is_made_or_run_in_training(
    name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(settings(name, optimizer)).arrays()
    with guard(monkeypatch) as mode:
        trainer = trained(name, optimizer, equilibrium_propagation)
    assert mode.calls > 500  # the guard did look
    changed = {key for key, value in trainer.model.arrays().items() if not np.array_equal(value, before[key])}
    assert any(key.endswith(".weight") for key in changed)  # and it did train
    tensors = [*trainer.model.parameters(), *trainer.model.buffers()]
    assert tensors
    assert not any(tensor.requires_grad or tensor.grad_fn is not None for tensor in tensors)


def test_the_guard_refuses_backpropagation(monkeypatch: pytest.MonkeyPatch) -> None:
    with guard(monkeypatch), pytest.raises(AutogradUsed):
        trained("digits_mlp", "sgd", backpropagation)


def test_the_guard_refuses_a_graph_that_nobody_asks_for_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("digits_mlp")
    model.weights["hidden_output"].requires_grad_(True)
    features = torch.zeros(2, 64)
    with guard(monkeypatch), pytest.raises(AutogradUsed, match="requires grad"):
        equilibrium_propagation(model, features, torch.zeros(2, 10))


def test_backpropagation_leaves_nothing_that_requires_grad() -> None:
    model = trained("digits_mlp", "sgd", backpropagation).model
    assert not any(parameter.requires_grad for parameter in model.parameters())
