"""The report is one file that needs nothing else, shows every section and escapes what it is given."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mep_neuro.backends.accuracy import of_count
from mep_neuro.backends.compare import compare
from mep_neuro.backends.report import SECTIONS, ReportContent, render_report, write_report
from mep_neuro.backends.report_html import html, join, percent, scientific, tag
from mep_neuro.simulation.build import build
from mep_neuro.simulation.recording import Recording
from mep_neuro.topology.spec import NetworkSpec

VOID = {"meta", "img", "br", "link"}
SAMPLES = 30


class Page(HTMLParser):
    """Keeps what the tests ask for, and fails on a tag that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes += [(name, key, value or "") for key, value in attrs]
        if name not in VOID:
            self._open.append(name)

    def handle_startendtag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes += [(name, key, value or "") for key, value in attrs]

    def handle_endtag(self, name: str) -> None:
        assert self._open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, key: str) -> list[str]:
        return [value for _, k, value in self.attributes if k == key]


def content(output: str = "hard_sigmoid", side: int = 8) -> ReportContent:
    softmax = output == "softmax"
    spec = {
        "schema": "mep-neuro/1",
        "name": "small",
        "neurons": {"unit": {"model": "rate", "activation": "hard_sigmoid", "tau_mem": "5 ms"}},
        "populations": {
            "input": {"shape": [side * side], "role": "input"},
            "hidden": {"shape": [6], "neuron": "unit"},
            "output": {"shape": [3], "role": "output"}
            | ({"activation": "softmax"} if softmax else {"neuron": "unit"}),
        },
        "projections": {
            "input_hidden": {"pre": "input", "post": "hidden", "connector": {"type": "dense"}},
            "hidden_output": {"pre": "hidden", "post": "output", "connector": {"type": "dense"}},
        },
        "equilibrium": {"nudge": {"beta": 0.1, "cost": "cross_entropy" if softmax else "squared_error"}},
    }
    network = build(NetworkSpec.model_validate(spec))
    rng = np.random.default_rng(0)
    rates = {"hidden": rng.random((SAMPLES, 6)), "output": rng.random((SAMPLES, 3))}
    reference = Recording(
        backend="torch",
        rates=rates,
        steps=np.full(SAMPLES, 9),
        settled=np.ones(SAMPLES, dtype=bool),
        seconds=0.5,
        residual_curve=np.geomspace(1, 1e-12, 20)[:, None] * rng.uniform(0.5, 2, (20, SAMPLES)),
    )
    other = replace(reference, backend="brian2", rates={n: r + 1e-6 for n, r in rates.items()})
    labels = np.argmax(rates["output"], axis=1)
    labels[:3] = (labels[:3] + 1) % 3
    return ReportContent(
        network=network,
        data="hand-made digits",
        split="all held out",
        features=rng.random((SAMPLES, side * side)),
        labels=labels,
        recordings={"torch": reference, "brian2": other},
        deviations={"brian2": compare(network, reference, other)},
        accuracies={"EP": of_count(27, 30), "backprop": of_count(28, 30), "untrained": of_count(3, 30)},
        metrics=[
            {"epoch": e, "train_accuracy": 0.5 + e / 10, "test_accuracy": 0.4 + e / 10} for e in range(1, 5)
        ],
        commands=["mep-neuro demo --out DIR"],
        facts={"Versions": "numpy 2"},
        notes=["A further limit."],
        marks={"8-bit step": 1 / 256},
    )


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', page, flags=re.S)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(content())


def test_every_section_is_there_with_its_heading(page: str) -> None:
    assert list(SECTIONS) == re.findall(r'<section id="(\w+)">', page)
    assert len(SECTIONS) == 9
    for name, (title, _) in SECTIONS.items():
        assert f"<h2>{html(title)}</h2>" in section(page, name)


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    parsed = Page(page)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(parsed.tags)
    for key in ("href", "xlink:href", "src", "srcset", "action", "poster", "data", "background"):
        for value in parsed.values(key):
            assert value.startswith(("#", "data:image/png;base64,")), (key, value)
    assert not re.search(r"(?:https?:)?//|@import|url\((?!#)", re.sub(r"base64,[^\"]*", "", page))
    assert not [key for _, key, _ in parsed.attributes if key.startswith("on")]
    assert parsed.tags.count("style") == 1  # a style element inside an SVG would hold for the whole page


def test_every_local_reference_has_its_target_and_ids_are_unique(page: str) -> None:
    parsed = Page(page)
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for v in parsed.values("href")} | set(re.findall(r"url\(#([^)]+)\)", page))
    assert wanted
    assert wanted <= set(ids)


def test_what_is_given_is_escaped() -> None:
    evil = '<script>alert("x")</script>&amp;\'$title'
    base = content()
    recordings = {"torch": base.recordings["torch"], evil: replace(base.recordings["brian2"], notes=(evil,))}
    spec = base.network.spec.model_copy(update={"name": evil})
    told = replace(
        base,
        network=replace(base.network, spec=spec),
        data=evil,
        split=evil,
        recordings=recordings,
        deviations={evil: base.deviations["brian2"]},
        accuracies={evil: of_count(1, 2)},
        metrics=[{"epoch": 1, f"{evil}accuracy": 0.5}],
        commands=[evil],
        facts={evil: evil},
        notes=[evil],
        marks={evil: 1e-6},
    )
    page = render_report(told)
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert parsed.text.count(evil) > 10
    assert not [key for _, key, _ in parsed.attributes if key.startswith("on") or "alert" in key]


def test_pictures_have_text_for_those_who_do_not_see_them(page: str) -> None:
    parsed = Page(page)
    labelled = {n for n, k, v in parsed.attributes if k == "aria-label" and v}
    assert "svg" in labelled
    assert parsed.tags.count("svg") == sum(n == "svg" and k == "aria-label" for n, k, _ in parsed.attributes)
    assert parsed.tags.count("img") == sum(
        n == "img" and k == "alt" and v != "" for n, k, v in parsed.attributes
    )


def test_the_colours_of_the_plots_are_those_of_the_page(page: str) -> None:
    drawn = " ".join(re.findall(r"<svg.*?</svg>", page, flags=re.S))
    assert not re.findall(r"(?:fill|stroke): #\w+", drawn)
    assert {"var(--s0)", "var(--s1)", "var(--soft)"} <= set(re.findall(r"var\(--\w+\)", drawn))
    used, defined = set(re.findall(r"var\((--\w[\w-]*)\)", page)), set(re.findall(r"(--\w[\w-]*):", page))
    assert used <= defined


def test_the_numbers_of_the_tables_are_those_of_the_content(page: str) -> None:
    shown = Page(section(page, "deviations")).text
    assert "1.0\u2009\u00d7\u200910\u22126" in shown
    accuracy = Page(section(page, "accuracy")).text
    assert "90.0\u00a0%" in accuracy
    assert "74.4\u00a0% \u2013 96.5\u00a0%" in accuracy  # Wilson, 27 of 30
    assert "27 of 30 samples lie on the diagonal" in Page(section(page, "confusion")).text


def test_the_confusion_matrix_counts_every_sample(page: str) -> None:
    cells = re.findall(r"<td[^>]*>(\d+)</td>", section(page, "confusion"))
    assert sum(map(int, cells)) == SAMPLES
    wrong = re.findall(r'<td style="background: rgba\(var\(--heat-bad\), [\d.]+\)">(\d+)</td>', page)
    assert sum(map(int, wrong)) == 3


def test_samples_that_were_wrong_are_shown_first_and_marked(page: str) -> None:
    images = section(page, "images")
    assert re.findall(r'alt="sample (\d+),', images)[:4] == ["0", "1", "2", "3"]
    assert images.count("✗") == 3 * 2  # three samples, two back ends


def test_what_had_not_settled_is_said_at_the_top() -> None:
    base = content()
    settled = np.ones(SAMPLES, dtype=bool)
    settled[4] = False
    recordings = {**base.recordings, "brian2": replace(base.recordings["brian2"], settled=settled)}
    page = render_report(replace(base, recordings=recordings))
    assert "Not settled: 1 of 30 samples in brian2." in page.split("<section")[0]
    assert "96.7\N{NO-BREAK SPACE}%" in section(page, "deviations")


def test_rates_that_are_not_finite_are_said() -> None:
    base = content()
    rates = {n: r.copy() for n, r in base.recordings["brian2"].rates.items()}
    rates["hidden"][0, 0] = np.nan
    broken = replace(base.recordings["brian2"], rates=rates)
    recordings = {**base.recordings, "brian2": broken}
    deviations = {"brian2": compare(base.network, base.recordings["torch"], broken)}
    page = render_report(replace(base, recordings=recordings, deviations=deviations))
    assert "not finite" in page.split("<section")[0]
    assert "not finite" in section(page, "deviations")


def test_a_report_of_little_is_still_a_report() -> None:
    base = content("softmax", side=8)
    bare = {"torch": replace(base.recordings["torch"], residual_curve=None)}
    few = replace(
        base,
        recordings=bare,
        deviations={},
        accuracies={},
        metrics=[],
        commands=[],
        facts={},
        features=base.features[:, :63],
        marks={},
    )
    page = render_report(few)
    for text in ("No back end recorded its residuals", "holds no training metrics", "no square image"):
        assert text in page
    assert "Only the reference was run" in page


def test_equal_recordings_are_said_to_be_equal() -> None:
    base = content()
    same = replace(base.recordings["torch"], backend="brian2")
    deviations = {"brian2": compare(base.network, base.recordings["torch"], same)}
    told = replace(base, recordings={**base.recordings, "brian2": same}, deviations=deviations)
    assert "Equal in every bit: brian2." in render_report(told)


def test_the_same_content_gives_the_same_file(page: str) -> None:
    assert render_report(content()) == page


def test_the_file_replaces_another_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    path.parent.mkdir()
    path.write_text("old")
    write_report(content(), path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_drawn_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_report(replace(content(), deviations={"lava": content().deviations["brian2"]}), path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("fraction", "text"), [(1.0, "100"), (0.99999, "99.9"), (0.5, "50.0"), (0.0, "0.0"), (0.9665, "96.7")]
)
def test_less_than_all_is_never_shown_as_all(fraction: float, text: str) -> None:
    assert percent(fraction) == f"{text}\u00a0%"


def test_numbers_in_powers_of_ten() -> None:
    assert scientific(0.0) == "0"
    assert scientific(1.24e-12) == "1.2&thinsp;&times;&thinsp;10<sup>&minus;12</sup>"
    assert scientific(250.0).endswith("10<sup>2</sup>")
    assert "not finite" in scientific(float("nan"))


def test_html_is_escaped_once() -> None:
    assert tag("p", "<b>", tag("b", "&")) == "<p>&lt;b&gt;<b>&amp;</b></p>"
    assert tag("b", "a") + "<" == "<b>a</b>&lt;"
    assert tag("p", tag("b", "a") + tag("i", "c"), class_='"') == '<p class="&quot;"><b>a</b><i>c</i></p>'
    assert join(["<", tag("b")], " & ") == "&lt; & <b></b>"
