"""The sections of a topology file that say how a network settles and learns."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mep_neuro.topology.mistakes import shown
from mep_neuro.topology.section import Count, Fraction, Positive, Section, Share, Time


def _beta(value: object) -> object:
    if value == "auto" or (type(value) in (int, float) and 0 < float(str(value)) < float("inf")):
        return value
    if value is None:
        raise ValueError("is empty; write a number, or auto")
    if isinstance(value, str):
        raise ValueError(f"{value!r} is neither a number nor auto; write one of them, without quotes or unit")
    raise ValueError(f"{shown(value)} is out of range; write a number > 0, or auto")


class Nudge(Section):
    """The nudged phase: a constant current -beta dC/ds, taken at the free fixed point."""

    beta: Annotated[Literal["auto"] | float, BeforeValidator(_beta)] = Field(
        0.1, description="strength of the nudge; 'auto' is the largest of each sample within linear_range"
    )
    linear_range: Fraction | None = Field(
        None, description="of beta: auto: how far the nudge may move a unit, and pull at one; 0.05 if empty"
    )
    schedule: Literal["constant", "linear"] = Field(
        "constant", description="'linear' lets beta fall to a tenth of itself over the training"
    )
    phases: Literal["centered", "frozen", "one_sided", "random_sign"] = Field(
        "centered",
        description="-beta and +beta; the same about the free phase's currents, with one settle for both; "
        "0 and +beta; or 0 and one of -beta and +beta, drawn for each batch",
    )
    cost: Literal["squared_error", "cross_entropy"] = Field(
        "squared_error", description="C; cross_entropy of settling outputs is that of their softmax"
    )
    max_current: Positive | None = Field(
        None, description="lowers beta per sample so that no unit is nudged by more than this"
    )


class Equilibrium(Section):
    """How the network settles."""

    energy: Literal["hopfield", "predictive_coding"] = Field(
        "hopfield", description="coupled rates; or errors between layers, which settle forwards"
    )
    solver: Literal["sweeps", "synchronous", "momentum", "anderson", "lean", "event_driven"] = Field(
        "sweeps",
        description="block updates back and forth; the membrane dynamics step by step; over-relaxed sweeps; "
        "extrapolated sweeps; sweeps in the least memory; differences sent through a threshold",
    )
    tolerance: Positive = Field(1e-4, description="largest |s - rho(current)| of a settled sample")
    max_steps: Count = Field(200, description="steps after which a settle gives up")
    free_steps: Count | None = Field(
        None, description="exactly so many steps in training's free phase, residual measured once an epoch"
    )
    nudged_steps: Count | None = Field(None, description="the same of the nudged phase")
    slots: Count = Field(128, description="steps of dt in each phase of spiking neurons")
    nudge: Nudge = Field(default_factory=Nudge)
    dt: Time = Field(0.001, gt=0, description="time step of the membrane dynamics, such as '1 ms'")


class Learning(Section):
    """How contrasts become updates."""

    rule: Literal["contrastive"] = "contrastive"
    mode: Literal["phased", "continual"] = Field(
        "phased", description="weights change after the phases, or after every half-sweep of the nudged one"
    )
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="update rule")
    lr: Positive = Field(0.1, description="learning rate")
    momentum: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(0.9, description="of sgd")
    schedule: Literal["constant", "linear"] = Field("linear", description="'linear' decays lr to 0")
    batch_size: Count = Field(64, description="samples per update")
    epochs: Count = Field(20, description="passes over the training part, unless --epochs says otherwise")


class Homeostasis(Section):
    """Each unit scales its coupled synapses until the sum of their sizes is at most `target`."""

    rate: Fraction = Field(0.5, description="share of the way to the target at each consolidation")
    target: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.9, description="largest sum of |w| into a unit; below 1 the coupled map contracts"
    )


class Importance(Section):
    """When a task ends, how much each weight matters to it is measured; later tasks pull it back by that.

    Minimises the cost plus strength / 2 sum F (w - w*)^2, F the mean squared contrast of a sample.
    """

    strength: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = Field(
        10.0, description="of the pull back; 0 measures and pulls nowhere"
    )
    samples: Count = Field(1000, description="training samples to measure on")


class Consolidation(Section):
    """Every `period` updates: an orthogonalised step, and the spectral bound gamma."""

    period: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6} updates?$")] = Field(
        "1 update", description="such as '10 updates'"
    )
    method: Literal["none", "muon", "dion", "auto"] = Field(
        "none", description="orthogonalised steps of matrices; 'auto' takes dion for those of many weights"
    )
    lr: Positive = Field(0.02, description="learning rate of the orthogonalised step")
    rank: Count | None = Field(None, description="of dion: directions of each step")
    rank_frac: Fraction | None = Field(
        None, description="of dion: rank over the smaller side of a matrix; 0.25 if both are empty"
    )
    dion_thresh: Count | None = Field(
        None, description="of auto: weights of a matrix from which on dion replaces muon; 100000 if empty"
    )
    error_feedback: Share | None = Field(
        None, description="of dion: share of what a step leaves out that later steps make up; 1 if empty"
    )
    carry_error: Share | None = Field(
        None, description="of dion: share of the residual that a run after another starts with; 0 if empty"
    )
    spectral_bound: Positive | None = Field(
        None, description="gamma: largest eigenvalue allowed in the coupled map"
    )
    bound_of: Literal["coupled_map", "matrices"] | None = Field(
        None, description="what spectral_bound bounds: coupled_map if empty; or each plastic weight matrix"
    )
    bound_mode: Literal["hard", "soft"] | None = Field(
        None, description="hard rescales to the bound at once, as if empty; soft goes a tenth of the way"
    )
    homeostasis: Homeostasis | None = Field(
        None, description="a local way to keep the coupled map contracting, instead of spectral_bound"
    )
    importance: Importance | None = Field(
        None, description="keeps what earlier tasks need, in a run that goes on after another"
    )

    @property
    def guaranteed(self) -> float | None:
        """The radius that the coupled map has at most after a consolidation; None where nothing holds it."""
        held = self.bound_of != "matrices" and self.bound_mode != "soft"
        return self.spectral_bound if held else None

    @property
    def updates(self) -> int:
        """The period as a number of updates."""
        return int(self.period.split()[0])
