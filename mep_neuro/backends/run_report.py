"""From a RUN and a comparison to what the report shows."""

from collections.abc import Mapping, Sequence

from mep_neuro.backends.accuracy import Accuracy
from mep_neuro.backends.comparison import Comparison
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.registry import probe
from mep_neuro.backends.report_content import EQUILIBRIUM_PROPAGATION, ReportContent
from mep_neuro.backends.run_document import current_versions
from mep_neuro.backends.run_folder import RunFolder

INTEGER_BACKENDS = ("loihi-emulator", "lava")
RATE_STEP = 2.0**-8  # integer back ends hold a rate in 8 bits (quantize: state_bits)


def run_report(
    run: RunFolder,
    data: DataSet,
    comparison: Comparison,
    *,
    commands: Sequence[str] = (),
    controls: Mapping[str, Accuracy] | None = None,
    notes: Sequence[str] = (),
) -> ReportContent:
    """Gather what the report shows of a trained RUN.

    Args:
        run: The RUN.
        data: Its data; the comparison's samples are the first of the held-out part.
        comparison: What the back ends made of them.
        commands: What to type to get it again.
        controls: Further lines of the accuracy table, shown first.
        notes: Further limits, one sentence each.
    """
    samples = next(iter(comparison.recordings.values())).settled.size
    integers = any(name in INTEGER_BACKENDS for name in comparison.recordings)
    return ReportContent(
        network=run.network(),
        data=data.name,
        split=data.split,
        features=data.x_test[:samples],
        labels=data.y_test[:samples],
        recordings=comparison.recordings,
        deviations=comparison.deviations,
        accuracies={**(controls or {}), **comparison.accuracies},
        metrics=run.metrics(),
        commands=commands,
        facts={
            "Checkpoint": run.document.checkpoint,
            "Samples compared": f"the first {samples} of {len(data.y_test)} held out, in their fixed order",
            "Data (sha256)": data.identity,
            "Versions": ", ".join(f"{name} {version}" for name, version in _versions(comparison).items()),
        },
        notes=notes,
        learning=_learning(run),
        marks={"8-bit step 1/256": RATE_STEP} if integers else {},
    )


def _learning(run: RunFolder) -> str:
    if run.step == 0:
        return ""
    rule = str(run.settings.get("rule", "equilibrium_propagation"))
    return EQUILIBRIUM_PROPAGATION if rule == "equilibrium_propagation" else rule.replace("_", " ")


def _versions(comparison: Comparison) -> dict[str, str]:
    """Versions of Python, the package and its needs, and of every back end of the comparison."""
    probes = [probe(name) for name in comparison.recordings]
    own = {p.name: p.version for p in probes if p.name not in ("torch", "loihi-emulator")}
    return {**current_versions(), **own}
