"""From what a user names (a library network or a file) to its text."""

from pathlib import Path

from mep_neuro.topology.library import library_names, library_path
from mep_neuro.topology.mistakes import Mistake, closest
from mep_neuro.topology.tree import Unreadable

MAX_BYTES = 4_000_000  # 60 000 projections written on one line each; about 15 s of reading


def path_of(source: str | Path) -> Path:
    """The file that is meant: a name of the library, else a path."""
    if isinstance(source, str) and source in library_names():
        return library_path(source)
    return Path(source)


def text_of(path: Path) -> str:
    """The text of a topology file.

    Raises:
        Unreadable: There is no such file, or it is no text, or too large.
    """
    raw = _bytes_of(path)
    if len(raw) > MAX_BYTES:
        raise _unreadable(f"has more than {MAX_BYTES} bytes; describe the network by fewer projections")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable("is not UTF-8 but UTF-16; save it as UTF-8")
    if b"\0" in raw:
        raise _unreadable("is a binary file, not YAML; give a topology file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8 (byte 0x{raw[error.start]:02x} on line {line}); save it as UTF-8"
        raise _unreadable(what) from None


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise _unreadable("is a folder; give a file in it")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(_missing(path)) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise _unreadable(f"cannot be read ({reason}); check the path and its permissions") from None


def _missing(path: Path) -> str:
    names = library_names()
    found = closest(path.stem, names)
    hint = f"did you mean '{found}'?" if found else "check the path, or name one of the library"
    return f"does not exist; {hint} (library: {', '.join(names)})"


def _unreadable(what: str) -> Unreadable:
    return Unreadable([Mistake((), what)])
