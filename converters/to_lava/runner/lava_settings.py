"""The run configuration by name, and synapses as Lava's Sparse."""

from typing import Any

from lava_on_python311 import hashable_dataclasses

SIMULATION = "Loihi2SimCfg"
TAGS = {"fixed": "fixed_pt", "float": "floating_pt"}


def run_configuration(name: str, precision: str) -> Any:
    """An instance of a run configuration.

    Args:
        name: Of lava.magma.core.run_configs, such as Loihi2HwCfg with the vendor's compiler.
        precision: 'fixed' or 'float'. Simulations are told the tag: without it Lava takes float models.
            A configuration of hardware has its own rules.

    Raises:
        LookupError: There is none of this name, or it needs what is not installed.
    """
    with hashable_dataclasses():
        from lava.magma.core import run_configs

    known = sorted(kind for kind in vars(run_configs) if kind.endswith(("SimCfg", "HwCfg")))
    if name not in known:
        raise LookupError(f"--run-config {name}: unknown; give one of Lava's: {', '.join(known)}")
    configuration: Any = getattr(run_configs, name)
    if not name.endswith("SimCfg") and not _has_vendor():
        raise LookupError(
            f"--run-config {name}: needs the vendor's compiler (lava-loihi), which is not installed; "
            f"run it on a host that has it, or leave --run-config out"
        )
    return configuration(select_tag=TAGS[precision]) if name.endswith("SimCfg") else configuration()


def _has_vendor() -> bool:
    """Whether Lava's models of hardware can be imported; lava-nc from PyPI comes without them."""
    try:
        with hashable_dataclasses():
            from lava.magma.core.model.nc.model import AbstractNcProcessModel  # noqa: F401
    except ImportError:
        return False
    return True


def sparse(weights: tuple[Any, tuple[Any, Any]], shape: tuple[int, int], settings: dict[str, Any]) -> Any:
    """A Sparse process.

    Args:
        weights: Integers as (values, (rows, columns)).
        shape: (post, pre).
        settings: num_message_bits, num_weight_bits, weight_exp where it is not 0, and the name of the sign
            mode. Not told the mode, Lava infers it from the weights, and with positive ones alone odd
            weights survive.
    """
    with hashable_dataclasses():
        from lava.proc.sparse.models import csr_matrix
        from lava.proc.sparse.process import Sparse
        from lava.utils.weightutils import SignMode

    given = {**settings, "sign_mode": SignMode[settings["sign_mode"]]}
    return Sparse(weights=csr_matrix(weights, shape=shape), **given)
