"""The optimizers that users of Equilibrium Propagation know, by their names and keywords.

Every keyword takes effect, unknown ones are refused, and the defaults are those of the prior system
except where the docstring says why not.
"""

from torch import nn

from mep_neuro.equilibrium.optimizers.ep_optimizer import EPOptimizer, Parameters
from mep_neuro.equilibrium.optimizers.rule import Rule
from mep_neuro.equilibrium.optimizers.sdmep_optimizer import DION_THRESH, SDMEPOptimizer
from mep_neuro.equilibrium.optimizers.settling import Settling


def sdmep(
    params: Parameters,
    model: nn.Module,
    *,
    mode: str = "ep",
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    beta: float = 0.3,
    settle_steps: int = 100,
    settle_lr: float | None = None,
    tolerance: float = 1e-4,
    loss_type: str = "cross_entropy",
    feedback_gain: float = 0.1,
    energy: str = "hopfield",
    gamma: float | None = 0.95,
    bound: str | None = None,
    bound_mode: str = "hard",
    ns_steps: int = 5,
    rank_frac: float = 0.2,
    dion_thresh: int | None = DION_THRESH,
    use_error_feedback: bool = True,
    error_beta: float = 1.0,
) -> SDMEPOptimizer:
    """EP with Muon for small matrices and Dion with error feedback for large ones.

    Args as of `SDMEPOptimizer`; `use_error_feedback` turns the feedback on, `error_beta`, 0 to 1, is its
    strength (its default was 0.9 of another definition, which collapsed).
    """
    return SDMEPOptimizer(
        params,
        lr,
        gamma,
        dion_thresh,
        rank_frac,
        error_beta if use_error_feedback else 0.0,
        model=model,
        mode=mode,
        momentum=momentum,
        weight_decay=weight_decay,
        ns_steps=ns_steps,
        beta=beta,
        settle_steps=settle_steps,
        settle_lr=settle_lr,
        tolerance=tolerance,
        loss_type=loss_type,
        feedback_gain=feedback_gain,
        energy=energy,
        bound=bound,
        bound_mode=bound_mode,
    )


def smep(
    params: Parameters,
    model: nn.Module,
    *,
    mode: str = "ep",
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    beta: float = 0.5,
    settle_steps: int = 100,
    settle_lr: float | None = None,
    tolerance: float = 1e-4,
    loss_type: str = "cross_entropy",
    feedback_gain: float = 0.1,
    energy: str = "hopfield",
    gamma: float | None = 0.95,
    bound: str | None = None,
    bound_mode: str = "hard",
    ns_steps: int = 5,
    use_error_feedback: bool = False,
) -> EPOptimizer:
    """EP with Muon.

    Args as of `SDMEPOptimizer`. The mode is 'ep' unless told, as its name says; loss_type
    'cross_entropy' reads out without feedback, so that `model(x)` is what was trained.

    Raises:
        ValueError: `use_error_feedback`: Muon steps in every direction and leaves nothing out.
    """
    if use_error_feedback:
        raise ValueError(
            "smep: use_error_feedback: Muon steps in every direction and leaves nothing to make up; use sdmep"
        )
    rule = Rule(lr, momentum=momentum, weight_decay=weight_decay, ns_steps=ns_steps, gamma=gamma)
    settling = Settling(beta, settle_steps, settle_lr, tolerance, loss_type, feedback_gain, energy)
    return EPOptimizer(
        params, rule, model=model, mode=mode, settling=settling, bound=bound, bound_mode=bound_mode
    )


def local_ep(
    params: Parameters,
    model: nn.Module,
    *,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    beta: float = 0.1,
    settle_steps: int = 100,
    settle_lr: float | None = None,
    tolerance: float = 1e-4,
    loss_type: str = "cross_entropy",
    feedback_gain: float = 0.1,
    energy: str = "hopfield",
    gamma: float | None = 0.95,
    bound_mode: str = "hard",
) -> EPOptimizer:
    """EP whose steps are local too: each synapse moves along its own contrasts, with momentum.

    Args as of `SDMEPOptimizer`.
    """
    rule = Rule(lr, momentum=momentum, weight_decay=weight_decay, update="plain", gamma=gamma)
    settling = Settling(beta, settle_steps, settle_lr, tolerance, loss_type, feedback_gain, energy)
    return EPOptimizer(params, rule, model=model, settling=settling, bound_mode=bound_mode)


def natural_ep(
    params: Parameters,
    model: nn.Module,
    *,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    beta: float = 0.5,
    settle_steps: int = 100,
    settle_lr: float | None = None,
    tolerance: float = 1e-4,
    loss_type: str = "cross_entropy",
    feedback_gain: float = 0.1,
    energy: str = "hopfield",
    gamma: float | None = 0.95,
    bound_mode: str = "hard",
    fisher_damping: float = 1e-3,
    use_diagonal_fisher: bool = False,
) -> EPOptimizer:
    """EP with contrasts divided by the root of their own second moments, an empirical Fisher matrix.

    Args:
        fisher_damping: Added to the Fisher matrix over its mean.
        use_diagonal_fisher: One number for each weight instead of a matrix for each side.
        params, model, others: As of `SDMEPOptimizer`.
    """
    rule = Rule(
        lr,
        momentum=momentum,
        weight_decay=weight_decay,
        update="natural",
        fisher_damping=fisher_damping,
        use_diagonal_fisher=use_diagonal_fisher,
        gamma=gamma,
    )
    settling = Settling(beta, settle_steps, settle_lr, tolerance, loss_type, feedback_gain, energy)
    return EPOptimizer(params, rule, model=model, settling=settling, bound_mode=bound_mode)


def muon_backprop(
    params: Parameters,
    *,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    ns_steps: int = 5,
    use_spectral: bool = False,
    gamma: float = 0.95,
    bound_mode: str = "hard",
) -> EPOptimizer:
    """Muon on gradients of backpropagation, to compare with: `loss.backward()`, then `step()`.

    Args:
        use_spectral: Keep the largest singular value of each matrix at or below gamma. Off by default:
            bounding input and read-out matrices costs accuracy (docs/optimizers.md).
        gamma: That bound.
        params, others: As of `SDMEPOptimizer`.
    """
    bounded = gamma if use_spectral else None
    rule = Rule(lr, momentum=momentum, weight_decay=weight_decay, ns_steps=ns_steps, gamma=bounded)
    return EPOptimizer(params, rule, mode="backprop", bound_mode=bound_mode)
