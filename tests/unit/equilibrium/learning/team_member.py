"""One process of a data-parallel training: trains small nets in float64, writes what it ends with.

    torchrun --nproc-per-node 2 tests/unit/equilibrium/team_member.py OUT

Of each case the first update's state and the weights at the end. Beside the sound case stand planted bugs:
`no_sum` leaves out the sum over processes, `same_rows` gives every process the first one's samples,
`no_share` sums without weighing by samples.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.equilibrium.learning.team import Team, join
from mep_neuro.equilibrium.learning.trainer import Step, Trainer, equilibrium_propagation
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

CASES: dict[str, dict[str, Any]] = {
    "sgd": {"method": "none"},
    "dion": {"method": "dion", "rank": 4, "period": "2 updates", "spectral_bound": 0.7},
    "muon": {"method": "muon"},
}
PLANTED = ("no_sum", "same_rows", "no_share")
SAMPLES = 79  # batches of 16, the last of 15: processes have unequal shares


def network(consolidation: dict[str, Any]) -> EquilibriumNetwork:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"] |= {"batch_size": 16}
    mapping["consolidation"] = consolidation
    mapping["populations"]["hidden"] |= {"dropout": 0.2}
    mapping["equilibrium"]["nudge"] |= {"phases": "random_sign"}
    return EquilibriumNetwork(build(read_spec(mapping)), dtype=torch.float64)


def trained(consolidation: dict[str, Any]) -> dict[str, np.ndarray]:
    data = load_data("digits")
    model = network(consolidation)
    trainer = Trainer(model, data.x_train[:SAMPLES], data.y_train[:SAMPLES], epochs=2)
    trainer.prepare()
    trainer.advance()
    first = {f"first.{name}": array for name, array in trainer.state().items()}
    record: dict[str, float] | None = None
    while not trainer.finished:
        record = trainer.advance() or record
    assert record is not None
    return first | model.arrays() | {"metrics": np.array(list(record.values()))}


def failing(model: EquilibriumNetwork, features: torch.Tensor, target: torch.Tensor) -> Step:
    """A settle that fails in the second process alone."""
    if Team().rank == 1:
        raise SettleError("planted")
    return equilibrium_propagation(model, features, target)


def messages() -> list[str]:
    """What a failure in one process looks like in this one: the weights stay, nobody waits."""
    data = load_data("digits")
    model = network({})
    before = model.arrays()
    trainer = Trainer(model, data.x_train[:32], data.y_train[:32], epochs=1, gradient=failing)
    try:
        trainer.advance()
    except SettleError as error:
        same = all(np.array_equal(array, before[name]) for name, array in model.arrays().items())
        return [str(error), f"weights {'kept' if same else 'changed'}"]
    return ["no error"]


def plant(bug: str) -> None:
    sound = Team.summed
    if bug == "no_sum":
        Team.summed = lambda self, contrast, share: contrast  # type: ignore[method-assign]
    elif bug == "same_rows":
        Team.own = lambda self, rows: rows[:: self.size]  # type: ignore[method-assign]
    else:
        Team.summed = lambda self, contrast, share: sound(self, contrast, 0.5)  # type: ignore[method-assign]


def main(out: Path) -> None:
    torch.set_num_threads(1)
    join()
    rank = Team().rank
    for name, consolidation in CASES.items():
        np.savez(out / f"{name}-{rank}.npz", **trained(consolidation))
    (out / f"failure-{rank}.json").write_text(json.dumps(messages()))
    own, summed = Team.own, Team.summed
    for bug in PLANTED:
        plant(bug)
        np.savez(out / f"{bug}-{rank}.npz", **trained(CASES["sgd"]))
        Team.own, Team.summed = own, summed  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
