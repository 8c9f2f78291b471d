"""The local contrast: what each synapse sees at its two ends, nudged minus free."""

from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged
from mep_neuro.equilibrium.response import Response


def contrast(model: EquilibriumNetwork, free: Free, nudged: Nudged) -> dict[str, Tensor]:
    """Contrast of every plastic weight and bias, averaged over the batch; an estimate of -dC/dtheta.

    dW = k_post [s_post s_pre (plus) - s_post s_pre (minus)] / (beta_plus - beta_minus), with k the
    energy weight relative to the output (design, 'Words and equations'). A read-out outside the
    dynamics learns by the delta rule (y - s) s_pre at the free fixed point, which is the
    contrast's limit for weights that enter the cost alone.

    Returns:
        Tensors like the parameters, by the names of `Network.arrays()`.

    Source: Scellier and Bengio 2017, equation 11; Laborieux et al. 2021, equation 9.
    """
    share = 1.0 / free.input_rates.shape[0]
    responses = {**nudged.responses, model.input_name: Response(free.input_rates, None)}
    total: dict[str, Tensor] = {}
    for name, coupling in (*model.inputs.items(), *model.couplings.items()):
        if coupling.plastic:
            total[f"projections.{name}.weight"] = coupling.contrast(
                responses[coupling.pre], responses[coupling.post], share
            )
    for name, attention in model.attentions.items():
        if attention.plastic:
            ends = responses[attention.pre], responses[attention.post]
            total[f"projections.{name}.weight"] = attention.phase_contrast(*ends, nudged.span, share)
    for name, coupling in model.readouts.items():
        if coupling.plastic:
            seen = model.seen(name, free.point.states[coupling.pre])
            total[f"projections.{name}.weight"] = coupling.contrast(
                Response(seen, None), Response(seen, nudged.output_error), share
            )
    for name, energy_weight in model.plastic_biases.items():
        slope = responses[name].slope if name in responses else nudged.output_error
        assert slope is not None
        bias = slope.sum(0).mul_(share)
        bias = bias if energy_weight is None else bias.mul_(energy_weight)
        total[f"populations.{name}.bias"] = model.shared(name, bias)
    return total
