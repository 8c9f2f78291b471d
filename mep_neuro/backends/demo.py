"""The main job, end to end: train the digits, run them on every back end, write the report."""

import importlib
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.accuracy import Accuracy, accuracy
from mep_neuro.backends.compare import Deviation, compare
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.registry import BACKENDS, REFERENCE, find, find_exporter
from mep_neuro.backends.report import ReportContent, write_report
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.backends.training import Training, train
from mep_neuro.errors import BackendFailedError, BackendMissingError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.schema import write_schema
from mep_neuro.topology.writer import write_spec

NETWORK = "digits_mlp"
SCHEMA = "mep-neuro-1.schema.json"
Watch = Callable[[str, float], None]
"""Called with what is being done and the fraction of it that is done."""


@dataclass(frozen=True)
class Claim:
    """Something the demo promises, with the value measured and whether it holds."""

    text: str
    value: float
    holds: bool


@dataclass(frozen=True)
class Demo:
    """The outcome of a demo.

    Attributes:
        folder: Where everything was written.
        accuracies: Held-out accuracy by what was trained or run.
        deviations: By back end, measured against torch.
        lava_mismatches: Integer states that differ from the emulator's, or None without Lava.
        seconds: Wall-clock time.
        notes: What did not run, in sentences.
    """

    folder: Path
    accuracies: Mapping[str, Accuracy]
    deviations: Mapping[str, Deviation]
    lava_mismatches: int | None
    seconds: float
    notes: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The object that `mep-neuro demo --json` prints."""
        return {
            "accuracy": self.accuracies["trained by EP"].value,
            "accuracy_backprop": self.accuracies["trained by backprop"].value,
            "deviations": {
                name: {
                    "max_abs": d.max_abs,
                    "mean_abs": d.mean_abs,
                    "agreement": d.agreement,
                    "samples": d.samples,
                }
                for name, d in self.deviations.items()
            },
            "lava_mismatches": self.lava_mismatches,
            "seconds": self.seconds,
            "accuracies": {
                name: {"accuracy": a.value, "interval": [a.low, a.high], "samples": a.samples}
                for name, a in self.accuracies.items()
            },
            "claims": [{"claim": c.text, "value": c.value, "holds": c.holds} for c in self.claims],
            "notes": list(self.notes),
            "report": str(self.folder / "report.html"),
        }


def demo(folder: Path, *, samples: int = 200, watch: Watch | None = None) -> Demo:
    """Train `digits_mlp` by Equilibrium Propagation and settle it on every back end.

    Args:
        folder: Receives network.yaml, the run, the Lava bundle and report.html.
        samples: Held-out images that every back end is shown.
        watch: Called with what is being done and the fraction done.

    Raises:
        RunFolderError: The folder holds a run of something else.
    """
    start = time.perf_counter()
    watch = watch or (lambda what, done: None)
    data = load_data("digits")
    folder.mkdir(parents=True, exist_ok=True)
    write_schema(folder / SCHEMA)
    (folder / "network.yaml").write_text(write_spec(read_spec(NETWORK), SCHEMA), encoding="utf-8")
    training = _train(folder, data, watch)
    assert training.run is not None
    network = RunFolder.open(folder / "run").network()
    accuracies = {"trained by EP": training.held_out, **_controls(data, watch)}
    features, labels = data.x_test[:samples], data.y_test[:samples]
    find_exporter("lava")(network, folder / "lava-bundle", features=features)
    recordings, notes = _recordings(network, features, watch)
    reference = recordings[REFERENCE]
    deviations = {
        name: compare(network, reference, other) for name, other in recordings.items() if name != REFERENCE
    }
    for name, recording in recordings.items():
        accuracies[name] = accuracy(classes(network, recording.rates), labels)
    mismatches = int(recordings["lava"].counts["lava_mismatches"]) if "lava" in recordings else None
    outcome = Demo(
        folder=folder,
        accuracies=accuracies,
        deviations=deviations,
        lava_mismatches=mismatches,
        seconds=time.perf_counter() - start,
        notes=notes,
        claims=judge(accuracies, deviations, mismatches),
    )
    _report(outcome, network, data, features, labels, recordings, training)
    return outcome


def _train(folder: Path, data: DataSet, watch: Watch) -> Training:
    """Train into DIR/run; a finished run of the same settings is not trained again."""
    return train(
        load(folder / "network.yaml"),
        data,
        out=folder / "run",
        on_update=lambda done, total: watch("training by Equilibrium Propagation", done / total),
    )


def _controls(data: DataSet, watch: Watch) -> dict[str, Accuracy]:
    """The same network by backprop, with its hidden layer frozen, and untrained."""
    from mep_neuro.equilibrium.learning.backprop import backpropagation

    backprop = train(
        load(NETWORK),
        data,
        gradient=backpropagation,
        on_update=lambda done, total: watch("training by backprop, for comparison", done / total),
    )
    mapping = read_spec(NETWORK).to_mapping()
    mapping["projections"]["input_hidden"]["plastic"] = False
    mapping["populations"]["hidden"]["plastic_bias"] = False
    frozen = train(
        load(mapping),
        data,
        on_update=lambda done, total: watch("training with the hidden layer frozen", done / total),
    )
    untrained = train(load(NETWORK), data, epochs=0)
    return {
        "trained by backprop": backprop.held_out,
        "hidden layer frozen": frozen.held_out,
        "untrained": untrained.held_out,
    }


def _recordings(
    network: Network, features: NDArray[np.float64], watch: Watch
) -> tuple[dict[str, Recording], tuple[str, ...]]:
    """One recording a back end; a back end that is missing or fails leaves a note instead."""
    recordings: dict[str, Recording] = {}
    notes: list[str] = []
    for name in BACKENDS:
        label = f"settling on {name}"
        watch(label, 0.0)
        options = RunOptions(progress=lambda done, total, label=label: watch(label, done / max(total, 1)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        try:
            if name == "lava":
                _install_lava(watch)
            recordings[name] = find(name)(network, features, options)
        except (BackendMissingError, BackendFailedError) as error:
            if name == REFERENCE:
                raise
            notes.append(str(error))
        watch(label, 1.0)
    return recordings, tuple(notes)


def _install_lava(watch: Watch) -> None:
    environment = importlib.import_module("mep_neuro.converters.to_lava.environment")
    if environment.find() is None:
        watch("installing Lava's private environment", 0.0)
        environment.install(lambda line: watch("installing Lava's private environment", 0.5))


def judge(
    accuracies: Mapping[str, Accuracy], deviations: Mapping[str, Deviation], mismatches: int | None
) -> tuple[Claim, ...]:
    """Hold the demo's figures against what it promises.

    Args:
        accuracies: Held-out accuracy by what was trained or run.
        deviations: By back end, measured against torch; a back end that did not run has no claim.
        mismatches: Integer states in which Lava differs from the emulator; None without Lava.
    """
    ep, backprop = accuracies["trained by EP"].value, accuracies["trained by backprop"].value
    claims = [
        Claim("held-out accuracy at least 0.95", ep, ep >= 0.95),
        Claim("at most 0.01 below backprop; less than 0 is above", backprop - ep, backprop - ep <= 0.01),
        Claim("backprop itself at least 0.95", backprop, backprop >= 0.95),
    ]
    if "brian2" in deviations:
        worst = deviations["brian2"].max_abs
        claims.append(Claim("Brian2: every rate within 1e-9", worst, worst <= 1e-9))
    if "loihi-emulator" in deviations:
        agreement = deviations["loihi-emulator"].agreement
        drop = accuracies[REFERENCE].value - accuracies["loihi-emulator"].value
        claims.append(Claim("emulator: same class in at least 0.99", agreement, agreement >= 0.99))
        claims.append(Claim("emulator: accuracy within 0.01", drop, abs(drop) <= 0.01))
    if mismatches is not None:
        claims.append(Claim("Lava: integer states equal the emulator's", mismatches, mismatches == 0))
    return tuple(claims)


def _report(
    outcome: Demo,
    network: Network,
    data: DataSet,
    features: NDArray[np.float64],
    labels: NDArray[np.int64],
    recordings: Mapping[str, Recording],
    training: Training,
) -> None:
    content = ReportContent(
        network=network,
        data="the handwritten digits of scikit-learn",
        split=data.split,
        features=features,
        labels=labels,
        recordings=recordings,
        deviations=outcome.deviations,
        accuracies=outcome.accuracies,
        metrics=training.metrics,
        commands=(f"mep-neuro demo --out {outcome.folder}",),
        facts={
            "data identity (sha256)": data.identity,
            "mep-neuro": version("mep-neuro"),
            "torch": version("torch"),
            "numpy": version("numpy"),
            "Python": platform.python_version(),
        },
        notes=(
            "Learning rates and the starting weights' size were chosen while looking at held-out digits of "
            "another split: expect the accuracy to be slightly optimistic.",
            *outcome.notes,
        ),
        marks={"one step of an 8-bit rate, 1/256": 1 / 256},
    )
    write_report(content, outcome.folder / "report.html")
