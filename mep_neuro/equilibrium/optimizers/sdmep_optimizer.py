"""The optimizer that large models take: Muon for small matrices, Dion with error feedback for large ones."""

from torch import nn

from mep_neuro.equilibrium.optimizers.ep_optimizer import EPOptimizer, Parameters
from mep_neuro.equilibrium.optimizers.rule import Rule
from mep_neuro.equilibrium.optimizers.settling import Settling

DION_THRESH = 100_000


class SDMEPOptimizer(EPOptimizer):
    """Muon for small matrices, Dion with error feedback for large ones, under a spectral bound."""

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.02,
        gamma: float | None = 0.95,
        dion_thresh: int | None = DION_THRESH,
        rank_frac: float = 0.2,
        error_feedback: float | bool = True,
        *,
        model: nn.Module | None = None,
        mode: str | None = None,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        ns_steps: int = 5,
        rank: int | None = None,
        beta: float = 0.3,
        settle_steps: int = 100,
        settle_lr: float | None = None,
        tolerance: float = 1e-4,
        loss_type: str = "cross_entropy",
        feedback_gain: float = 0.1,
        energy: str = "hopfield",
        bound: str | None = None,
        bound_mode: str = "hard",
    ) -> None:
        """Set everything.

        Args:
            params: As any torch optimizer takes them.
            lr: Learning rate, of orthogonal steps and of biases.
            gamma: Spectral bound; None for none.
            dion_thresh: Weights of a matrix from which on Dion takes Muon's place; None for never.
            rank_frac: Rank of Dion over the smaller side of a matrix.
            error_feedback: Share, 0 to 1, of what a step of Dion leaves out that later steps make up.
            model: The model; without it the mode is 'backprop'.
            mode: 'ep' or 'backprop'.
            momentum: mu.
            weight_decay: Decoupled, as in AdamW.
            ns_steps: Newton-Schulz iterations of Muon.
            rank: Of Dion, instead of `rank_frac`.
            beta: Strength of the nudge, at -beta and +beta.
            settle_steps: Most half-sweeps of a phase; with `settle_lr`, most Euler steps.
            settle_lr: dt / tau of the membrane dynamics; None settles layer after layer, which is faster
                and is the default for that.
            tolerance: Residual at which a sample has settled.
            loss_type: 'mse' or 'cross_entropy'.
            feedback_gain: g: weight of what each layer sends back.
            energy: 'hopfield' or 'predictive_coding'.
            bound: 'coupled' or 'matrix'; None is 'coupled' in mode 'ep'.
            bound_mode: 'hard' or 'soft'.

        Raises:
            ValueError: A value is out of range, or a parameter is none of the model's.
            UnsupportedError: The model cannot be an EP network; names the layer.
        """
        super().__init__(
            params,
            Rule(
                lr,
                momentum=momentum,
                weight_decay=weight_decay,
                ns_steps=ns_steps,
                dion_thresh=dion_thresh,
                rank=rank,
                rank_frac=rank_frac,
                error_feedback=float(error_feedback),
                gamma=gamma,
            ),
            model=model,
            mode=mode,
            settling=Settling(beta, settle_steps, settle_lr, tolerance, loss_type, feedback_gain, energy),
            bound=bound,
            bound_mode=bound_mode,
        )
