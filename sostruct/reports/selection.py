"""Which part of a graph a drawing can hold.

Up to a few dozen variables everything is drawn. Beyond that, the strongest links of a large graph are scattered pairs
and say little about structure; what is shown instead is one connected part, grown from the strongest link by always
following the strongest link that leads on. `Selection.note` says how much was left out.
"""

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sostruct.reports.links import Comparison, Link, Pair
from sostruct.reports.ring import ring_order

MOST_NODES: Final = 48
MOST_LINKS: Final = 110


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a graph is drawn: the nodes in ring order, the links, and how many there are in all."""

    order: tuple[str, ...]
    found: tuple[Link, ...]
    true: tuple[Link, ...]
    links_in_all: int
    nodes_in_all: int

    @property
    def note(self) -> str:
        """What was left out, or nothing."""
        if len(self.order) == self.nodes_in_all and len(self.found) == self.links_in_all:
            return ""
        return (
            f"{len(self.found)} of {self.links_in_all:,} links, between {len(self.order)} of {self.nodes_in_all:,} "
            "variables, chosen by evidence"
        )


def select(compared: Comparison) -> Selection:
    """Choose what to draw: everything up to 48 variables and 110 links, beyond that the strongest links."""
    true = compared.true or {}
    every = (*compared.found, *(pair for pair in true if pair not in compared.found))
    wanted = [pair for pair in every if pair[0] != pair[1]]
    names = compared.names
    visible = set(names) if len(names) <= MOST_NODES else _neighborhood(wanted, names)
    wanted = [pair for pair in wanted if visible.issuperset(pair)][: 2 * MOST_LINKS]
    return Selection(
        order=ring_order([name for name in names if name in visible], wanted),
        found=_visible(compared.found, visible),
        true=_visible(true, visible),
        links_in_all=len(compared.found),
        nodes_in_all=len(names),
    )


def _visible(every: Mapping[Pair, Link], visible: Collection[str]) -> tuple[Link, ...]:
    shown = [link for link in every.values() if link.source in visible and link.target in visible]
    across = [link for link in shown if not link.own_past]
    return (*across[:MOST_LINKS], *(link for link in shown if link.own_past))


def _neighborhood(wanted: Sequence[Pair], names: Sequence[str]) -> set[str]:
    """Variables reached from the strongest link by following, each time, the strongest link that leads on."""
    if not wanted:
        return set(names[:MOST_NODES])
    ranks: dict[str, list[tuple[int, str]]] = {}
    for rank, (source, target) in enumerate(wanted):
        ranks.setdefault(source, []).append((rank, target))
        ranks.setdefault(target, []).append((rank, source))
    chosen: set[str] = set()
    frontier = [(-1, wanted[0][0])]
    while frontier and len(chosen) < MOST_NODES:
        _, name = heapq.heappop(frontier)
        if name not in chosen:
            chosen.add(name)
            for step in ranks[name]:
                heapq.heappush(frontier, step)
    return chosen
