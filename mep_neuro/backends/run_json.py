"""What a RUN takes from its caller as JSON: settings and records of metrics."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mep_neuro.errors import RunFolderError


def json_settings(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON gives them back: tuples are lists.

    Raises:
        RunFolderError: JSON does not hold a value.
    """
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(settings), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise RunFolderError(
            f"{path}: settings: no JSON ({error}); give text, finite numbers, lists and mappings"
        ) from error
    return plain


def json_line(path: Path, record: Mapping[str, Any]) -> str:
    """A record of metrics.jsonl; numpy's scalars are plain numbers in it.

    Raises:
        RunFolderError: JSON does not hold a value.
    """
    try:
        return json.dumps(dict(record), allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise RunFolderError(
            f"{path}: metrics: {record!r} is no JSON ({error}); "
            "give text and finite numbers, None for no number"
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
