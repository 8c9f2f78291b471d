"""Brian2's objects, made without touching its global state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mep_neuro.converters.to_brian2.equations import feedback, forward, group_equations, synapse_equations
from mep_neuro.errors import BackendMissingError, UnsupportedError
from mep_neuro.simulation.network import Population, Projection

TARGETS = ("numpy", "cython")


def import_brian2() -> Any:
    """The brian2 module, its device 'runtime'.

    Raises:
        BackendMissingError: It is not installed, or cannot be imported with the numpy at hand.
        UnsupportedError: The user has set another device.
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
    if brian2.get_device() is not brian2.all_devices["runtime"]:
        raise UnsupportedError(
            "brian2: another device than 'runtime' is set; call brian2.set_device('runtime')"
        )
    return brian2


def code_object_class(target: str) -> Any:
    """Brian2's class behind the name of a code generation target, to be given to each object.

    Raises:
        UnsupportedError: The name is none of `TARGETS`.
    """
    if target == "numpy":
        from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

        return NumpyCodeObject
    if target == "cython":
        from brian2.codegen.runtime.cython_rt import CythonCodeObject

        return CythonCodeObject
    raise UnsupportedError(f"brian2: unknown code generation target '{target}'; use {' or '.join(TARGETS)}")


@contextmanager
def code_generation(brian2: Any, target: str) -> Iterator[None]:
    """Give objects without a class of their own (a user's monitors) the target, while they are made."""
    before = brian2.prefs["codegen.target"]
    brian2.prefs["codegen.target"] = target
    try:
        yield
    finally:
        brian2.prefs["codegen.target"] = before


def neuron_group(
    brian2: Any,
    population: Population,
    identifier: str,
    parts: list[str],
    samples: int,
    clock: Any,
    code_class: Any,
) -> Any:
    """The NeuronGroup of a population, once for each sample."""
    group = brian2.NeuronGroup(
        samples * population.size,
        group_equations(population, parts),
        method="euler",
        namespace={},
        name=identifier,
        clock=clock,
        dtype=np.float64,
        codeobj_class=code_class,
    )
    group.tau_mem = population.tau_mem * brian2.second
    return group


def synapses(
    brian2: Any,
    projection: Projection,
    identifier: str,
    ends: tuple[Any, Any],
    samples: int,
    code_class: Any,
) -> Any:
    """The Synapses of a projection, once for each sample; `ends` are the pre and the post group."""
    made = brian2.Synapses(
        *ends,
        synapse_equations(identifier, own_feedback=projection.feedback_weight is not None),
        namespace={},
        name=identifier,
        clock=ends[1].clock,
        dtype=np.float64,
        codeobj_class=code_class,
    )
    one = projection.synapses
    sample = np.arange(samples)[:, None]
    made.connect(
        i=(one.pre + sample * (len(ends[0]) // samples)).ravel(),
        j=(one.post + sample * (len(ends[1]) // samples)).ravel(),
    )
    made.w = np.tile(projection.forward_weights, samples)
    if projection.feedback_weight is not None:
        made.b = np.tile(one.scale * projection.feedback_weight.ravel()[one.slot], samples)
    made.g = np.tile(one.gain, samples)
    return made


def part_names(projections: list[tuple[Projection, str]], population: str) -> list[str]:
    """The variables of a population into which these projections (each with its identifier) sum."""
    return [forward(i) for q, i in projections if q.post == population] + [
        feedback(i) for q, i in projections if q.pre == population
    ]
