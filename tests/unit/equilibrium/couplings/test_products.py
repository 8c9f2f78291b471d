"""Products in bfloat16: which they are, what they are, and that nothing else in the process is."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.products import InBfloat16
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.response import Response
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import read_spec

ENDS = ("input", "output")
PRODUCTS = {"addmm", "addmm_", "linear", "matmul", "__matmul__"}


def network() -> Network:
    """Large matrices at the input and between the hidden layers, a small one at the output."""
    sizes = {"input": 300, "low": 256, "high": 256, "output": 10}
    names = list(sizes)
    return build(
        read_spec(
            {
                "name": "wide",
                "neurons": {"unit": {"activation": "tanh"}},
                "populations": {
                    name: {"shape": [n], "role": name if name in ENDS else "hidden"}
                    | ({} if name == "input" else {"neuron": "unit"})
                    for name, n in sizes.items()
                },
                "projections": {
                    post: {"pre": pre, "post": post, "connector": {"type": "dense"}, "feedback_gain": 0.3}
                    for pre, post in pairwise(names)
                },
                "equilibrium": {"free_steps": 12, "nudged_steps": 12, "nudge": {"beta": 0.1}},
            }
        )
    )


class Watch(TorchFunctionMode):
    """The precision that torch was set to in each product, by the shape of its last factor."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[frozenset[int], set[str]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in PRODUCTS:
            synapses = frozenset(args[0].shape if func.__name__ == "addmm_" else args[-1].shape)
            self.seen.setdefault(synapses, set()).add(torch.backends.mkldnn.matmul.fp32_precision)
        return result


def contrasts(compute: torch.dtype) -> tuple[dict[str, torch.Tensor], Watch]:
    model = EquilibriumNetwork(network(), torch.float32, compute)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(64, 300, generator=generator), torch.rand(64, 10, generator=generator)
    watch = Watch()
    with watch:
        free = free_phase(model, x)
        return dict(contrast(model, free, nudged_phase(model, free, y))), watch


def test_products_of_large_matrices_alone_are_in_bfloat16() -> None:
    _, watch = contrasts(torch.bfloat16)
    large, small = {frozenset((256, 300)), frozenset((256,))}, frozenset((10, 256))
    assert {k: v for k, v in watch.seen.items() if k in large} == {k: {"bf16"} for k in large}
    assert watch.seen[small] == {"none"}
    _, watch = contrasts(torch.float32)
    assert set().union(*watch.seen.values()) == {"none"}


def test_the_contrast_is_that_of_float32_to_the_rounding_of_bfloat16() -> None:
    wanted, (found, _) = contrasts(torch.float32)[0], contrasts(torch.bfloat16)
    for name, value in wanted.items():
        assert found[name].dtype == torch.float32
        error = float((found[name] - value).norm() / value.norm())
        assert error < 2.0**-6, name  # a few products in a row, each factor to 2^-9


def test_a_product_rounds_its_factors_and_nothing_else() -> None:
    """And where a CPU has no units for bfloat16, not even these."""
    coupling = EquilibriumNetwork(network(), torch.float32, torch.bfloat16).couplings["high"]
    x = torch.rand(64, 256, generator=torch.Generator().manual_seed(0))
    factors, plain = (x, coupling.weight), x.double() @ coupling.weight.double().T
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        factors = (x.bfloat16(), coupling.weight.bfloat16())
    wanted = factors[0].double() @ factors[1].double().T
    rounding = float((wanted - plain).norm() / plain.norm())
    assert rounding == 0.0 or rounding > 1e-4  # the next line can tell
    assert float((coupling.forward(x).double() - wanted).norm() / wanted.norm()) < 1e-6  # sums in float32


def test_a_product_that_fails_leaves_torch_as_it_was() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    model = EquilibriumNetwork(network(), torch.float32, torch.bfloat16)
    with pytest.raises(RuntimeError, match="shape"):
        model.couplings["high"].forward(torch.rand(2, 7))
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    with InBfloat16():
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"


def test_both_terms_of_a_contrast_in_one_product_are_their_sum() -> None:
    coupling = EquilibriumNetwork(network(), torch.float32, torch.bfloat16).couplings["high"]
    assert isinstance(coupling, DenseCoupling)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(64, 256, generator=generator).bfloat16().float() for _ in range(4)]
    pre, post = Response(*parts[:2]), Response(*parts[2:])
    into = torch.ones(256, 256)
    coupling.accumulate(pre, post, 0.5, into, 0.25)
    a, b, c, d = (part.double() for part in parts)
    wanted = 0.25 + 0.5 * coupling.energy_weight * (d.T @ a + c.T @ b)
    torch.testing.assert_close(into.double(), wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "compute"), [(torch.float64, torch.bfloat16), (torch.float32, torch.float16)]
)
def test_other_pairs_of_dtypes_are_refused(weights: torch.dtype, compute: torch.dtype) -> None:
    expected = f"projection 'low': only dense projections compute in {compute} with weights in {weights}, and"
    with pytest.raises(UnsupportedError, match=expected):
        EquilibriumNetwork(network(), weights, compute)
