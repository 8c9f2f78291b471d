"""The first checkpoint of a RUN folder."""

from pathlib import Path
from typing import Any

from mep_neuro.backends.run_document import RunDocument, checkpoint_files, current_versions, render
from mep_neuro.backends.run_files import (
    METRICS,
    NETWORK,
    RUN_JSON,
    pack,
    remove_leftovers,
    replace_file,
    sha256,
    sync_folder,
    write_checkpoint,
    write_synced,
)
from mep_neuro.simulation.network import Network


def write_first(
    path: Path, network: Network, text: str, settings: dict[str, Any], data_identity: str
) -> RunDocument:
    """Write a RUN at step 0 into a folder that holds at most leftovers; run.json last."""
    remove_leftovers(path, set())
    weights, state = pack(f"{path}: weights", network.arrays()), pack(f"{path}: state", {})
    names = checkpoint_files("step-0")
    topology = text.encode()
    document = RunDocument(
        versions=current_versions(),
        seeds=network.spec.seeds.model_dump(),
        data=data_identity,
        settings=settings,
        weights={name: list(array.shape) for name, array in network.arrays().items()},
        checkpoint="step-0",
        files={NETWORK: sha256(topology), names[0]: sha256(weights), names[1]: sha256(state)},
    )
    write_synced(path / NETWORK, topology)
    write_synced(path / METRICS, b"")
    write_checkpoint(path, "step-0", weights, state)
    replace_file(path / RUN_JSON, render(document))
    sync_folder(path.resolve().parent)
    return document
