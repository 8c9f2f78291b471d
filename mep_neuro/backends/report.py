"""The report: one HTML file, without scripts and without anything from the network."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mep_neuro.backends import report_panels as panels
from mep_neuro.backends import report_tables as tables
from mep_neuro.backends.report_content import ReportContent
from mep_neuro.backends.report_html import Html, html, join, percent, scientific, tag
from mep_neuro.backends.report_style import PAGE, STYLE

__all__ = ["ReportContent", "render_report", "write_report"]

SECTIONS: Mapping[str, tuple[str, Callable[[ReportContent], Html]]] = {
    "accuracy": ("Accuracy", tables.accuracy_section),
    "deviations": ("Deviation from the reference", tables.deviation_section),
    "errors": ("Where the errors are", panels.error_section),
    "settling": ("Settling", panels.settling_section),
    "training": ("Training", panels.training_section),
    "confusion": ("Which classes are taken for which", tables.confusion_section),
    "images": ("Some of the samples", panels.image_section),
    "reproduce": ("How to get this again", tables.reproduce_section),
    "limits": ("What this does not show", tables.limits_section),
}


def render_report(content: ReportContent) -> str:
    """The whole page as text; every word that comes from outside is escaped."""
    sections = [
        tag("section", tag("h2", title), section(content), id=name)
        for name, (title, section) in SECTIONS.items()
    ]
    title = f"{content.network.spec.name} on {content.data}"
    body = join([_header(content), *sections], "\n")
    return PAGE.substitute(title=html(f"{title} · mep-neuro"), style=STYLE, body=body)


def write_report(content: ReportContent, path: Path) -> None:
    """Write the report aside and rename it, so that no half of one is ever seen.

    Args:
        content: What it shows.
        path: The file; its folder is made where it is missing, a file of that name is replaced.
    """
    page = render_report(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _header(content: ReportContent) -> Html:
    title = tag("h1", f"{content.network.spec.name} on {content.data}")
    return join([tag("p", "mep-neuro report", class_="eyebrow"), title, _summary(content), _tiles(content)])


def _summary(content: ReportContent) -> Html:
    network = content.network
    sizes = join([p.size for p in network.populations.values()], "&ndash;")
    weights = sum(p.weight.size for p in network.projections.values())
    text: list[object] = [
        "A network of ",
        sizes,
        f" rate units with {weights:,} weights ",
        f"learned {content.data} by {content.learning}."
        if content.learning
        else "has its starting weights: it was not trained.",
    ]
    if content.accuracies:
        best = next(iter(content.accuracies.values()))
        text.append(
            f" It gives the right class to {percent(best.value)} of {best.samples} held-out samples "
            f"(95 % interval {percent(best.low)} to {percent(best.high)})."
        )
    if content.deviations:
        text.append(
            f" The same weights then settled the same {len(content.labels)} samples in "
            f"{_list(list(content.deviations))}. Next to the {content.reference.backend} reference, no "
            "rate is further off than "
        )
        parts = [join([scientific(d.max_abs), f" in {name}"]) for name, d in content.deviations.items()]
        text.append(join([*_between(parts), "."]))
    text += _warnings(content)
    return tag("p", *text, class_="lead")


def _warnings(content: ReportContent) -> list[Html]:
    """What a reader must not overlook."""
    warnings = []
    for name, r in content.recordings.items():
        missing = int(np.count_nonzero(~r.settled))
        if missing:
            text = f" Not settled: {missing} of {r.settled.size} samples in {name}."
            warnings.append(tag("strong", text, class_="bad"))
    return warnings


def _tiles(content: ReportContent) -> Html:
    tiles = []
    if content.accuracies:
        name, best = next(iter(content.accuracies.items()))
        tiles.append((percent(best.value), f"held-out accuracy, {name}"))
    for name, d in content.deviations.items():
        tiles.append((scientific(d.max_abs), f"largest deviation, {name}; {percent(d.agreement)} same class"))
    items = [tag("li", tag("b", value), tag("span", text)) for value, text in tiles]
    return tag("ul", *items, class_="tiles") if items else Html("")


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _between(parts: Sequence[Html]) -> list[Html]:
    """Pieces with commas and an 'and' between them."""
    ends = [", "] * (len(parts) - 2) + [" and "] * (len(parts) > 1) + [""]
    return [join([part, end]) for part, end in zip(parts, ends, strict=True)]
