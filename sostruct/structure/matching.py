"""Which hidden node of one graph is which of another: the assignment under which they share the most edges.

Design note. Names of hidden nodes mean nothing across graphs, only their places do, and places are relative: a drift is
known by its state and a state by its input. The best assignment of all hidden nodes at once is an integer program, with
a variable for every pair of nodes and one for every pair of edges, and HiGHS solves it exactly: at the sizes of belief
graphs, in milliseconds. No order in which nodes are considered can spoil it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from sostruct.structure.equivalence import Arrow


def best_matching(found: Collection[Arrow], truth: Collection[Arrow], inputs: Collection[str]) -> dict[str, str]:
    """The one-to-one assignment of hidden nodes that maps the most edges of `found` onto edges of `truth`.

    Inputs stand for themselves. Among the best, one with many equal names. Nodes without a common edge are left out.

    Args:
        found: edges (source, target, coupling).
        truth: the same of the other graph.
        inputs: the names that both share.
    """
    fixed = frozenset(inputs)
    pairs = sorted(
        (one, other)
        for one in found
        for other in truth
        if one[2] == other[2] and (one[1] == other[1] if one[1] in fixed or other[1] in fixed else True)
    )
    if not pairs:
        return {}
    ends: dict[tuple[str, str], int] = {}
    for one, other in pairs:
        for end in (0, 1):
            if one[end] not in fixed:
                ends.setdefault((one[end], other[end]), len(ends))
    # variables: pairs of nodes, then pairs of edges; each row of constraints reads sum <= 0 or <= 1
    rows: dict[tuple[object, ...], list[tuple[int, float]]] = defaultdict(list)
    for (ours, theirs), place in ends.items():
        rows["found", ours].append((place, 1.0))
        rows["truth", theirs].append((place, 1.0))
    for number, (one, other) in enumerate(pairs, start=len(ends)):
        for end in (0, 1):
            if one[end] in fixed:
                continue
            place = ends[one[end], other[end]]
            # one edge has one image, and only if its ends have: summed over the other end, which keeps it tight
            for row in (("edge", one, end, other[end]), ("image", other, end, one[end])):
                if not rows[row]:
                    rows[row].append((place, -1.0))
                rows[row].append((number, 1.0))
    count = len(ends) + len(pairs)
    entries = [(row, *entry) for row, own in enumerate(rows.values()) for entry in own]
    at, columns, weights = (np.array(part) for part in zip(*entries, strict=True))
    limits = [1.0 if key[0] in ("found", "truth") else 0.0 for key in rows]
    worth = np.concatenate([[1e-3 / count if one == other else 0.0 for one, other in ends], np.ones(len(pairs))])
    solved = milp(
        -worth,
        integrality=np.arange(count) < len(ends),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(coo_array((weights, (at, columns)), (len(rows), count)).tocsr(), ub=limits),
        options={"mip_rel_gap": 0.0},
    )
    chosen = {pair for pair, place in ends.items() if solved.x[place] > 0.5}
    matching = dict(chosen)
    shared = [one for one in found if image(one, matching, fixed) in truth]
    useful = {end for one in shared for end in one[:2]}
    return {one: other for one, other in sorted(matching.items()) if one in useful}


def image(arrow: Arrow, matching: dict[str, str], inputs: Collection[str]) -> Arrow | None:
    """Where an assignment takes an edge, or None where one of its ends has no image."""
    source, target, coupling = arrow
    ends = [name if name in inputs else matching.get(name) for name in (source, target)]
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1], coupling)
