"""The parts of a page that only the report of a layered network has: its populations, and what its words mean.

What all kinds of run have in common (surprise, edits, refusals, metrics, how to repeat it) is in `sections`.
"""

from typing import Final

from sostruct.graph import Topology, decode_connections, width_of
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
    "test_accuracy": "accuracy, rows held out",
    "train_accuracy": "accuracy, these rows",
    "test_explained": "variance explained, rows held out",
    "train_explained": "variance explained, these rows",
    "test_surprise_per_row": "surprise, nats per row held out",
}


def is_layered(tables: RunTables) -> bool:
    """Whether a run is that of a layered network: its graph has populations."""
    return any(node.kind in ("classification", "regression") for node in tables.history.start.nodes)


def headline(tables: RunTables) -> Html:
    """Task, what the network grew into, provenance and the numbers everyone looks for."""
    task = facts.task_facts(tables)
    pieces = [paragraph("sostruct run report", class_="kicker"), tag("h1", text(facts.task_name(tables)))]
    if task.get("description"):
        pieces.append(paragraph(task["description"], class_="lede"))
    known = {title: facts.metric(tables, name) for name, title in _NUMBERS.items()}
    entries = {title: fixed(value, 3) for title, value in known.items() if value is not None}
    for name in ("parameters", "units", "features", "rows", "epochs"):
        if name in tables.metrics:
            entries[name] = number(tables.metrics[name])
    entries["edits accepted"] = number(int(tables.journal["accepted"].sum()))
    finding = paragraph(_growth(tables.history.start, tables.history.final), class_="finding")
    return tag("header", join([*pieces, finding, provenance_note(tables), pairs(entries, "numbers")]))


def _growth(start: Topology, end: Topology) -> str:
    """What became of the network, in a sentence."""
    if start == end:
        return f"The graph stays as it was, with {_units(end)} hidden units and {_connections(end)} connections."
    return (
        f"The network went from {_units(start)} hidden units and {_connections(start)} connections to {_units(end)} "
        f"hidden units and {_connections(end)} connections."
    )


def _units(topology: Topology) -> int:
    return sum(width_of(node) or 0 for node in topology.nodes if node.kind == "dense")


def _connections(topology: Topology) -> int:
    total = 0
    for edge in topology.edges:
        rows, columns = (width_of(topology.node(end)) or 0 for end in (edge.source, edge.target))
        total += int(decode_connections(edge.connections, rows, columns, edge.source == edge.target).sum())
    return total


def network_section(found: Html) -> Html:
    """The network that was found."""
    caption = (
        "Populations of units from the input to the output; an arrow is a matrix of weights, and its word the function "
        "that its source sends through it. An arrow from a population to itself lets each unit act on those after it."
    )
    return section("The network", figure([("", found)], caption, "single"))


def populations_section(tables: RunTables) -> Html:
    """Populations and edges."""
    columns = [("population", "name"), ("kind", ""), ("units", "number"), ("parameters", "number")]
    rows = [
        [variable(node["node"]), text(node["kind"]), number(node["width"]), number(node["parameters"])]
        for node in tables.nodes.to_dict("records")
    ]
    nodes = table(columns, rows, "Populations, with the trainable numbers of their biases and of what they receive")
    ends = [("source", "name"), ("target", "name"), ("function", ""), ("connections", "number")]
    edges = [
        [variable(edge["source"]), variable(edge["target"]), text(edge["function"]), number(edge["connections"])]
        for edge in tables.edges.to_dict("records")
    ]
    return section("Populations and edges", tag("div", join((nodes, table(ends, edges, "Edges"))), class_="side"))


def reading_section() -> Html:
    """What the words and numbers of the page mean, and what they rest on."""
    entries = {
        "nats": "The unit of surprise and of prices: log probability with base e. Prices of edits are totals over the "
        "rows that are learned; rules that rank without a price show none.",
        "surprise": "Negative log probability, or density, of the target of the rows that are held out of learning, or "
        "of all learned rows where none are held out, after the epoch. Inputs and hidden populations predict nothing "
        "that is observed: theirs is 0.",
        "rows held out": "Accuracy and surprise of rows held out are those of rows that the network has never been "
        "shown, neither to learn nor to choose by.",
        "parameters": "Trainable numbers that are not 0: weights of connections that are there, and biases.",
        "what is assumed": "Rows are independent of one another and come from where later ones will come from.",
    }
    return section("How to read this page", pairs({key: text(value) for key, value in entries.items()}, "terms"))
