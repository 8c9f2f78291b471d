"""Trains in processes that are killed; `test_training_killed` starts it with a folder.

It forks from a process that has torch loaded, so that a kill costs milliseconds. Prints what it did as
one JSON object.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mep_neuro.backends import training
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.topology.reader import read_spec

EPOCHS, UPDATES_PER_EPOCH = 3, 5
WHOLE = load_data("digits")
DATA = replace(WHOLE, x_train=WHOLE.x_train[:300], y_train=WHOLE.y_train[:300], x_test=WHOLE.x_test[:50])
DATA = replace(DATA, y_test=WHOLE.y_test[:50])
CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "sgd": ("digits_mlp", {"optimizer": "sgd"}, {"method": "none"}),
    "adam": ("digits_cube", {"optimizer": "adam"}, {}),
    "muon": ("digits_mlp", {}, {"method": "muon", "period": "3 updates"}),
    "dion": ("digits_mlp", {}, {"method": "auto", "rank": 3, "dion_thresh": 1000, "period": "2 updates"}),
}


def train(path: Path, how: str, checkpoint_seconds: float, told: int | None = None) -> None:
    """Train to the end, or until somebody kills us."""
    name, learning, consolidation = CHANGES[how]
    mapping = read_spec(name).to_mapping()
    mapping["learning"] |= learning
    mapping["consolidation"] |= consolidation
    training.CHECKPOINT_SECONDS = checkpoint_seconds

    def tell(done: int, total: int) -> None:
        assert total == EPOCHS * UPDATES_PER_EPOCH
        if told is not None:
            os.write(told, b"x")

    training.train(load(mapping), DATA, epochs=EPOCHS, out=path, on_update=tell)


def forked(path: Path, how: str, checkpoint_seconds: float, told: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        train(path, how, checkpoint_seconds, told)
    except BaseException as error:
        print(f"trainer: {error!r}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def kill_until_done(path: Path, how: str, checkpoint_seconds: float) -> list[int]:
    """Start, kill some updates later, start again; the steps at which it was found after each kill."""
    rng, found = random.Random(how), []
    while True:
        hear, tell = os.pipe()
        child = forked(path, how, checkpoint_seconds, tell)
        os.close(tell)
        # Without checkpoints within the epoch a kill must leave it the time to reach the end of one.
        for _ in range(rng.randint(1, 4) + (UPDATES_PER_EPOCH if checkpoint_seconds else 0)):
            os.read(hear, 1)
        time.sleep(rng.uniform(0.0, 0.01))
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(hear)
        assert code in (0, -signal.SIGKILL), code
        found.append(RunFolder.open(path).step if (path / "run.json").exists() else 0)
        if found[-1] == EPOCHS * UPDATES_PER_EPOCH:
            return found


if __name__ == "__main__":
    found = {}
    for how in CHANGES:
        folder = Path(sys.argv[1]) / how
        folder.mkdir()
        train(folder / "unbroken", how, 1e9)
        for name, seconds in (("at-every-update", 0.0), ("at-epoch-ends", 1e9)):
            found[f"{how}/{name}"] = kill_until_done(folder / name, how, seconds)
    print(json.dumps(found))
