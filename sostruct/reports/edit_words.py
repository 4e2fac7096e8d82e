"""What an edit does, in as few words as say it: the structure that changes, and whose parameters come with it."""

from collections.abc import Sequence
from typing import Final

from sostruct.graph import AbstractEdit, SetParameters, describe

MOST_SPELLED: Final = 2
"""Settings of parameters that are given with their values; of more, nodes and edges are named."""


def summary(edits: Sequence[AbstractEdit]) -> str:
    """Edits that stand or fall together, for people: "add node drift_1 (continuous); add drift_1 -> x; new parameters
    of x, y". The journal has them in full."""
    settings = [edit for edit in edits if isinstance(edit, SetParameters)]
    structure = [edit for edit in edits if not isinstance(edit, SetParameters)]
    if len(settings) <= MOST_SPELLED:
        return describe((*structure, *settings))
    nodes = list(dict.fromkeys(edit.target for edit in settings if isinstance(edit.target, str)))
    edges = list(dict.fromkeys(edit.target[:2] for edit in settings if not isinstance(edit.target, str)))
    places = [*nodes, *(f"{source} -> {target}" for source, target in edges)]
    parts = [describe(tuple(structure))] if structure else []
    return "; ".join([*parts, f"new parameters of {', '.join(places)}"])
