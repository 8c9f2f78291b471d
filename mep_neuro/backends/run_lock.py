"""One writer for one RUN folder."""

import errno
import fcntl
import os
from pathlib import Path

from mep_neuro.errors import RunFolderError

LOCK = ".mep-neuro.lock"


class WriterLock:
    """Held by the process that trains into a folder; the system gives it back when that process ends.

    It is a lock on an empty file's descriptor (flock), so a killed writer leaves no stale lock. Readers
    need none.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is locked yet."""
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or find that it is held already by this object.

        Raises:
            RunFolderError: Another writer holds it, or the file system cannot lock.
        """
        if self._descriptor is not None:
            return
        descriptor = None
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._folder / LOCK, flags, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)  # for the other writer's message only
        except OSError as error:
            holder = _close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES) and descriptor is not None:
                raise RunFolderError(
                    f"{self._folder}: process {holder} is writing this RUN; "
                    "wait for it, or choose another folder"
                ) from error
            raise RunFolderError(
                f"{self._folder}: cannot be locked for writing ({error.strerror}); choose another folder"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        """Give the lock back with the last RunFolder that holds it."""
        self.release()


def _close(descriptor: int | None) -> str:
    """Close the lock file; who holds it, as written there."""
    if descriptor is None:
        return "unknown"
    holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
    os.close(descriptor)
    return holder or "unknown"
