"""Which graphs are layered networks; what is not is refused here, with the user's own names, before any work."""

from __future__ import annotations

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import Edge, Node, Topology, decode_connections, width_of
from sostruct.graph.schema import quoted
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.plan import CLASSIFICATION, DENSE, INPUT, OUTPUTS, width
from sostruct.networks.layered.reading import Reading
from sostruct.tasks.base import series_names

KINDS = (INPUT, DENSE, *OUTPUTS)


def check_graph(topology: Topology) -> None:
    """Raises what keeps a graph from being a layered network.

    Raises:
        GraphError: a node of another kind or without a whole width; no input; not exactly one output; an input that has
            parents, an output that has children, a population that nothing reaches or that reaches nothing; an edge of
            another coupling, lag, strength or function than a layered network has; or connections that do not fit the
            widths of their ends.
    """
    for node in topology.nodes:
        if node.kind not in KINDS:
            raise GraphError(
                f"Cannot use the node {node.name!r} in a layered network. This is because it is of the kind "
                f"{node.kind!r}. Try one of {quoted(KINDS)}."
            )
        if not width_of(node):
            raise GraphError(
                f"Cannot use the node {node.name!r} in a layered network. This is because its width is "
                f"{dict(node.parameters)['width']!r}, and a population has a whole number of units. Try width=8."
            )
    inputs = [node.name for node in topology.nodes if node.kind == INPUT]
    outputs = [node.name for node in topology.nodes if node.kind in OUTPUTS]
    if not inputs:
        raise GraphError(
            f"Cannot build a layered network. This is because its graph has no node of the kind {INPUT!r}. Try adding "
            "one, with the number of columns as its width."
        )
    if len(outputs) != 1:
        raise GraphError(
            f"Cannot build a layered network. This is because its graph has {len(outputs)} outputs"
            f"{' (' + quoted(outputs) + ')' if outputs else ''}. Try one node of the kinds {quoted(OUTPUTS)}."
        )
    for edge in topology.edges:
        _check_edge(topology, edge)
    for name in inputs:
        if topology.parents(name):
            raise _misplaced(name, "an input with parents", "an input without parents, or a dense population")
    if topology.children(outputs[0]):
        raise _misplaced(outputs[0], "an output with children", "an output without children, or a dense population")
    for name in topology.names:
        own = topology.node(name).kind
        if own != INPUT and not any(edge.source != name for edge in topology.parents(name)):
            raise _misplaced(name, "without parents", f"an edge from {inputs[0]!r}")
        if own not in OUTPUTS and not any(edge.target != name for edge in topology.children(name)):
            raise _misplaced(name, "without children", f"an edge to {outputs[0]!r}")


def _check_edge(topology: Topology, edge: Edge) -> None:
    own = edge.source == edge.target
    problems = {
        f"its coupling is {edge.coupling!r}; 'value' is the one there is": edge.coupling != "value",
        f"its mark is {edge.mark!r}; 'directed' is the one there is": edge.mark != "directed",
        f"its lag is {edge.lag}; it is 0, or 1 from a population to itself, where units act on those after them": (
            edge.lag != int(own)
        ),
        f"its strength is {edge.strength:g}; weights are learned, and it is 1": edge.strength != 1.0,
        f"its function {edge.function!r} is none of {quoted(FUNCTIONS)}": edge.function not in FUNCTIONS,
        "its target is an input or output": own and topology.node(edge.target).kind != DENSE,
    }
    wrong = [words for words, true in problems.items() if true]
    if wrong:
        raise GraphError(
            f"Cannot use the edge {edge} in a layered network. This is because {wrong[0]}. Try Edge({edge.source!r}, "
            f"{edge.target!r}, function='tanh')."
        )
    rows, columns = width_of(topology.node(edge.source)), width_of(topology.node(edge.target))
    assert rows
    assert columns
    try:
        decode_connections(edge.connections, rows, columns, own)
    except GraphError as error:
        raise GraphError(f"Cannot use the edge {edge} in a layered network. {error}") from None


def _misplaced(name: str, what: str, remedy: str) -> GraphError:
    return GraphError(f"Cannot use the node {name!r} in a layered network. This is because it is {what}. Try {remedy}.")


def default_reading(topology: Topology) -> Reading:
    """Columns without names."""
    columns = sum(width(topology, node.name) for node in topology.nodes if node.kind == INPUT)
    output = next(node for node in topology.nodes if node.kind in OUTPUTS)
    units = width(topology, output.name)
    if output.kind == CLASSIFICATION:
        return Reading(series_names(columns), ("y",), tuple(range(max(units, 2))))
    return Reading(series_names(columns), ("y",) if units == 1 else tuple(f"y{place}" for place in range(units)))


def check_sizes(topology: Topology, reading: Reading) -> None:
    """Columns and classes are as many as there are units for."""
    inputs = {node.name: width(topology, node.name) for node in topology.nodes if node.kind == INPUT}
    if sum(inputs.values()) != len(reading.features):
        raise DataError(
            f"Cannot use {len(reading.features)} features. This is because the inputs of the network are "
            f"{sum(inputs.values())} wide together ({', '.join(f'{name} {size}' for name, size in inputs.items())}). "
            "Try inputs as wide as the table has features."
        )
    output = next(node for node in topology.nodes if node.kind in OUTPUTS)
    units, classes = width(topology, output.name), reading.classes
    if (output.kind == CLASSIFICATION) != bool(classes):
        raise ConfigError(
            f"Cannot predict {'classes' if classes else 'values'} with the output {output.name!r}. This is because it "
            f"is of the kind {output.kind!r}. Try an output of the other kind, or LayeredClassifier for classes and "
            "LayeredRegressor for values."
        )
    wanted, what = (len(classes), "classes") if classes else (len(reading.targets), "targets")
    has = max(units, 2) if classes else units
    if wanted != has:
        raise DataError(
            f"Cannot predict {wanted} {what}. This is because the output {output.name!r} has width {units}, which is "
            f"for {has}. Try width={1 if classes and wanted == 2 else wanted}."
        )


def check_fixed(before: Topology, after: Topology) -> None:
    """Inputs and output are those of the data, and no edit changes them."""

    def ends(topology: Topology) -> set[Node]:
        return {node for node in topology.nodes if node.kind != DENSE}

    if ends(before) != ends(after):
        changed = sorted(node.name for node in ends(before) ^ ends(after))
        raise GraphError(
            f"Cannot change {', '.join(dict.fromkeys(changed))}. This is because inputs and outputs are the columns of "
            "the data. Try edits of dense populations and of edges."
        )
