"""Random sparse lagged structure, and how to step through it: what the stochastic simulators share.

Design note. Structure is drawn as a list of links, never as a dense matrix of lags, and a step gathers each node's own
parents from padded tables, so that a thousand nodes cost what their links cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sostruct.tasks.truth import Link


@final
@dataclass(frozen=True, eq=False)
class Links:
    """Lagged links: node `cause` acts on node `effect` after `lag` steps with `weight`; arrays [link]."""

    cause: NDArray[np.int64]
    effect: NDArray[np.int64]
    lag: NDArray[np.int64]
    weight: NDArray[np.float64]

    def named(self, names: Sequence[str]) -> list[Link]:
        """The links between these names, with their weights as strengths."""
        columns = (self.cause.tolist(), self.effect.tolist(), self.lag.tolist(), self.weight.tolist())
        return [
            Link(names[cause], names[effect], lag, weight) for cause, effect, lag, weight in zip(*columns, strict=True)
        ]


def random_links(
    rng: np.random.Generator,
    nodes: int,
    max_lag: int,
    parents: float,
    strength: tuple[float, float],
    memory: tuple[float, float],
) -> Links:
    """A self link at lag 1 of every node, then links between nodes, each present independently of the others.

    Args:
        rng: where the draws come from.
        nodes: number of nodes.
        max_lag: each link between nodes acts at one lag, uniform in 1..max_lag.
        parents: expected number of other nodes that act on a node.
        strength: range of |weight| of links between nodes; the sign is random.
        memory: the same for self links.
    """
    others = rng.random((nodes, nodes)) < parents / (nodes - 1)
    np.fill_diagonal(others, False)
    effect, cause = np.nonzero(others)
    count = len(effect)
    itself = np.arange(nodes)
    lag = rng.integers(1, max_lag + 1, size=count)
    size = np.concatenate([rng.uniform(*memory, size=nodes), rng.uniform(*strength, size=count)])
    return Links(
        cause=np.concatenate([itself, cause]),
        effect=np.concatenate([itself, effect]),
        lag=np.concatenate([np.ones(nodes, dtype=np.int64), lag]),
        weight=size * rng.choice([-1.0, 1.0], size=nodes + count),
    )


def simulate(
    links: Links,
    innovations: NDArray[np.float64],
    respond: Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]] | None = None,
    past: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Step x_j(t) = sum over the links k into j of weight_k f_k(x_cause(t - lag_k)) + innovation_j(t).

    Args:
        links: the structure.
        innovations: what enters every node at every step [time x node].
        respond: f for a table of values [node x degree] and the links they belong to [node x degree], -1 where there
            is none; the identity if left out.
        past: x of the rows before the first step [time x node], of which the last ones are read; x = 0 before them.

    Returns:
        x [time x node].
    """
    steps, nodes = innovations.shape
    table = _into(links.effect, nodes)
    weight = np.where(table >= 0, links.weight[table], 0.0)
    # row t of `series` begins at t * nodes of its flat view
    behind = links.cause[table] - links.lag[table] * nodes
    start = int(links.lag.max())
    series = np.zeros((start + steps, nodes))
    if past is not None:
        recent = past[-start:]
        series[start - len(recent) : start] = recent
    flat = series.reshape(-1)
    for step in range(start, start + steps):
        values = flat[behind + step * nodes]
        if respond is not None:
            values = respond(values, table)
        series[step] = (weight * values).sum(axis=1) + innovations[step - start]
    return series[start:]


def _into(effect: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    """The links into every node, padded with -1 [node x degree]."""
    order = np.argsort(effect, kind="stable")
    counts = np.bincount(effect, minlength=nodes)
    first = np.cumsum(counts) - counts
    table = np.full((nodes, int(counts.max())), -1, dtype=np.int64)
    table[effect[order], np.arange(len(effect)) - first[effect[order]]] = order
    return table
