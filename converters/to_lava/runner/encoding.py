"""From features to integer biases, and from states to rates and classes; numpy only."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bundle_file import Bundle

Ints = np.ndarray[Any, Any]


def drive_of(bundle: Bundle, features: Ints) -> Ints:
    """Constant current of each unit for features of shape (samples, inputs), dimensionless."""
    arrays = bundle.arrays
    x = (np.asarray(features, dtype=np.float64) - arrays["input_offset"]) / arrays["input_scale"]
    weight = np.zeros((x.shape[1], arrays["unit_bias"].size))
    np.add.at(weight, (arrays["input_pre"], arrays["input_post"]), arrays["input_weight"])
    drive: Ints = arrays["unit_bias"] + x @ weight
    return drive


def bias_of(bundle: Bundle, features: Ints) -> Ints:
    """Integer biases of EPSigmaDelta neurons, shape (samples, units)."""
    bias: Ints = np.rint(drive_of(bundle, features) * bundle.manifest["bias_scale"]).astype(np.int32)
    return bias


def lif_bias_of(bundle: Bundle, features: Ints) -> tuple[Ints, Ints]:
    """Mantissas and exponents of LIF neurons, each with the smallest exponent that holds it.

    Raises:
        ValueError: A current does not fit.
    """
    code, drive = bundle.manifest["code"], drive_of(bundle, features)
    if code["clamp"]:
        drive = np.concatenate([drive, drive - 1.0], axis=1)
    wanted = drive * bundle.manifest["bias_scale"]
    exponent = np.zeros(wanted.shape, dtype=np.int32)
    for _ in range(code["exponent_high"]):
        beyond = np.abs(np.rint(wanted / 2.0**exponent)) > code["mantissa_high"]
        exponent += beyond.astype(np.int32)
    mantissa = np.rint(wanted / 2.0**exponent).astype(np.int32)
    if (np.abs(mantissa) > code["mantissa_high"]).any():
        raise ValueError("inputs: a current does not fit the bias of a LIF neuron; scale the features down")
    return mantissa, exponent


def results(bundle: Bundle, states: Mapping[str, Ints], rates: Ints) -> dict[str, Ints]:
    """The states, the rates (samples, units) of each population, and the classes."""
    populations = bundle.manifest["populations"]
    parts = {
        f"rates_{name}": rates[:, p["offset"] : p["offset"] + p["size"]] for name, p in populations.items()
    }
    return {**states, **parts, "classes": _scores(bundle, rates).argmax(axis=1)}


def _scores(bundle: Bundle, rates: Ints) -> Ints:
    """What the class is read from: the output's rates, or the host's read-out of the settled rates."""
    readout = bundle.manifest["readout"]
    if readout["on"] == "chip":
        return rates[:, readout["offset"] : readout["offset"] + readout["size"]].copy()
    scores: Ints = rates @ bundle.arrays["readout_weight"].T + bundle.arrays["readout_bias"]
    return scores
