"""End a run that Lava would let hang: a process died, time is over, or whoever started it is gone."""

import contextlib
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.process import BaseProcess
from typing import NoReturn

PERIOD = 0.2  # seconds between two looks


@contextlib.contextmanager
def guarded(parent: int = 0, limit: float = 0.0) -> Iterator[Callable[[Iterable[BaseProcess]], None]]:
    """Watch Lava's processes while they run; end this process and them when one is lost.

    When a process model raises or is killed, Lava's run() waits for the others for ever, and after a
    run() that raised, stop() does. Nothing can be saved then: the cause goes to stderr, every process
    is killed and this one exits with 1, without Python's own clean-up, which would wait too.

    Args:
        parent: Process id of whoever started this one and waits for it; 0 not to look.
        limit: Seconds after which the run is ended; 0 for no limit.

    Yields:
        A function to give the processes to, once they have started.
    """
    ended = threading.Event()
    seen: set[BaseProcess] = set()
    watch = threading.Thread(target=_watch, args=(parent, limit, ended, seen), daemon=True)
    watch.start()
    try:
        yield seen.update
    except BaseException:
        traceback.print_exc()
        _end(set(multiprocessing.active_children()))
    finally:
        ended.set()
        watch.join()


def _watch(parent: int, limit: float, ended: threading.Event, seen: set[BaseProcess]) -> None:
    deadline = time.monotonic() + limit if limit else None
    while not ended.wait(PERIOD):
        gone = [process for process in tuple(seen) if not _alive(process)]
        if gone and not ended.is_set():
            _tell(gone)
            _end(seen | set(multiprocessing.active_children()))
        if deadline is not None and time.monotonic() >= deadline and not ended.is_set():
            print(
                f"lava: no answer within {limit:g} s; give fewer samples or a longer limit", file=sys.stderr
            )
            _end(seen | set(multiprocessing.active_children()))
        if parent and os.getppid() != parent:
            print("the process that started this run is gone", file=sys.stderr)
            _end(seen | set(multiprocessing.active_children()))


def _alive(process: BaseProcess) -> bool:
    try:
        return process.is_alive()
    except ValueError:  # Lava closed it after it had ended
        return False


def _tell(gone: list[BaseProcess]) -> None:
    print(f"{len(gone)} of Lava's processes ended before the run did", file=sys.stderr)
    for process in gone:
        error = getattr(process, "exception", None)  # Lava keeps (exception, traceback) and shows neither
        if error is not None:
            print(error[1], file=sys.stderr)


def _end(processes: set[BaseProcess]) -> NoReturn:
    for process in processes:
        with contextlib.suppress(ValueError):
            process.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
