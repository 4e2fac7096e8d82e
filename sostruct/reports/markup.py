"""The few pieces of HTML a report is made of, each escaping what it is given.

Text from a run (names of variables, descriptions, settings) enters a page through `text` alone, so a variable named
`<b>&"` is shown as it is spelled. Pieces that are already HTML have the type `Html`, and nothing else is
accepted where HTML is expected.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NewType

from sostruct.reports.typography import DASH, MINUS, minus

Html = NewType("Html", str)


def text(content: object) -> Html:
    """Any value as text: escaped, with control characters that HTML cannot hold replaced."""
    plain = "".join(letter if letter >= " " or letter in "\n\t" else "\ufffd" for letter in str(content))
    return Html(escape(plain, quote=True))


def variable(content: object) -> Html:
    """A variable's name as text that may break after an underscore, dash or point."""
    return Html(re.sub(r"([_.\-/])(?=.)", r"\1<wbr>", text(content)))


def edit_text(content: object) -> Html:
    """An edit in words: its arrows as arrows, and names may break after an underscore, point or slash, numbers not."""
    return Html(re.sub(r"([_./])(?=[^\W\d])", r"\1<wbr>", text(str(content).replace(" -> ", " → "))))


def join(pieces: Iterable[Html], between: str = "\n") -> Html:
    """Several pieces as one."""
    return Html(between.join(pieces))


def tag(name: str, content: Html, **attributes: str) -> Html:
    """An element; attribute values are escaped, and `class_` stands for `class`."""
    listed = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{listed}>{content}</{name}>")


def paragraph(content: object, **attributes: str) -> Html:
    """A paragraph of text."""
    return tag("p", text(content), **attributes)


def section(title: str, *content: Html) -> Html:
    """A titled part of the page, with an anchor."""
    anchor = "-".join(title.lower().replace(",", "").split())
    return tag("section", join((tag("h2", text(title)), *content)), id=anchor)


def table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Html]], caption: str) -> Html:
    """A table in a frame that scrolls sideways on small screens.

    Args:
        columns: heading and class of every column; the class "number" aligns to the right.
        rows: one cell of HTML per column.
        caption: what the table shows, for everyone and for screen readers.
    """
    head = join((tag("th", text(title), scope="col", class_=kind) for title, kind in columns), "")
    body = join(
        tag("tr", join((tag("td", cell, class_=kind) for cell, (_, kind) in zip(row, columns, strict=True)), ""))
        for row in rows
    )
    inner = join((tag("caption", text(caption)), tag("thead", tag("tr", head)), tag("tbody", body)))
    return tag("div", tag("table", inner), class_="wide")


def figure(drawings: Sequence[tuple[str, Html]], caption: str, kind: str) -> Html:
    """One or more drawings, each with a heading (may be empty), under one caption."""
    panels = join(
        tag("div", join([*([tag("h3", text(title))] if title else []), drawing]), class_="panel")
        for title, drawing in drawings
    )
    return tag("figure", join((tag("div", panels, class_="panels"), tag("figcaption", text(caption)))), class_=kind)


def pairs(entries: Mapping[str, Html], kind: str) -> Html:
    """Terms and what they are, as a description list."""
    items = join(tag("div", Html(f"<dt>{text(key)}</dt><dd>{value}</dd>")) for key, value in entries.items())
    return tag("dl", items, class_=kind)


def details(title: str, content: Html) -> Html:
    """Something that is there when wanted."""
    return tag("details", join((tag("summary", text(title)), content)))


def number(value: Any, digits: int = 3) -> Html:
    """A number for people: integers in full, others with so many significant digits, a dash when unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return Html(DASH if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞"))
    if float(value).is_integer() and abs(value) < 1e15:
        return text(minus(f"{int(value):,}"))
    if 1e-3 <= abs(value) < 1e6:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return text(minus(f"{value:,.{places}f}"))
    return text(minus(f"{value:.{digits - 1}e}"))


def fixed(value: float, places: int, *, sign: bool = False) -> Html:
    """A number with so many decimals, so that a column lines up; a dash when unknown."""
    if math.isnan(value):
        return Html(DASH)
    if abs(value) >= 1e7:  # infinite, too
        return number(value)
    return text(minus(f"{value:+,.{places}f}" if sign else f"{value:,.{places}f}"))
