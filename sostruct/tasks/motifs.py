"""What can hide behind series: the motifs of which known belief graphs are made.

Design note. A motif is a function that adds hidden parents to a scaffold: it picks children that have no such parent
yet and draws its own constants. A graph of any size is then a sequence of motifs, and nothing in it can diverge: every
hidden parent has an autoconnection below 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from sostruct.graph import Edge
from sostruct.tasks.scaffold import Scaffold

Motif: TypeAlias = Callable[[Scaffold], None]

_VOLATILITY_LAM = (0.9, 0.98)
_DRIFT_LAM = (0.9, 0.97)
_FAST_LAM = (0.5, 0.8)
_LEVEL_LAM = (0.9, 0.97)


def add_volatility(scaffold: Scaffold, states: Sequence[str]) -> str:
    """One volatility parent of these states; loadings after the first are of either sign."""
    parent = scaffold.add_parent("volatility", scaffold.rng.uniform(*_VOLATILITY_LAM), scaffold.volatility**2)
    for number, state in enumerate(states):
        scaffold.drive(parent, state, "volatility", scaffold.loading() if number else 1.0)
    return parent


def add_drift(scaffold: Scaffold, states: Sequence[str]) -> str:
    """One drift of these states, about equally strong beside their steps; further loadings are of either sign."""
    steps = [scaffold.step(state) for state in states]
    parent = scaffold.add_parent("drift", scaffold.rng.uniform(*_DRIFT_LAM), (scaffold.drift * steps[0]) ** 2)
    for number, state in enumerate(states):
        scaffold.drive(parent, state, "value", scaffold.loading() * steps[number] / steps[0] if number else 1.0)
    return parent


def volatility(scaffold: Scaffold) -> None:
    """One state gets a volatility parent of its own."""
    add_volatility(scaffold, scaffold.states("volatility", 1))


def shared_volatility(scaffold: Scaffold) -> None:
    """Two to four states get one volatility parent."""
    most = max(2, min(4, len(scaffold.inputs)))
    add_volatility(scaffold, scaffold.states("volatility", int(scaffold.rng.integers(2, most + 1))))


def drift(scaffold: Scaffold) -> None:
    """One state gets a slow drift."""
    add_drift(scaffold, scaffold.states("value", 1))


def shared_drift(scaffold: Scaffold) -> None:
    """Two states get one drift."""
    add_drift(scaffold, scaffold.states("value", 2))


def shared_state(scaffold: Scaffold) -> None:
    """One state takes the place of two inputs' own; the second loading is of either sign."""
    first, second = scaffold.private(2)
    old = (f"{first}_state", f"{second}_state")
    scaffold.edges = [edge for edge in scaffold.edges if edge.source not in old]
    number = sum(name.startswith("state_") for name in scaffold.lam) + 1
    shared = f"state_{number}"
    scaffold.add_state(shared, scaffold.lam[old[0]], scaffold.log_step[old[0]])
    scaffold._scale[shared] = scaffold.log_step[old[0]]
    for name in old:
        del scaffold.lam[name], scaffold.log_step[name]
    scaffold.edges += [Edge(shared, first), Edge(shared, second, strength=scaffold.loading())]


def coparents(scaffold: Scaffold) -> None:
    """One input sees the sum of two states: its own, which is slow, and a fast one."""
    for name in scaffold.private(1):
        size = scaffold.fast * scaffold.step(f"{name}_state")
        parent = scaffold.add_parent("state", scaffold.rng.uniform(*_FAST_LAM), size**2)
        scaffold.edges.append(Edge(parent, name))


def volatility_chain(scaffold: Scaffold) -> None:
    """A state's volatility parent has a volatility parent: calm times of calm and restless ones."""
    for state in scaffold.states("volatility", 1):
        scaffold.lam[state] = min(scaffold.lam[state], scaffold.rng.uniform(*_LEVEL_LAM))
        add_volatility(scaffold, [add_volatility(scaffold, [state])])


def drift_chain(scaffold: Scaffold) -> None:
    """A state's drift has a drift, each as strong beside its child's step."""
    for state in scaffold.states("value", 1):
        scaffold.lam[state] = min(scaffold.lam[state], scaffold.rng.uniform(*_LEVEL_LAM))
        parent = add_drift(scaffold, [state])
        variance = scaffold.drift**2 * math.exp(scaffold.log_step[parent])
        above = scaffold.add_parent("drift", scaffold.rng.uniform(*_DRIFT_LAM), variance)
        scaffold.drive(above, parent, "value", 1.0)


FAMILIES: Mapping[str, tuple[Motif, ...]] = MappingProxyType(
    {
        "none": (),
        "volatility": (volatility, volatility),
        "shared_volatility": (shared_volatility,),
        "drift": (drift,),
        "drifts": (drift, drift),
        "shared_drift": (shared_drift,),
        "shared_state": (shared_state,),
        "coparents": (coparents,),
        "volatility_chain": (volatility_chain,),
        "drift_chain": (drift_chain,),
    }
)
"""The motifs of every family of graphs with one secret."""

MIXED: Mapping[str, Motif] = MappingProxyType(
    {
        "volatility": volatility,
        "shared_volatility": shared_volatility,
        "drift": drift,
        "shared_drift": shared_drift,
        "shared_state": shared_state,
        "coparents": coparents,
        "drift_chain": drift_chain,
    }
)
"""What a mixed graph is made of: not chains of volatilities, whose true graph approximate filters cannot follow."""


def grow(fresh: Callable[[], Scaffold], motifs: Mapping[str, Motif], nodes: int) -> Scaffold:
    """Random motifs, one after another, until a graph has this many nodes; a draw that gets stuck is begun again.

    Args:
        fresh: a new scaffold; all of them share one generator.
        motifs: what there is to choose from.
        nodes: size to reach, inputs and states counted.
    """
    while True:
        scaffold = fresh()
        for _ in range(4 * nodes):
            if scaffold.size == nodes:
                return scaffold
            fitting = [name for name in motifs if _fits(scaffold, name, nodes - scaffold.size)]
            if not fitting:
                break
            motifs[fitting[scaffold.rng.integers(len(fitting))]](scaffold)


def _fits(scaffold: Scaffold, motif: str, room: int) -> bool:
    """Whether there is something left for a motif to act on, and room for the nodes it adds."""
    if motif == "shared_state":
        shared = sum(name.startswith("state_") for name in scaffold.lam)
        return len(scaffold.private(2)) == 2 and 4 * (shared + 1) <= len(scaffold.inputs)
    if motif == "coparents":
        return bool(scaffold.private(1))
    chain = motif.endswith("chain")
    coupling = "volatility" if "volatility" in motif else "value"
    free = scaffold.states(coupling, 2)
    return room >= 1 + chain and len(free) >= 1 + motif.startswith("shared")
