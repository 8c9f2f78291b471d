"""The local contrast: what each synapse sees at its two ends, nudged minus free."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged
from mep_neuro.equilibrium.response import Response

Term = Callable[[Tensor | None, float], Tensor]
"""`term(None, 0)` makes a parameter's contrast; `term(into, keep)` makes into = keep into + contrast."""


class Contrast(Mapping[str, Tensor]):
    """Contrasts of a batch by the names of `Network.arrays()`, averaged over it.

    A weight's contrast is one product of two matrices, made when it is read; `accumulate` adds it
    to a trace without a copy in between, as a synapse's eligibility does.

    Attributes:
        biases: Those of biases, shape (n,).
        finite: Whether all of them are known to be finite.
    """

    def __init__(
        self, weights: Mapping[str, Term], biases: Mapping[str, Tensor], others: Sequence[Tensor] = ()
    ) -> None:
        """Take how to make each weight's contrast, those of the biases, and other units' responses."""
        self._weights, self.biases = weights, biases
        # A bias's contrast sums its units' responses: where these are finite, so are their products.
        shown = [*biases.values(), *others]
        self.finite = bool(shown) and all(math.isfinite(float(response.sum())) for response in shown)

    def accumulate(self, name: str, into: Tensor, keep: float) -> None:
        """into = keep * into + contrast, in place."""
        if name in self._weights:
            self._weights[name](into, keep)
        else:
            into.mul_(keep).add_(self.biases[name])

    def __getitem__(self, name: str) -> Tensor:
        """The contrast of one parameter, shaped like it."""
        return self.biases[name] if name in self.biases else self._weights[name](None, 0.0)

    def __iter__(self) -> Iterator[str]:
        """Names of the weights, then of the biases."""
        yield from self._weights
        yield from self.biases

    def __len__(self) -> int:
        """Number of plastic parameters."""
        return len(self._weights) + len(self.biases)


def contrast(model: EquilibriumNetwork, free: Free, nudged: Nudged) -> Contrast:
    """Contrast of every plastic weight and bias, averaged over the batch; an estimate of -dC/dtheta.

    dW = k_post [s_post s_pre (plus) - s_post s_pre (minus)] / (beta_plus - beta_minus), with k the
    energy weight relative to the output (design, 'Words and equations'). A read-out outside the
    dynamics learns by the delta rule (y - s) s_pre at the free fixed point, which is the
    contrast's limit for weights that enter the cost alone.

    Source: Scellier and Bengio 2017, equation 11; Laborieux et al. 2021, equation 9.
    """
    share = 1.0 / free.input_rates.shape[0]
    weights: dict[str, Term] = {
        f"projections.{name}.weight": partial(_weight, coupling, ends, share)
        for name, coupling, ends in seen_at_ends(model, free, nudged)
    }
    for name, attention in model.attentions.items():
        if attention.plastic:
            pre, post = (plain_response(model, free, nudged, end) for end in (attention.pre, attention.post))
            made = attention.phase_contrast(pre, post, nudged.span, share)
            weights[f"projections.{name}.weight"] = partial(_made, made)
    biases = {}
    for name, energy_weight in model.plastic_biases.items():
        bias = bias_slope(nudged, name).mean(0)
        if isinstance(energy_weight, Tensor) or energy_weight != 1.0:
            bias.mul_(energy_weight)
        biases[f"populations.{name}.bias"] = model.shared(name, bias)
    fixed = [r.slope for name, r in nudged.responses.items() if name not in model.plastic_biases]
    return Contrast(weights, biases, [slope for slope in fixed if slope is not None])


def seen_at_ends(
    model: EquilibriumNetwork, free: Free, nudged: Nudged
) -> Iterator[tuple[str, Coupling, tuple[Response, Response]]]:
    """Name of every plastic projection but attention, its coupling, and what it sees of (pre, post)."""
    responses = _responses(model, free, nudged)
    for name, coupling in (*model.inputs.items(), *model.couplings.items()):
        if coupling.plastic:
            received = responses[coupling.post].received
            yield name, coupling, (_as_post_holds(model, responses, coupling.pre, coupling.post), received)
    for name, readout in model.readouts.items():
        if readout.plastic:
            seen = model.seen(name, free.point.states[readout.pre])
            yield name, readout, (Response(seen, None), Response(seen, nudged.output_error))


def plain_response(model: EquilibriumNetwork, free: Free, nudged: Nudged, name: str) -> Response:
    """The response of a population without its power of two."""
    mean, slope, _ = _responses(model, free, nudged)[name]
    return Response(mean, None if slope is None else slope * 2.0 ** -model.exponents[name])


def bias_slope(nudged: Nudged, name: str) -> Tensor:
    """What a bias sees of its unit over its energy weight, shape (batch, n)."""
    slope = nudged.responses[name].received.slope if name in nudged.responses else nudged.output_error
    assert slope is not None  # units with a bias are not clamped
    return slope


def _responses(model: EquilibriumNetwork, free: Free, nudged: Nudged) -> dict[str, Response]:
    return {**nudged.responses, model.input_name: Response(free.input_rates, None)}


def _as_post_holds(
    model: EquilibriumNetwork, responses: Mapping[str, Response], pre: str, post: str
) -> Response:
    """The response of pre times the power of two of post."""
    exponents, response = model.exponents, responses[pre]
    if response.slope is None or exponents[pre] == exponents[post]:
        return response
    return Response(response.mean, response.slope * 2.0 ** (exponents[post] - exponents[pre]))


def _weight(
    coupling: Coupling, ends: tuple[Response, Response], share: float, into: Tensor | None, keep: float
) -> Tensor:
    if into is None:
        return coupling.contrast(*ends, share)
    coupling.accumulate(*ends, share, into, keep)
    return into


def _made(value: Tensor, into: Tensor | None, keep: float) -> Tensor:
    return value if into is None else into.mul_(keep).add_(value)
