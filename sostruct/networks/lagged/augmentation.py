r"""Graph, weights and missing values of a series with gaps, drawn in turns.

What is missing could be filled in if the graph were known, and the graph could be found if nothing were missing. Data
augmentation (Tanner & Wong 1987, JASA 82) draws each given the other, and so comes to draw both from their posterior
given what was observed; `turns.py` has the turns.

Filling in under one graph, be it the best, favors that graph: a value that could have shown an absent edge was filled
in as if there were none. Here a doubtful edge is there in its share of the draws. For the same reason an edge seldom
comes or goes while the series is completed as it is, and one chain can stay long where it is: `CHAINS` of them, from
one start, each with its own draws, count alike.

**What is kept.** Moments of the completed series, averaged; probabilities of terms and causes, averages over the draws
of what `sampling.py` averages over a chain; and the share of the series' variance that is known. Density and strength
of links are learned by `_ROUNDS` shorter runs, as there; each goes on where the one before ended.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.gaps import Process
from sostruct.networks.lagged.packed import PackedLagged
from sostruct.networks.lagged.sampling import (
    Prior,
    Probabilities,
    Target,
    any_term,
    density,
    strength_of,
)
from sostruct.networks.lagged.turns import Gaps, drawn
from sostruct.numerics import double_precision

CHAINS = 4
"""Runs side by side, from one start."""

DRAWS = 100
"""Completed series that count, of every chain."""

_CANDIDATES = 32
"""Terms per target that may flip, if there are so many: those of the highest probability in the run before."""

_ROOM = 8
"""Fewest of them that are not in the graph at the start."""

_BURN_IN = 20
_LEARNING_DRAWS = 20
_ROUNDS = 3
Table = NDArray[np.float64]


class Augmented(NamedTuple):
    """What the draws say on average.

    Attributes:
        first, second: sums, over predicted rows, of the columns (lag a, variable) at a p + i, and of their products.
        share: of the series' variance, that is known.
        chances: probabilities of terms and causes.
    """

    first: Table
    second: Table
    share: float
    chances: Probabilities


def augmented(
    gaps: Gaps,
    packed: PackedLagged,
    active: NDArray[np.bool_],
    process: Process,
    max_lag: int,
    *,
    seed: int,
    draws: int,
    chains: int = CHAINS,
    prior: Prior | None = None,
) -> Augmented:
    """Draws from the posterior of graphs, weights and missing values (module docstring).

    Args:
        gaps: the series.
        packed: for its priors.
        active: graph to start from [target, term].
        process: to start from.
        max_lag: L.
        seed: of the draws.
        draws: that count, of every chain.
        chains: that run side by side.
        prior: to be taken for granted; learned from the data when None.
    """
    rules, cause, ridge = packed.prior, np.asarray(packed.cause), np.asarray(packed.ridge)
    allowed, required, log_odds = (np.asarray(part) for part in (rules.allowed, rules.required, rules.log_odds))
    targets, terms = allowed.shape
    own = np.arange(targets)[:, None]
    group = (cause == own).astype(np.int64)
    uncertain = allowed & ~required
    width = min(terms, max(_CANDIDATES, int(active.sum(axis=1).max(initial=0)) + _ROOM))
    chance = active.astype(float)
    believed = prior or Prior(density(log_odds, chance, uncertain, group))
    active, process = jax.tree.map(lambda part: np.stack([np.asarray(part)] * chains), (active, process))
    for number in range(_ROUNDS + 1):
        order = np.argsort(-(chance + active.any(axis=0)), axis=1, kind="stable")[:, :width]
        odds = np.where(allowed, log_odds + np.asarray(believed.shift)[group], -np.inf)
        counts, skipped = (draws, _BURN_IN) if number == _ROUNDS else (_LEARNING_DRAWS // 2, _LEARNING_DRAWS // 2)
        with double_precision():
            rows = Target(
                places=order,
                count=np.zeros(targets),
                cross=np.zeros((targets, terms)),
                power=np.zeros(targets),
                log_odds=odds[own, order],
                free=uncertain[own, order],
                pinned=np.asarray(rules.required_cause)[own, cause[order]],
                cause=cause[order],
                active=active[0][own, order],
                number=np.arange(targets),
            )
            key = jax.random.fold_in(jax.random.key(seed), number)
            length = np.asarray(counts), np.asarray(skipped)
            inside = np.take_along_axis(active, order[None], axis=2)
            end = drawn(gaps, ridge * believed.strength, rows, odds, inside, process, max_lag, *length, key)
        end = jax.tree.map(np.asarray, end)
        sums, process = end.sums, end.process
        chance = np.where(required, 1.0, np.where(allowed, sums.chance, 0.0))
        active = np.zeros((chains, targets, terms), bool)
        np.put_along_axis(active, np.broadcast_to(order, end.active.shape), end.active, axis=2)
        if number < _ROUNDS and prior is None:
            strength = strength_of(sums.held, ridge[order], allowed[own, order])
            believed = Prior(density(log_odds, chance, uncertain, group), strength)
    causes = any_term(chance, sums.held.cause, order, cause, rules.required_cause.shape[1])
    spread = np.maximum(sums.square - sums.value**2, 0.0)
    total = sums.square.mean(axis=0) - sums.value.mean(axis=0) ** 2
    share = float(1 - np.mean(spread / np.maximum(total, spread)))
    return Augmented(sums.first, sums.second, share, Probabilities(chance, causes, believed))
