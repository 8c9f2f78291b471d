"""One mistake of a topology file: where it stands, what is wrong, what to do."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]

NAME_RULE = "start with a letter, then up to 63 letters, digits, '_' or '-', as in 'my_net'"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What people write who come from other tools, and the word of this file format for it.
_SYNONYMS = {
    "size": "shape",
    "units": "shape",
    "learning_rate": "lr",
    "from": "pre",
    "source": "pre",
    "to": "post",
    "target": "post",
    "tau": "tau_mem",
    "threshold": "tolerance",
    "v_th": "v_threshold",
    "v_rest": "v_leak",
    "e_l": "v_leak",
    "el": "v_leak",
    "cuba_lif": "lif",
    "iaf": "sif",
    "if": "sif",
    "annealed": "annealed_sigma_delta",
    "random": "normal",
    "gaussian": "normal",
    "mse": "squared_error",
    "ce": "cross_entropy",
    "symmetric": "centered",
    "clamp": "hard_sigmoid",
    "logistic": "sigmoid",
    "identity": "linear",
    "lattice3d": "lattice",
    "fully_connected": "dense",
    "all_to_all": "dense",
}


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file, both numbers from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Mistake:
    """What is wrong at a path of keys.

    Attributes:
        path: Keys from the top of the file.
        text: What is wrong; what to do.
        mark: The place, where the path alone does not tell it.
        at_key: Whether the key itself is wrong, and not its value.
    """

    path: KeyPath
    text: str
    mark: Mark | None = None
    at_key: bool = False


def dotted(path: KeyPath) -> str:
    """A path as text, such as populations.hidden.shape[0]; 'file' for the whole file."""
    text = ""
    for step in path[:8]:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN.fullmatch(step) else shown(step))
    return (text or "file") + ("..." if len(path) > 8 else "")


def shown(value: object) -> str:
    """A value on one line, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of more than 38 digits"
    text = repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:50]}..."


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    names = sorted(known)
    if _SYNONYMS.get(word.lower()) in names:
        return _SYNONYMS[word.lower()]
    folded = {name.lower().replace("-", "_"): name for name in names}
    found = difflib.get_close_matches(word[:80].lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """The message for a word that is none of the known ones."""
    names = sorted(known)
    if not names:
        return f"unknown {kind} {shown(word)}; remove it, or define it first"
    listed = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    found = closest(word, names)
    if found is None:
        return f"unknown {kind} {shown(word)}; write one of: {listed}"
    return f"unknown {kind} {shown(word)}; did you mean '{found}'? (known: {listed})"
