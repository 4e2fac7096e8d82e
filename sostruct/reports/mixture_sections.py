"""The parts of a page that only the report of a mixture has: its components, and what its words mean.

What all kinds of run have in common (surprise, edits, refusals, metrics, how to repeat it) is in `sections`.
"""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from sostruct.reports import facts
from sostruct.reports.markup import (
    Html,
    figure,
    fixed,
    join,
    number,
    pairs,
    paragraph,
    section,
    table,
    tag,
    text,
    variable,
)
from sostruct.reports.points_figure import MOST
from sostruct.reports.sections import provenance_note
from sostruct.reports.tables import RunTables

MOST_INPUTS: Final = 6
"""Inputs whose means and widths are in the table of the page."""

_NUMBERS: Final = {
    "adjusted_rand_index": "adjusted Rand index",
    "heldout_surprise_per_step": "held-out surprise, nats per step",
    "surprise_per_step": "surprise, nats per step",
}


def headline(tables: RunTables, components: pd.DataFrame) -> Html:
    """Task, what the mixture grew into, provenance and the numbers everyone looks for."""
    task = facts.task_facts(tables)
    pieces = [paragraph("sostruct run report", class_="kicker"), tag("h1", text(facts.task_name(tables)))]
    if task.get("description"):
        pieces.append(paragraph(task["description"], class_="lede"))
    pieces += [paragraph(facts.growth(tables), class_="finding"), provenance_note(tables)]
    return tag("header", join([*pieces, _numbers(tables, components)]))


def _numbers(tables: RunTables, components: pd.DataFrame) -> Html:
    known = {title: facts.metric(tables, name) for name, title in _NUMBERS.items()}
    entries = {title: fixed(value, 3) for title, value in known.items() if value is not None}
    entries["components"] = number(len(components))
    for name, title in (("clusters", "true clusters"), ("rows", "rows")):
        if name in tables.metrics:
            entries[title] = number(tables.metrics[name])
    entries["inputs"] = number(len(facts.inputs(tables)))
    entries["epochs"] = number(int(tables.signals["epoch"].nunique()))
    entries["edits accepted"] = number(int(tables.journal["accepted"].sum()))
    return pairs(entries, "numbers")


def components_section(components: pd.DataFrame, drawing: Html) -> Html:
    """The components, the heaviest first, and the graph they are nodes of."""
    caption = (
        "Inputs at the bottom, a node for every component above them. The number on an edge is where the component "
        "begins in that input; noise is the standard deviation about a component that is expected before any point is "
        "seen."
    )
    inputs = [name.removesuffix(" mean") for name in components.columns[2::2]]
    shown = inputs[:MOST_INPUTS]
    columns = [("component", "name"), ("rows", "number"), *((f"{name}, mean ± sd", "number") for name in shown)]
    ranked = components.sort_values("weight", ascending=False, kind="stable")
    rows = [_component(row, shown) for row in ranked.to_dict("records")]
    title = "The components after the last row, by how many rows they remember"
    if len(shown) < len(inputs):
        title += f"; {len(inputs) - len(shown)} more inputs in components.csv"
    return section("The components", table(columns, rows, title), figure([("", drawing)], caption, "double"))


def points_section(points: pd.DataFrame, drawing: Html) -> Html:
    """The rows, by the component they most likely belong to."""
    inputs = sum(name.endswith(" value") for name in points.columns)
    caption = "Every row by the component it most likely belonged to when it came in; a cross is rather of none. "
    if inputs > 1:
        caption += "Ellipses are two standard deviations about each component after the last row. "
    if inputs > 2:
        caption += f"The first two of {inputs} inputs. "
    if len(points) > MOST:
        caption += f"{len(points[:: -(-len(points) // MOST)])} of {len(points)} rows, evenly chosen."
    return section("The rows", figure([("", drawing)], caption.strip(), "double"))


def _component(row: Mapping[Any, Any], inputs: list[str]) -> list[Html]:
    places = [
        join((number(float(row[f"{name} mean"])), text("±"), number(float(row[f"{name} sd"]))), " ") for name in inputs
    ]
    return [variable(row["component"]), fixed(float(row["weight"]), 1), *places]


def reading_section() -> Html:
    """What the words and numbers of the page mean, and what they rest on."""
    entries = {
        "nats": "The unit of surprise and of prices: log probability with base e. An edit with a price of 3 nats makes "
        "the data, the place of every component paid, e³ ≈ 20 times as probable as the mixture without it.",
        "surprise": "Negative log predictive density of a row, each predicted from the rows before it, in nats. Of an "
        "input it is that of its value given the inputs before it in the row. A component observes nothing: its row is "
        "half its mean squared standardized error less one, 0 where points scatter about it as it expects. Held-out "
        "surprise is that of rows that follow those the mixture was grown on.",
        "log evidence": "Minus the surprise of all rows, less what components pay for beginning where the points are.",
        "rows": "How many rows a component remembers, each counted by the share it belongs to the component. The point "
        "that a component begins with counts too.",
        "adjusted Rand index": "Agreement of the rows' components with the known clusters: 1 where they are the same, "
        "0 where they agree as shuffled labels would on average. A row that is rather of no component than of any is "
        "one of a cluster called new.",
        "what is assumed": "Within a cluster inputs are independent and about Gaussian. A cluster of another shape is "
        "described by several components, so components need not be things in the world.",
    }
    return section("How to read this page", pairs({key: text(value) for key, value in entries.items()}, "terms"))
