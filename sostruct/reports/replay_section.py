"""The part of a page that walks through a run: a slider, the graph, the surprise so far, decisions and beliefs.

Everything is in the page. What is drawn once (the graph, the curve) is changed by a small script that reads one JSON
object; what is text (decisions) is there for every frame and shown one at a time. Without scripts the page shows the
last frame, hides the slider, and says so; the table of edits below has the rest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

import numpy as np
import pandas as pd

from sostruct.reports import facts
from sostruct.reports.canvas import inline_svg
from sostruct.reports.markup import (
    Html,
    details,
    edit_text,
    fixed,
    join,
    number,
    paragraph,
    section,
    table,
    tag,
    text,
    variable,
)
from sostruct.reports.replay import Film, Frame
from sostruct.reports.replay_drawing import LESS, MORE, Changing, measured_by
from sostruct.reports.surprise_figure import totals
from sostruct.reports.tables import RunTables
from sostruct.reports.typography import DASH, compact, minus, with_spread

MOST_MADE: Final = 12
MOST_REFUSED: Final = 5
MOST_ROWS: Final = 400

WIDE: Final = 5.6
"""Inches from which on a graph gets the whole width of the page."""

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 420.0, 150.0, 8.0, 24.0, 20.0
STATES: Final = {".": "absent", "o": "there", "n": "new", "t": "tuned", "g": "gone"}


def replay_section(shown: Film, drawn: Changing, tables: RunTables) -> Html:
    """The whole part; nothing but a sentence where the run has no epoch."""
    title = "The run, epoch by epoch"
    if not shown.frames:
        return section(title, paragraph("This run recorded no epoch."))
    last = len(shown.frames) - 1
    curve, xs, ys = _curve(shown, tables)
    rows = [_beliefs(frame, drawn.nodes, tables) for frame in shown.frames]
    data = {
        "epochs": [frame.epoch for frame in shown.frames],
        "edits": [int(frame.decisions["accepted"].sum()) for frame in shown.frames],
        "states": drawn.states,
        "fills": drawn.fills,
        "texts": drawn.texts,
        "rows": rows,
        "x": xs,
        "y": ys,
    }
    drawing = _with_frame(inline_svg(drawn.figure, "replay", text("The graph in this epoch")), drawn, last)
    width = float(drawn.figure.get_size_inches()[0])
    graph = tag("div", drawing, class_="graph", style=f"--natural: {width:.2f}in")
    story = tag("div", join((curve, _decisions(shown))), class_="story")
    stage = tag("div", join((graph, story)), class_="stage" if width < WIDE else "stage above")
    inner = (_controls(shown), stage, _key(drawn), _belief_table(drawn, rows[last], tables), _script(data))
    return section(title, *_lead(shown, drawn), tag("div", join(inner), class_="replay"))


def _lead(shown: Film, drawn: Changing) -> list[Html]:
    lead = (
        "Each step of the slider is one epoch: the graph after its edits, the surprise of its pass over the data, "
        "which came first, and what was decided because of it."
    )
    if len(shown.frames) < shown.epochs:
        lead += (
            f" Of {shown.epochs:,} epochs {len(shown.frames)} are shown: the first, the last, and those that changed "
            "the graph first of all; marks and decisions count from the frame before."
        )
    if drawn.note:
        lead += f" Shown: {drawn.note}."
    quiet = "This page is read without scripts, so the last epoch is shown; the table of edits has the others."
    return [paragraph(lead), tag("noscript", paragraph(quiet, class_="note"))]


def _controls(shown: Film) -> Html:
    last = len(shown.frames) - 1
    slider = Html(
        f'<input type="range" min="0" max="{last}" step="1" value="{last}" aria-label="Epoch" list="replay-edits">'
    )
    edits = [n for n, frame in enumerate(shown.frames) if frame.decisions["accepted"].any()]
    marks = tag("datalist", join((Html(f'<option value="{n}"></option>') for n in edits), ""), id="replay-edits")
    back = tag("button", text("◀"), type="button", aria_label="One epoch back", class_="back")
    ahead = tag("button", text("▶"), type="button", aria_label="One epoch ahead", class_="ahead")
    output = tag("output", text(_named(shown.frames[-1])), aria_live="polite")
    return tag("div", join((back, slider, ahead, marks, output)), class_="controls")


def _named(frame: Frame) -> str:
    count = int(frame.decisions["accepted"].sum())
    return f"epoch {frame.epoch}: " + ("no edit" if not count else "1 edit" if count == 1 else f"{count} edits")


def _with_frame(drawing: str, drawn: Changing, frame: int) -> Html:
    """The drawing with every part as it is in one frame, and with that frame's texts."""

    def classed(found: re.Match[str]) -> str:
        return f'{found.group(0)} class="{part_class(drawn, frame, int(found.group(1)))}"'

    said = drawn.texts[frame]

    def texted(found: re.Match[str]) -> str:
        number = int(found.group(2))
        return f"{found.group(1)}{text(said[number])}</text>" if number in said else found.group(0)

    drawing = re.sub(
        r'(<g data-part="(\d+)" data-role="text"[^>]*>.*?<text [^>]*>)[^<]*</text>', texted, drawing, flags=re.DOTALL
    )
    return Html(re.sub(r'<g data-part="(\d+)"', classed, drawing))


def part_class(drawn: Changing, frame: int, part: int) -> str:
    """What a part is in a frame, in words that the style sheet knows."""
    words = STATES[drawn.states[frame][part]]
    if part < len(drawn.nodes):
        words += f" fill-{drawn.fills[frame][part]}"
    return words


def _curve(shown: Film, tables: RunTables) -> tuple[Html, list[float], list[float]]:
    """The surprise of every epoch as a line, the part up to the frame in ink, and where its marker goes."""
    frame = totals(facts.observed_signals(tables))["surprise"].dropna()
    rows = tables.metrics.get("rows")
    per_step = isinstance(rows, int | float) and not isinstance(rows, bool) and rows > 0
    values = frame.to_numpy(dtype=np.float64) / (float(rows) if per_step and rows else 1.0)
    epochs = frame.index.to_numpy(dtype=np.float64)
    if not values.size:
        return Html(""), [], []
    low, high = float(values.min()), float(values.max())
    first, span = float(epochs[0]), max(float(epochs[-1] - epochs[0]), 1.0)
    x = _LEFT + (epochs - first) / span * (_WIDTH - 2 * _LEFT)
    y = _TOP + 6 + (high - values) / (high - low if high > low else 1.0) * (_HEIGHT - _TOP - _BOTTOM - 12)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    at = np.array([one.epoch for one in shown.frames], dtype=np.float64)
    xs, ys = np.interp(at, epochs, x).round(1).tolist(), np.interp(at, epochs, y).round(1).tolist()
    places = 3 if per_step else 1
    unit = "surprise per step, nats" if per_step else "surprise, nats"
    said = [f"{_plain(value, places)}" for value in np.interp(at, epochs, values)]
    drawing = Html(
        f'<svg class="curve" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{text(unit)} by epoch" '
        f'data-said="{text(json.dumps(said, ensure_ascii=False))}">'
        f'<clipPath id="replay-past"><rect x="0" y="0" width="{xs[-1]}" height="{_HEIGHT:.0f}"/></clipPath>'
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _LEFT}" y1="{_HEIGHT - _BOTTOM}" y2="{_HEIGHT - _BOTTOM}"/>'
        f'<text class="unit" x="{_LEFT}" y="12">{text(unit)}: <tspan class="value">{text(said[-1])}</tspan></text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">epoch {int(epochs[0])}</text>'
        f'<text x="{_WIDTH - _LEFT}" y="{_HEIGHT - 6}" text-anchor="end">{int(epochs[-1])}</text>'
        f'<text class="bound" x="{_WIDTH - _LEFT}" y="12" text-anchor="end">'
        f"{text(_plain(low, places))} to {text(_plain(high, places))}</text>"
        f'<polyline class="all" points="{points}"/>'
        f'<polyline class="past" clip-path="url(#replay-past)" points="{points}"/>'
        f'<line class="cursor" x1="{xs[-1]}" x2="{xs[-1]}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        f'<circle cx="{xs[-1]}" cy="{ys[-1]}" r="4"/></svg>'
    )
    return drawing, xs, ys


def _plain(value: float, places: int) -> str:
    return minus(f"{value:,.{places}f}") if abs(value) < 1e6 else compact(value)


def _decisions(shown: Film) -> Html:
    """What was decided in each frame: one list each, all but the last hidden."""
    last = len(shown.frames) - 1
    lists = []
    for place, frame in enumerate(shown.frames):
        made = frame.decisions[frame.decisions["accepted"].astype(bool)]
        refused = frame.decisions[~frame.decisions["accepted"].astype(bool)]
        refused = refused.sort_values("nats", ascending=False, kind="stable", na_position="last")
        several = frame.epoch > frame.since + 1 and frame.since >= 0
        pieces = [
            _listed("Made", made, MOST_MADE, dated=several),
            _listed("Refused", refused, MOST_REFUSED, dated=several),
        ]
        if not len(frame.decisions):
            pieces = [paragraph("Nothing new was decided.", class_="none")]
        hidden = {} if place == last else {"hidden": "hidden"}
        lists.append(tag("div", join(pieces), data_frame=str(place), **hidden))
    return tag("div", join(lists), class_="decisions")


def _listed(title: str, decisions: pd.DataFrame, most: int, *, dated: bool) -> Html:
    if decisions.empty:
        return Html("")
    items = []
    for row in decisions.head(most).to_dict("records"):
        reason = f"epoch {row['epoch']}: {row['reason']}" if dated else row["reason"]
        items.append(
            tag("li", join((edit_text(row["summary"]), _price(float(row["nats"])), tag("small", text(reason)))))
        )
    if len(decisions) > most:
        items.append(tag("li", text(f"and {len(decisions) - most:,} more")))
    return join((tag("h3", text(title)), tag("ul", join(items), class_=title.lower())))


def _price(nats: float) -> Html:
    shown = text("no price") if math.isnan(nats) else join((fixed(nats, 2, sign=True), text(" nats")), "")
    return tag("strong", shown)


def _key(drawn: Changing) -> Html:
    """What the fill of a box means, as a row of swatches."""
    words = {
        "excess": "Fill: surprise beyond what the node itself expected, nats over the epoch",
        "reducible": "Fill: surprise that a known edit would remove, nats over the epoch",
    }[drawn.measure]
    less = LESS[::-1] if drawn.measure == "excess" else ""
    labels = [f"{edge:g}" for edge in drawn.scale]
    swatches = [
        *(
            tag("span", text(f"{minus('-')}{label}"), class_=f"fill-{letter}")
            for letter, label in zip(less, labels[::-1], strict=False)
        ),
        tag("span", text("0"), class_="fill-0"),
        *(tag("span", text(label), class_=f"fill-{letter}") for letter, label in zip(MORE, labels, strict=True)),
    ]
    halo = tag("span", text("new or changed"), class_="halo")
    return tag("p", join((text(words + ": "), join(swatches, ""), halo)), class_="key")


def _belief_table(drawn: Changing, rows: Sequence[Sequence[str] | None], tables: RunTables) -> Html:
    """Surprise and, where they were recorded, beliefs of every node, which the script keeps up to date."""
    believed = facts.believes(tables)
    columns = [("node", "name"), ("surprise, nats", "number")]
    columns += [("excess, nats", "number")] if tables.belief else [("reducible, nats", "number")]
    columns += [("belief, mean ± sd", "number"), ("within the run", "span")] if believed else []
    body = []
    for name, row in zip(drawn.nodes, rows, strict=True):
        cells = list(row or [DASH, DASH, *([DASH, ""] if believed else [])])
        shown = [variable(name), *(text(cell) for cell in cells[:3])]
        body.append([*shown, *([whisker(cells[3])] if believed else [])])
    what = "Surprise and beliefs of every node in this epoch" if believed else "Surprise of every node in this epoch"
    return tag("div", table(columns, body, what), class_="nodes")


def whisker(place: str) -> Html:
    """A mean and its standard deviation on the node's own axis, which spans all epochs."""
    left, width, middle = place.split() if place else ("0", "0", "-9")
    return tag("span", Html(""), class_="whisker", style=f"--left: {left}%; --width: {width}%; --middle: {middle}%")


def _beliefs(frame: Frame, nodes: Sequence[str], tables: RunTables) -> list[list[str] | None]:
    """What the table says of every node in a frame; None of one that is not there."""
    believed = facts.believes(tables)
    reach = _reach(tables) if believed else {}
    rows: list[list[str] | None] = []
    for name in nodes:
        signal = frame.signals.get(name)
        if signal is None:
            rows.append(None)
            continue
        second = measured_by("excess", signal) if tables.belief else signal["reducible"]
        row = [str(fixed(signal["surprise"], 1)), str(fixed(second, 1))]
        if believed:
            row += _believed(signal["mean"], signal["variance"], reach.get(name))
        rows.append(row)
    return rows


def _believed(mean: float, variance: float, reach: tuple[float, float] | None) -> list[str]:
    if not math.isfinite(mean) or not variance >= 0.0 or reach is None:
        return ["", ""]
    spread, (low, high) = math.sqrt(variance), reach
    scale = 100.0 / (high - low) if high > low else 0.0
    left, width, middle = ((mean - spread - low) * scale, 2 * spread * scale, (mean - low) * scale)
    return [with_spread(mean, spread), f"{left:.1f} {width:.1f} {middle:.1f}"]


def _reach(tables: RunTables) -> dict[str, tuple[float, float]]:
    """From the lowest to the highest mean of every node over all epochs, a standard deviation to either side."""
    known = tables.signals[np.isfinite(tables.signals["mean"]) & (tables.signals["variance"] >= 0.0)]
    spread = np.sqrt(known["variance"])
    low = (known["mean"] - spread).groupby(known["node"]).min()
    high = (known["mean"] + spread).groupby(known["node"]).max()
    return {str(name): (float(low[name]), float(high[name])) for name in low.index}


def edits_section(tables: RunTables) -> Html:
    """Every edit that was made, with its price and reason."""
    made = tables.journal[tables.journal["accepted"].astype(bool)]
    if made.empty:
        return section("Every edit", paragraph("No edit was made."))
    columns = [("epoch", "number"), ("edit", "phrase"), ("price, nats", "number"), ("why", "phrase")]
    rows = [
        [
            number(int(row["epoch"])),
            edit_text(row["summary"]),
            fixed(float(row["nats"]), 2, sign=True),
            text(row["reason"]),
        ]
        for row in made.head(MOST_ROWS).to_dict("records")
    ]
    caption = "In the order they were made"
    if len(made) > MOST_ROWS:
        caption = f"The first {MOST_ROWS} of {len(made):,}; journal.jsonl has them all"
    listed = table(columns, rows, caption)
    return section("Every edit", listed if len(rows) <= 25 else details(f"{len(rows)} edits", listed))


def _script(data: Mapping[str, Any]) -> Html:
    content = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False, sort_keys=True)
    content = content.replace("<", "\\u003c")
    program = resources.files("sostruct.reports").joinpath("replay.js").read_text(encoding="utf-8")
    return join((tag("script", Html(content), type="application/json"), tag("script", Html(f"\n{program}"))))
