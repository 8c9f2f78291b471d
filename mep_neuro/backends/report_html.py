"""Small pieces of HTML: escaped text, numbers as people read them, tables."""

import math
from collections.abc import Sequence
from html import escape


class Html(str):
    """Text that is HTML already; everything else is escaped."""

    __slots__ = ()

    def __add__(self, other: str) -> "Html":
        """HTML, and other text escaped, stay HTML."""
        return join([self, other])


def html(value: object) -> Html:
    """Escape a value, unless it is HTML already."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def join(parts: Sequence[object], between: str = "") -> Html:
    """Pieces, one after the other."""
    return Html(between.join(html(part) for part in parts))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """One element; `class_` gives the attribute class, and `aria_label` gives aria-label."""
    given = "".join(
        f' {key.strip("_").replace("_", "-")}="{html(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{given}>{join(content)}</{name}>")


def table(caption: str, head: Sequence[object], rows: Sequence[Sequence[object]]) -> Html:
    """A table whose first column names the row and whose other columns are numbers."""
    titles = [tag("th", cell, scope="col") for cell in head]
    body = [tag("tr", tag("th", row[0], scope="row"), *[tag("td", cell) for cell in row[1:]]) for row in rows]
    inside = tag("table", tag("caption", caption), tag("thead", tag("tr", *titles)), tag("tbody", *body))
    return tag("div", inside, class_="scroll", tabindex="0", role="region", aria_label=caption)


def scientific(value: float) -> Html:
    """1.2 x 10^-3 in HTML; zero and what is not finite in words."""
    if not math.isfinite(value):
        return tag("strong", "not finite", class_="bad")
    if value == 0.0:
        return Html("0")
    mantissa, exponent = f"{value:.1e}".split("e")
    sign = "&minus;" if int(exponent) < 0 else ""
    return Html(f"{mantissa}&thinsp;&times;&thinsp;10<sup>{sign}{abs(int(exponent))}</sup>")


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction as people read it; what is less than all is never rounded up to 100 %."""
    if not math.isfinite(fraction):
        return "unknown"
    if fraction == 1:
        return "100\N{NO-BREAK SPACE}%"
    shown = round(100 * fraction, digits)
    if shown >= 100 and fraction < 1:
        shown = 100 - 10**-digits
    return f"{shown:.{digits}f}\N{NO-BREAK SPACE}%"
