"""The parts of a page that only the report of a belief network has: what it grew into, and its numbers.

What both kinds of run have in common (surprise, edits, refusals, metrics, how to repeat it) is in `sections`.
"""

from collections.abc import Mapping
from typing import Any, Final

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
from sostruct.reports.sections import provenance_note
from sostruct.reports.tables import RunTables

_NUMBERS: Final = {
    "heldout_surprise_per_step": "held-out surprise, nats per step",
    "surprise_per_step": "surprise, nats per step",
    "edge_f1": "edge F1",
}
_WORDS: Final = {"tonic_volatility": "ω", "autoconnection": "λ", "tonic_drift": "drift"}
_FIRST: Final = ("precision", "tonic_volatility", "autoconnection")


def headline(tables: RunTables) -> Html:
    """Task, what the network grew into, provenance and the numbers everyone looks for."""
    task = facts.task_facts(tables)
    pieces = [paragraph("sostruct run report", class_="kicker"), tag("h1", text(facts.task_name(tables)))]
    if task.get("description"):
        pieces.append(paragraph(task["description"], class_="lede"))
    pieces += [paragraph(facts.growth(tables), class_="finding"), provenance_note(tables), _numbers(tables)]
    return tag("header", join(pieces))


def _numbers(tables: RunTables) -> Html:
    known = {title: facts.metric(tables, name) for name, title in _NUMBERS.items()}
    entries = {title: fixed(value, 3) for title, value in known.items() if value is not None}
    inputs = facts.inputs(tables)
    entries["inputs"] = number(len(inputs))
    entries["hidden nodes"] = number(tables.graph.number_of_nodes() - len(inputs))
    if "rows" in tables.metrics:
        entries["rows"] = number(tables.metrics["rows"])
    entries["epochs"] = number(int(tables.signals["epoch"].nunique()))
    entries["edits accepted"] = number(int(tables.journal["accepted"].sum()))
    return pairs(entries, "numbers")


def network_section(found: Html, truth: Html | None) -> Html:
    """The network that was found, and the true one beside it when there is one."""
    caption = (
        "Inputs at the bottom; above each node what its prediction depends on. A value parent (solid) predicts the "
        "mean of its child, a volatility parent (dashed) the variance of its child's steps. ω is the log variance of a "
        "node's own steps, λ what it keeps of its value from one step to the next (1 where none is given), noise the "
        "standard deviation of an input about the state that it shows."
    )
    if truth is not None:
        caption += " Hidden nodes have no names of their own: those of the two networks need not agree."
    drawings = [("" if truth is None else "Found", found)] + ([] if truth is None else [("Truth", truth)])
    return section("The network", figure(drawings, caption, "single" if truth is None else "double"))


def tables_section(tables: RunTables) -> Html:
    """Nodes with their parameters, and edges."""
    return section("Nodes and edges", tag("div", join((_nodes(tables), _edges(tables))), class_="side"))


def _nodes(tables: RunTables) -> Html:
    nodes = tables.nodes.drop(columns="observed", errors="ignore")
    shown = [name for name in _FIRST if name in nodes]
    shown += [name for name in nodes.columns[2:] if name not in shown and nodes[name].nunique(dropna=True) > 1]
    columns = [("node", "name"), ("kind", ""), *((_word(name), "number") for name in shown)]
    rows = [
        [variable(node["node"]), text(node["kind"]), *(_parameter(node[name]) for name in shown)]
        for node in nodes.to_dict("records")
    ]
    return table(columns, rows, "Nodes, with the parameters that differ between them")


def _word(name: str) -> str:
    return _WORDS.get(name, name.replace("_", " "))


def _parameter(value: Any) -> Html:
    return number(float(value)) if isinstance(value, int | float) else text(value)


def _edges(tables: RunTables) -> Html:
    if tables.edges.empty:
        return paragraph("The network has no edge.")
    priced = bool(tables.edges["nats"].notna().any())
    plain = "function" not in tables.edges or bool((tables.edges["function"] == "identity").all())
    columns = [("parent", "name"), ("child", "name"), ("coupling", ""), ("strength", "number")]
    columns += ([] if plain else [("function", "")]) + ([("nats", "number")] if priced else [])
    rows = [_edge(edge, plain=plain, priced=priced) for edge in tables.edges.to_dict("records")]
    return table(columns, rows, "Edges")


def _edge(edge: Mapping[Any, Any], *, plain: bool, priced: bool) -> list[Html]:
    cells = [variable(edge["source"]), variable(edge["target"]), text(edge["coupling"]), number(edge["strength"])]
    cells += [] if plain else [text(edge["function"])]
    return cells + ([fixed(float(edge["nats"]), 1)] if priced else [])


def reading_section() -> Html:
    """What the words and numbers of the page mean, and what they rest on."""
    entries = {
        "nats": "The unit of surprise and of prices: log probability with base e. An edit with a price of 3 nats makes "
        "the data, complexity paid, e³ ≈ 20 times as probable as the graph without it.",
        "surprise": "Negative log predictive density of the inputs, each step predicted from the steps before it, in "
        "nats. Excess surprise is what exceeds the network's own expectation: it says that a node is miscalibrated. "
        "A hidden node observes nothing; its surprise is the excess alone. Held-out surprise is that of rows that "
        "follow those the network was grown on.",
        "belief": "Posterior mean and standard deviation of a node at the end of an epoch's pass over the data. A "
        "volatility parent's belief is about a log variance.",
        "truth": "Where the true network is known, hidden nodes are matched to it as well as can be with the inputs "
        "fixed, and networks that no data could tell apart count as equal. Edge F1 is about the edges after that "
        "matching.",
        "what is assumed": "Inputs are noisy views of hidden states that move in Gaussian steps, whose means and "
        "variances other hidden states may drive. A hidden node is what these data need under that assumption, and no "
        "more: it need not be a thing in the world.",
    }
    return section("How to read this page", pairs({key: text(value) for key, value in entries.items()}, "terms"))
