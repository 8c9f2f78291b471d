"""The report's sections that are tables and text."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mep_neuro.backends.accuracy import Accuracy
from mep_neuro.backends.report_content import ReportContent, key
from mep_neuro.backends.report_html import Html, html, join, percent, scientific, table, tag
from mep_neuro.simulation.readout import classes


def accuracy_section(content: ReportContent) -> Html:
    """Accuracy of every back end and control, with its interval as text and as a line."""
    low = _axis_start([a.low for a in content.accuracies.values()])
    rows = [
        [
            key(content, name),
            percent(a.value),
            join([percent(a.low), percent(a.high)], " &ndash; "),
            a.samples,
            _whisker(a, low, name),
        ]
        for name, a in content.accuracies.items()
    ]
    axis = join([percent(low, 0), percent(1.0)], " &hellip; ")
    head = ["", "Accuracy", "95 % interval", "Samples", axis]
    text = (
        "The fraction of held-out samples with the right class. The interval is Wilson's: how far chance "
        "in the choice of samples alone could move the figure. A filled dot marks a back end of the "
        "comparison below."
    )
    return tag("p", text) + table("Accuracy on held-out samples", head, rows)


def deviation_section(content: ReportContent) -> Html:
    """The deviation table, as a whole and population by population."""
    reference = content.reference
    text = (
        "Every back end settled the same samples with the same weights. Each rate is compared with that "
        f"of {reference.backend}, unit by unit, over all units that settle; a softmax read-out is no such "
        "unit and is listed by itself. Agreement is the fraction of samples with the same class."
    )
    head = ["", "Max |Δ|", "Mean |Δ|", "Agreement", "Samples", "Settled", "Median steps", "Seconds"]
    rows = [_deviation_row(content, name) for name in content.recordings]
    whole = tag("p", text) + table(f"Deviation from {reference.backend}", head, rows)
    return whole + _population_table(content) + _run_notes(content)


def confusion_section(content: ReportContent) -> Html:
    """True against predicted classes of the reference, as a table."""
    predicted = classes(content.network, content.reference.rates)
    output = content.network.output
    count = max(output.size // output.positions, int(content.labels.max()) + 1)
    matrix = np.zeros((count, count), dtype=np.int64)
    np.add.at(matrix, (content.labels, predicted), 1)
    largest = max(int(matrix.max()), 1)
    head = tag("tr", tag("td"), *[tag("th", j, scope="col") for j in range(count)])
    rows = [
        tag(
            "tr",
            tag("th", i, scope="row"),
            *[_cell(int(matrix[i, j]), largest, i == j) for j in range(count)],
        )
        for i in range(count)
    ]
    caption = tag("caption", f"{content.reference.backend}: rows are true classes, columns predicted ones")
    body = tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="confusion")
    box = tag("div", body, class_="scroll", tabindex="0", role="region", aria_label="Confusion matrix")
    right = int(np.trace(matrix))
    each = "samples" if output.positions == 1 else "positions of all samples"
    text = f"{right} of {content.labels.size} {each} lie on the diagonal."
    moved = {name: round((1 - d.agreement) * d.samples) for name, d in content.deviations.items()}
    if any(moved.values()):
        parts = [f"{_count(count, 'sample')} in {name}" for name, count in moved.items()]
        text += f" Samples with another class than here: {', '.join(parts)}."
    elif moved:
        text += f" The matrix is the same in {', '.join(moved)}: no sample changes its class."
    return tag("p", text) + box


def reproduce_section(content: ReportContent) -> Html:
    """Commands, data, seeds and versions."""
    seeds = content.network.spec.seeds.model_dump()
    facts = {
        "Network": content.network.spec.name,
        "Data": content.data,
        "Split": content.split,
        "Seeds": ", ".join(f"{name} {value}" for name, value in seeds.items()),
        **content.facts,
    }
    items = [tag("dt", name) + tag("dd", value) for name, value in facts.items()]
    commands = tag("pre", tag("code", "\n".join(content.commands))) if content.commands else ""
    return join([commands, tag("dl", *items, class_="facts")])


def limits_section(content: ReportContent) -> Html:
    """What the report does not show."""
    limits = [
        "No neuromorphic chip was measured. The Loihi back end is an integer emulation of the arithmetic, "
        "and Lava runs its Python process models on an ordinary processor: nothing here tells a chip's "
        "speed or energy.",
        "The seconds are of this computer, set-up included, and of programs that do different work: they "
        "do not rank the simulators.",
        f"Deviations are of the settled rates of {_count(len(content.labels), 'sample')} of "
        f"{content.data}, with one set of weights; other samples and other weights have other deviations.",
        "The intervals cover chance in the choice of held-out samples, not the spread over training seeds.",
        *content.notes,
    ]
    return tag("ul", *[tag("li", limit) for limit in limits], class_="plain")


def _axis_start(ends: Sequence[float]) -> float:
    """A twentieth below the lowest interval that is above one half; what is lower is off the scale."""
    shown = [end for end in ends if end > 0.5] or list(ends) or [0.0]
    return max(0.0, math.floor(min(shown) * 20 - 0.2) / 20)


def _whisker(a: Accuracy, low: float, name: str) -> Html:
    """A line from the interval's lower end to its upper, a dot at the value; the width is from low to 1."""
    label = f"{name}: {percent(a.low)} to {percent(a.high)}"
    if a.value < low:
        return tag("span", "\N{BLACK LEFT-POINTING SMALL TRIANGLE} lower", class_="soft", aria_label=label)
    left, middle, right = (200 * (max(v, low) - low) / (1 - low) for v in (a.low, a.value, a.high))
    return Html(
        f'<svg class="whisker" viewBox="0 0 200 20" role="img" aria-label="{html(label)}">'
        '<path d="M0 10H200" stroke="var(--line)" stroke-width="1.5"/>'
        f'<path d="M{left:.1f} 10H{right:.1f}" stroke="var(--soft)" stroke-width="4"/>'
        f'<circle cx="{middle:.1f}" cy="10" r="6.5" fill="var(--accent)"/></svg>'
    )


def _deviation_row(content: ReportContent, name: str) -> list[object]:
    r, d = content.recordings[name], content.deviations.get(name)
    settled = float(np.mean(r.settled))
    shown = tag("strong", percent(settled), class_="bad") if settled < 1 else percent(settled, 0)
    if d is None:
        errors: list[object] = [tag("span", "reference", class_="soft"), "", ""]
    else:
        errors = [scientific(d.max_abs), scientific(d.mean_abs), percent(d.agreement)]
    steps = f"{int(np.median(r.steps))}"
    return [key(content, name), *errors, r.settled.size, shown, steps, f"{r.seconds:.2f}"]


def _population_table(content: ReportContent) -> Html:
    rows = [
        [
            join([key(content, name), tag("span", p.population, class_="part")], " "),
            p.units,
            scientific(p.max_abs),
            scientific(p.mean_abs),
            "yes" if p.settles else "no",
        ]
        for name, d in content.deviations.items()
        for p in d.populations
    ]
    head = ["", "Units", "Max |Δ|", "Mean |Δ|", "Settles"]
    return table("The same, population by population", head, rows) if rows else Html("")


def _run_notes(content: ReportContent) -> Html:
    """What the back ends say of their runs, and what they counted."""
    told = {r.backend: [*r.notes, *_counts(r.counts)] for r in content.recordings.values()}
    items = [
        tag("dt", name) + tag("dd", *[tag("div", line) for line in lines])
        for name, lines in told.items()
        if lines
    ]
    return tag("dl", *items, class_="facts") if items else Html("")


def _counts(counts: Mapping[str, float]) -> list[str]:
    return [
        f"{name.replace('_', ' ')}: {f'{value:,.0f}' if value == round(value) else f'{value:,.4g}'}"
        for name, value in counts.items()
    ]


def _cell(count: int, largest: int, diagonal: bool) -> Html:
    if count == 0:
        return tag("td", "·", class_="zero")
    strength = 0.12 + 0.6 * (count / largest) if diagonal else 0.25 + 0.5 * (count / largest) ** 0.5
    name = "--heat" if diagonal else "--heat-bad"
    return tag("td", count, style=f"background: rgba(var({name}), {strength:.2f})")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
