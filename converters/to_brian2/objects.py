"""Brian2's objects, made without touching its global state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.equations import (
    feedback,
    forward,
    group_equations,
    synapse_equations,
    watching,
)
from mep_neuro.errors import BackendMissingError, UnsupportedError
from mep_neuro.simulation.network import Population, Projection

Array = NDArray[np.float64]


def import_brian2() -> Any:
    """The brian2 module.

    Raises:
        BackendMissingError: It is not installed, or cannot be imported with the numpy at hand.
    """
    try:
        import brian2
    except (ImportError, AttributeError) as error:  # 2.9 meets AttributeError (ndarray.ptp) with numpy 2.4
        if isinstance(error, ModuleNotFoundError) and error.name == "brian2":
            raise BackendMissingError("brian2: not installed; pip install 'mep-neuro[brian2]'") from error
        raise BackendMissingError(
            f"brian2: cannot be imported with numpy {np.__version__} ({error}); "
            "pip install 'mep-neuro[brian2]' chooses versions that fit (brian2 2.9 needs numpy below 2.4)"
        ) from error
    return brian2


def require_runtime(brian2: Any) -> None:
    """Refuse to make runtime objects on another device.

    Raises:
        UnsupportedError: The user has set another device.
    """
    if brian2.get_device() is not brian2.all_devices["runtime"]:
        raise UnsupportedError(
            "brian2: another device than 'runtime' is set; call brian2.set_device('runtime'), or convert "
            "with target='cpp_standalone'"
        )


def code_object_class(target: str) -> Any:
    """Brian2's class behind a runtime target, to be given to each object; None for a standalone program."""
    if target == "numpy":
        from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

        return NumpyCodeObject
    if target == "cython":
        from brian2.codegen.runtime.cython_rt import CythonCodeObject

        return CythonCodeObject
    return None


@contextmanager
def preferences(brian2: Any, changed: Mapping[str, Any]) -> Iterator[None]:
    """Brian2's preferences with these values, and as they were afterwards."""
    before = {name: brian2.prefs[name] for name in changed}
    try:
        for name, value in changed.items():
            brian2.prefs[name] = value
        yield
    finally:
        for name, value in before.items():
            brian2.prefs[name] = value


@contextmanager
def code_generation(brian2: Any, target: str) -> Iterator[None]:
    """Give objects without a class of their own (a user's monitors) the target, while they are made."""
    with preferences(brian2, {"codegen.target": target}):
        yield


@dataclass(frozen=True)
class Maker:
    """What the objects of one model share.

    Attributes:
        brian2: The module.
        samples: Presentations at once: every population and projection is made once for each.
        clock: Their clock.
        code_class: Class of their code; None on a standalone device.
        watched: Whether units note when they were last away from the fixed point (standalone).
    """

    brian2: Any
    samples: int
    clock: Any
    code_class: Any
    watched: bool

    def neuron_group(self, population: Population, identifier: str, parts: list[str]) -> Any:
        """The NeuronGroup of a population."""
        equations = group_equations(population, parts, watched=self.watched)
        group = self.group(self.samples * population.size, equations, identifier)
        group.tau_mem = population.tau_mem * self.brian2.second
        if self.watched:
            group.run_regularly(
                watching(population), when="end", clock=self.clock, name=f"{identifier}_watch"
            )
        return group

    def group(self, size: int, equations: str, identifier: str) -> Any:
        """A NeuronGroup of these equations."""
        # Euler is the reference's step; Brian2 itself would choose an exact one, and take another path.
        return self.brian2.NeuronGroup(size, equations, method="euler", name=identifier, **self.shared())

    def synapses(self, projection: Projection, identifier: str, pre: Any, post: Any) -> Any:
        """The Synapses of a projection; its weights are given by `projection_values`."""
        made = self.brian2.Synapses(
            pre,
            post,
            synapse_equations(
                identifier,
                own_feedback=projection.feedback_weight is not None,
                one_gain=has_one_gain(projection),
            ),
            name=identifier,
            **self.shared(),
        )
        self.connect(made, projection)
        return made

    def connect(self, made: Any, projection: Projection) -> None:
        """Every synapse of a projection, once for each sample."""
        one, sample, order = projection.synapses, np.arange(self.samples)[:, None], order_of(projection)
        made.connect(
            i=(one.pre[order] + sample * (len(made.source) // self.samples)).ravel(),
            j=(one.post[order] + sample * (len(made.target) // self.samples)).ravel(),
        )

    def shared(self) -> dict[str, Any]:
        """Arguments of every group and Synapses."""
        return {
            "namespace": {},
            "clock": self.clock,
            "dtype": np.float64,
            "codeobj_class": self.code_class,
        }


def projection_values(projection: Projection, samples: int) -> dict[str, Array]:
    """The variables of a projection's Synapses, shape (samples * synapses,) each."""
    one, order = projection.synapses, order_of(projection)
    gain = one.gain[:1] if has_one_gain(projection) else np.tile(one.gain[order], samples)
    values = {"w": np.tile(projection.forward_weights[order], samples), "g": gain}
    if projection.feedback_weight is not None:
        back = one.scale * projection.feedback_weight.ravel()[one.slot]
        values["b"] = np.tile(back[order], samples)
    return values


def order_of(projection: Projection) -> NDArray[np.intp]:
    """The order in which Brian2 holds the synapses of a sample: any, but for the ends of neighbours.

    Synapse after synapse into one unit, each sum would wait for the one before; shuffled, a step of
    784-256-10 takes 0.6 of the time in a standalone program (and the same on numpy).
    """
    return np.random.default_rng(0).permutation(projection.synapses.pre.size)


def has_one_gain(projection: Projection) -> bool:
    """Whether all synapses have the same feedback gain; on a lattice it varies with the slices."""
    gain = projection.synapses.gain
    return bool(gain.size) and bool((gain == gain[0]).all())


def part_names(projections: list[tuple[Projection, str]], population: str) -> list[str]:
    """The variables of a population into which these projections (each with its identifier) sum."""
    return [forward(i) for q, i in projections if q.post == population] + [
        feedback(i) for q, i in projections if q.pre == population
    ]
