"""A graph as a table for people: what results show and run folders hold of its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sostruct.graph.topology import Topology

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("source", "target", "coupling", "strength", "function")


def edge_table(topology: Topology) -> pd.DataFrame:
    """The edges: `source`, `target`, `coupling`, `strength` and `function`, a row each, in the order of the graph."""
    import pandas as pd

    rows = [tuple(getattr(edge, name) for name in _COLUMNS) for edge in topology.edges]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"strength": "float64"})
