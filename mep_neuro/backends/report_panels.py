"""The report's sections that are pictures."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends import report_plots as plots
from mep_neuro.backends.compare import absolute_errors
from mep_neuro.backends.report_content import EQUILIBRIUM_PROPAGATION, ReportContent, series
from mep_neuro.backends.report_html import Html, join, percent, tag
from mep_neuro.simulation.readout import classes


def error_section(content: ReportContent) -> Html:
    """One panel a population: how the errors are distributed in each back end."""
    if not content.deviations:
        return tag("p", f"Only the reference was run: {content.reference.backend}.", class_="soft")
    errors = {n: absolute_errors(content.reference, content.recordings[n]) for n in content.deviations}
    every = [array.ravel() for by_population in errors.values() for array in by_population.values()]
    limits = plots.log_limits(np.concatenate([*every, np.array(list(content.marks.values()))]))
    figures = []
    for population in content.reference.rates:
        lines = {n: (series(content, n), by[population].ravel()) for n, by in errors.items()}
        label = f"Share of {population} rates that differ by more than x from {content.reference.backend}"
        title = tag("b", population)
        exact = [n for n, (_, values) in lines.items() if not np.any(values)]
        remark = f" Equal in every bit: {', '.join(exact)}." if exact else ""
        figures.append(_figure(title, plots.error_curves(lines, content.marks, limits, label), remark))
    text = (
        "The height of a line at x is the share of rates (every unit in every sample) that are further "
        "than x from the reference: the further left a line falls, the closer the back end. A line that "
        "starts below 1 has rates that are equal in every bit, mostly units clamped at 0 or 1."
    )
    return tag("p", text) + tag("div", *figures, class_="plots")


def settling_section(content: ReportContent) -> Html:
    """One panel a back end: the residual against its own steps."""
    curves = {n: r.residual_curve for n, r in content.recordings.items() if r.residual_curve is not None}
    known = {n: c for n, c in curves.items() if c.size and np.isfinite(c).any()}
    if not known:
        return tag("p", "No back end recorded its residuals in this run.", class_="soft")
    limits = plots.log_limits(np.concatenate([c.ravel() for c in known.values()]))
    figures = []
    for name, curve in known.items():
        r = content.recordings[name]
        label = f"Residual of {name} against its steps, falling to {np.nanmax(curve[-1]):.1e}"
        drawn = plots.settling_curve(curve, series(content, name), "step", limits, label)
        remark = f" {int(np.median(r.steps))} steps in the median, {int(r.steps.max())} at most."
        figures.append(_figure(tag("b", name), drawn, remark))
    text = (
        "How far the state is from its own fixed point at each step: the largest |s - rho(current)| over "
        "all units. A step is a sweep, a time step or a chip's time step, so the horizontal axes differ."
    )
    return tag("p", text) + tag("div", *figures, class_="plots")


def training_section(content: ReportContent) -> Html:
    """Accuracy after each epoch."""
    if not content.metrics:
        return tag("p", "This run holds no training metrics.", class_="soft")
    last = content.metrics[-1]
    label = f"Accuracy against epoch over {len(content.metrics)} epochs"
    drawn = plots.accuracy_curves(content.metrics, label)
    final = [
        f"{name.removesuffix('accuracy').replace('_', ' ').strip() or 'accuracy'} {percent(value)}"
        for name, value in last.items()
        if name.endswith("accuracy")
    ]
    figure = _figure(tag("b", "Accuracy by epoch"), drawn, f" After the last epoch: {', '.join(final)}.")
    text = "Counted while learning on the training part, and after each epoch on the held-out part."
    if content.learning == EQUILIBRIUM_PROPAGATION:
        text += (
            " Learning is local: each weight changes by the difference of two settled states, of which one "
            "is gently nudged towards the right answer. No gradient is passed backwards."
        )
    return tag("p", text) + tag("div", figure, class_="plots")


def image_section(content: ReportContent, shown: int = 12) -> Html:
    """Some samples as pictures, those that someone got wrong first, with everyone's answer."""
    side = round(content.features.shape[1] ** 0.5)
    if side * side != content.features.shape[1] or content.labels.ndim > 1:
        return tag("p", "The samples of this data set are no square images of one class.", class_="soft")
    answers = {name: classes(content.network, r.rates) for name, r in content.recordings.items()}
    wrong = np.any([answer != content.labels for answer in answers.values()], axis=0)
    chosen = [*np.flatnonzero(wrong)[: shown // 2], *np.flatnonzero(~wrong)][:shown]
    figures = [_image(content, int(i), side, answers) for i in chosen]
    text = (
        f"Up to {shown // 2} samples that at least one back end got wrong come first, marked; the rest "
        "are the first that all got right."
    )
    return tag("p", text) + tag("div", *figures, class_="images")


def _figure(title: Html, drawn: Html, remark: str) -> Html:
    return tag("figure", tag("figcaption", title), drawn, tag("figcaption", remark) if remark else "")


def _image(content: ReportContent, i: int, side: int, answers: Mapping[str, NDArray[np.int64]]) -> Html:
    label = int(content.labels[i])
    source = plots.picture(content.features[i].reshape(side, side))
    picture = tag("img", src=source, alt=f"sample {i}, a {label}").removesuffix("</img>")
    lines = [tag("dt", "true class") + tag("dd", label)]
    for name, answer in answers.items():
        right = int(answer[i]) == label
        shown = join([int(answer[i]), "" if right else " ✗"])
        lines.append(tag("dt", name) + tag("dd", shown, class_="good" if right else "bad"))
    return tag("figure", Html(picture), tag("dl", *lines))
