"""How a torch model settles: the keywords of the phases, checked."""

from dataclasses import dataclass

COSTS = {"mse": "squared_error", "cross_entropy": "cross_entropy"}


@dataclass(frozen=True)
class Settling:
    """How a model settles.

    Attributes:
        beta: Strength of the nudge; settled at -beta and +beta.
        settle_steps: Most half-sweeps of a phase; with `settle_lr`, most Euler steps.
        settle_lr: dt / tau of the membrane dynamics, all layers at once; None settles layer after layer,
            each at its optimum, which takes fewer steps.
        tolerance: Residual at which a sample has settled, dimensionless.
        loss_type: 'mse', C = 1/2 |s - y|^2, or 'cross_entropy'; the mean over the batch.
        feedback_gain: g of the design, in (0, 1]: weight of what each layer sends back.
        energy: 'hopfield' or 'predictive_coding'.
    """

    beta: float = 0.5
    settle_steps: int = 100
    settle_lr: float | None = None
    tolerance: float = 1e-4
    loss_type: str = "cross_entropy"
    feedback_gain: float = 0.1
    energy: str = "hopfield"

    def __post_init__(self) -> None:
        """Refuse what is out of range.

        Raises:
            ValueError: Names the argument, its value and what is allowed.
        """
        for key, holds, rule in (
            ("beta", self.beta > 0.0, "a number > 0"),
            ("settle_steps", type(self.settle_steps) is int and self.settle_steps >= 1, "an integer >= 1"),
            ("settle_lr", self.settle_lr is None or 0.0 < self.settle_lr <= 1.0, "in (0, 1], or None"),
            ("tolerance", self.tolerance > 0.0, "a number > 0"),
            ("loss_type", self.loss_type in COSTS, "'mse' or 'cross_entropy'"),
            ("feedback_gain", 0.0 < self.feedback_gain <= 1.0, "in (0, 1]"),
            ("energy", self.energy in ("hopfield", "predictive_coding"), "'hopfield' or 'predictive_coding'"),
        ):
            if not holds:
                raise ValueError(f"{key}: {getattr(self, key)!r} is out of range; give {rule}")
        if self.settle_lr is not None and self.energy == "predictive_coding":
            raise ValueError(
                f"settle_lr: {self.settle_lr!r} is of membranes, and predictive coding settles by sweeps; "
                "give None"
            )
