"""What a network is: a directed graph of named nodes as a value, its edits, its history, and its arrays. No JAX here.

`Topology` is the frozen view of a networkx graph, `apply` and `invert` change it by small invertible edits, `Journal`
replays it to any moment, `pack` turns it into padded index tables, and `write_graph` and `read_graph` put it on disk.
"""

from sostruct.graph.connections import decode_connections, encode_connections
from sostruct.graph.edits import (
    AbstractEdit,
    AddEdge,
    AddNode,
    Edits,
    RemoveEdge,
    RemoveNode,
    Rewire,
    SetParameters,
    apply,
    describe,
    edit_from_dict,
    edit_to_dict,
    edits_of,
    invert,
)
from sostruct.graph.elements import Edge, EdgeKey, Node
from sostruct.graph.exporters import read_graph, to_dot, write_graph
from sostruct.graph.files import write_atomically
from sostruct.graph.journal import Entry, Journal, to_lines
from sostruct.graph.packing import Capacity, Packing, pack
from sostruct.graph.populations import (
    AddConnections,
    AddUnits,
    RemoveConnections,
    RemoveUnits,
    SetWeights,
    width_of,
)
from sostruct.graph.schema import (
    ANNOTATIONS,
    COUPLINGS,
    MARKS,
    NodeKind,
    function_names,
    node_kind,
    node_kinds,
    register_annotation,
    register_function_name,
    register_kind,
)
from sostruct.graph.tables import edge_table
from sostruct.graph.topology import Topology, validate

__all__ = [
    "ANNOTATIONS",
    "COUPLINGS",
    "MARKS",
    "AbstractEdit",
    "AddConnections",
    "AddEdge",
    "AddNode",
    "AddUnits",
    "Capacity",
    "Edge",
    "EdgeKey",
    "Edits",
    "Entry",
    "Journal",
    "Node",
    "NodeKind",
    "Packing",
    "RemoveConnections",
    "RemoveEdge",
    "RemoveNode",
    "RemoveUnits",
    "Rewire",
    "SetParameters",
    "SetWeights",
    "Topology",
    "apply",
    "decode_connections",
    "describe",
    "edge_table",
    "edit_from_dict",
    "edit_to_dict",
    "edits_of",
    "encode_connections",
    "function_names",
    "invert",
    "node_kind",
    "node_kinds",
    "pack",
    "read_graph",
    "register_annotation",
    "register_function_name",
    "register_kind",
    "to_dot",
    "to_lines",
    "validate",
    "width_of",
    "write_atomically",
    "write_graph",
]
