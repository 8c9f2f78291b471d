"""The report's plots as inline SVG; the page's style sheet colours them, for light and dark alike."""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mep_neuro.backends.report_html import Html, html

Array = NDArray[np.float64]

# Colours that stand for a variable of the style sheet; the SVG's text is replaced.
_INK, _SOFT, _GRID = "#010101", "#020202", "#030303"
SERIES = tuple(f"#0401{i:02d}" for i in range(6))
_VARIABLES = {_INK: "--ink", _SOFT: "--soft", _GRID: "--grid"} | {c: f"--s{i}" for i, c in enumerate(SERIES)}
_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "solid",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    "solid",
)
_STYLE: dict[Any, object] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _SOFT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SMALLEST = 1e-17  # a tenth of the rounding error of a rate near 1: what is smaller is drawn as this


def accuracy_curves(metrics: Sequence[Mapping[str, float]], label: str) -> Html:
    """Accuracy after each epoch: every metric whose name ends in 'accuracy'."""
    names = [n for n in metrics[0] if n.endswith("accuracy")]

    def draw(axes: Axes) -> None:
        epochs = [row.get("epoch", i + 1) for i, row in enumerate(metrics)]
        lowest = 1.0
        for i, name in enumerate(names):
            values = [row.get(name, float("nan")) for row in metrics]
            lowest = min(lowest, float(np.nanmin(values)))
            shown = name.removesuffix("accuracy").replace("_", " ").strip() or "accuracy"
            axes.plot(
                epochs, values, color=SERIES[i + 1], ls=_DASHES[i], lw=1.8, marker="o", ms=2.8, label=shown
            )
        axes.set(xlabel="epoch", ylabel="accuracy", ylim=(max(0.0, lowest - 0.05), 1.005))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(axes)

    return _svg(draw, label)


def settling_curve(
    curve: Array, index: int, horizontal: str, limits: tuple[float, float], label: str
) -> Html:
    """Residual at each step: the median sample and, shaded, the whole range; curve is (steps, samples)."""

    def draw(axes: Axes) -> None:
        shown = np.where(np.isfinite(curve), curve, np.nan)
        steps = np.flatnonzero(np.isfinite(shown).any(axis=1))
        low, middle, high = np.nanquantile(np.maximum(shown[steps], limits[0]), [0.0, 0.5, 1.0], axis=1)
        axes.fill_between(steps + 1, low, high, color=SERIES[index], alpha=0.22, lw=0, label="all samples")
        axes.plot(steps + 1, middle, color=SERIES[index], lw=1.8, label="median sample")
        axes.set(yscale="log", xlabel=horizontal, ylabel="largest residual", ylim=limits)
        axes.margins(x=0.02)
        _powers(axes.yaxis, limits)
        _legend(axes)

    return _svg(draw, label)


def error_curves(
    errors: Mapping[str, tuple[int, Array]],
    marks: Mapping[str, float],
    limits: tuple[float, float],
    label: str,
) -> Html:
    """Share of (unit, sample) pairs with a larger |error|, one line a back end: (series, errors) each."""

    def draw(axes: Axes) -> None:
        for name, (index, values) in errors.items():
            grid = np.geomspace(*limits, 160)
            known = np.sort(values[np.isfinite(values)])
            share = 1.0 - np.searchsorted(known, grid, side="right") / max(values.size, 1)
            axes.plot(grid, share, color=SERIES[index], ls=_DASHES[index], lw=1.9, label=name)
        for text, value in marks.items():
            if limits[0] < value < limits[1]:
                axes.axvline(value, color=_SOFT, lw=1, ls=(0, (2, 2)))
                axes.annotate(
                    text,
                    (value, 1.02),
                    (-3, 0),
                    textcoords="offset points",
                    ha="right",
                    va="bottom",
                    color=_SOFT,
                    fontsize=7.5,
                )
        axes.set(
            xscale="log",
            xlim=limits,
            ylim=(-0.02, 1.14),
            xlabel="|rate - reference|",
            ylabel="share of rates further off",
        )
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "¼", "½", "¾", "1"])
        _powers(axes.xaxis, limits)
        _legend(axes)

    return _svg(draw, label)


def picture(pixels: Array) -> str:
    """A grey image as a data URI, ink dark on white."""
    buffer = io.BytesIO()
    imsave(buffer, pixels, cmap="gray_r", format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def log_limits(values: Array) -> tuple[float, float]:
    """Whole powers of ten around the positive finite values."""
    positive = values[np.isfinite(values) & (values > _SMALLEST)]
    if positive.size == 0:
        return _SMALLEST, 1.0
    low = 10.0 ** np.floor(np.log10(positive.min()))
    return float(low), float(10.0 ** max(np.ceil(np.log10(positive.max())), np.log10(low) + 2))


def _powers(axis: Axis, limits: tuple[float, float]) -> None:
    low, high = (round(float(np.log10(v))) for v in limits)
    exponents = range(low, high + 1, max(1, -(-(high - low) // 6)))
    axis.set_ticks([10.0**e for e in exponents], ["1" if e == 0 else _power(e) for e in exponents])
    axis.set_minor_locator(NullLocator())


def _legend(axes: Axes) -> None:
    """Above the panel, where no line runs."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, columnspacing=1.4, borderaxespad=0.2)


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def _svg(draw: Callable[[Axes], None], label: str) -> Html:
    """Draw one panel and make its colours and fonts those of the page."""
    # The salt makes the ids of one panel differ from those of the next, and the same in every run.
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": label}):
        figure = Figure(figsize=(4.7, 3.0))
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    head = re.search(r'viewBox="[^"]*"', text)
    inside = text[text.index(">") + 1 :].replace("xlink:href", "href")
    inside = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", inside, count=1, flags=re.S)  # would leak
    inside = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1; font-family: var(--sans)", inside)
    inside = re.sub(r"font-family: '[^;\"]*", "font-family: var(--sans)", inside)
    inside = re.sub(r'<g id="[^"]*">', "<g>", re.sub(r"\s*\n\s*", " ", inside))
    for colour, variable in _VARIABLES.items():
        inside = inside.replace(colour, f"var({variable})")
    return Html(f'<svg {head[0] if head else ""} role="img" aria-label="{html(label)}">{inside}')
