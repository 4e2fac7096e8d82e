r"""The probability of every edge: over all graphs instead of given one, and with a prior that learns from the data.

`sigmoid(nats)` is the probability of an edge given that the rest of the graph is as found, and under the prior of the
search. Three things make it too sure or too shy; three answers follow.

**Several graphs explain the data about as well.** A Markov chain per target visits parent sets S in proportion to their
posterior probability (collapsed spike and slab: George & McCulloch 1993, JASA 88). It starts at the graph of the search
and flips the best terms; all others have their probability given that graph. It never rejects: the swept
matrix prices every flip k at once, each happens at the rate sigmoid(dF_k), and S counts for its mean holding time `1 /
sum of rates` (Bortz, Kalos & Lebowitz 1975, J. Comput. Phys. 17; the rates fulfil detailed balance). Averaged is not
whether a term is in S but its probability given the others (Rao-Blackwell).

**A slab that is highest at weight 0.** Under `w ~ N(0, s2 / lam)` most links are weaker than any that matters, and a
link that is not there loses only `log(n) / 2`. The moment prior, proportional to `w^2 N(w; 0, s2 / lam)`, says that a
link has an effect (Johnson & Rossell 2010, JRSS B 72). Its evidence is the normal one times the posterior mean of
prod lam w^2 / s2; taken factor by factor (exact where the weights' posteriors are uncorrelated),

    F*(S) = F(S) + sum_S log(lam_k (n b_k^2 / rss_S + V_kk)),     V = A_S^-1.

**How dense, how strong.** The share of links, apart for a series' own past and for other series', has a Beta prior
around the prior odds that weighs as much as one series' terms. The mean square of the standardized weights, s2 units,
has a prior around that of the search, 1 / lam, that weighs as much as `_WEIGHTS` links. `_ROUNDS` chains find both
(stochastic EM; empirical Bayes: Scott & Berger 2010, Ann. Stat. 38), then the last has the say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.networks.lagged.evidence import ALMOST_ALL, sweep
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.packed import LaggedGains, PackedLagged
from sostruct.numerics import Numbers, double_precision

if TYPE_CHECKING:
    from sostruct.networks.lagged.conclusions import Conclusions

CANDIDATES = (16, 32, 64)
"""Terms per target that a chain may flip: those in the graph, then those with the highest prices. The least of these
numbers that leaves out nothing with a price above `_HOPELESS` at any target, or else the largest."""

_HOPELESS = -5.0

STEPS = 384
"""Moves of each target's last chain that count: probabilities between .05 and .95 vary by .02 (sd) at most from seed to
seed."""

_LEARNING_STEPS = 96
_BURN_IN = 32
_ROUNDS = 3
"""Chains that learn density and strength before the last."""

_WEIGHTS = 4.0

TOGETHER = 32
"""Targets whose chains run side by side: their matrices fit the processor's cache."""

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """What the chains take for granted.

    Attributes:
        shift: added to the log prior odds of links from other series and from a series' own past.
        strength: factor on the ridge: lam of the module docstring.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    strength: float = 3.0


@dataclass(frozen=True, eq=False)
class Probabilities:
    """Posterior probabilities, and the prior they have learned.

    Attributes:
        term: P(term in the graph | data) [target, term].
        cause: P(any term of the cause in the graph | data) [target, cause].
        prior: of the last chain.
    """

    term: Table
    cause: Table
    prior: Prior


class Target(eqx.Module):
    """What one target's chain is made from; stacked over targets. Required terms are active and never flip."""

    places: Int[Numbers, "*target candidate"]
    count: Float[Numbers, "*target"]
    cross: Float[Numbers, "*target term"]
    power: Float[Numbers, "*target"]
    log_odds: Float[Numbers, "*target candidate"]
    free: Bool[Numbers, "*target candidate"]
    pinned: Bool[Numbers, "*target candidate"]
    cause: Int[Numbers, "*target candidate"]
    active: Bool[Numbers, "*target candidate"]
    number: Int[Numbers, "*target"]


class Averages(eqx.Module):
    """Holding-time averages: of each term, of `another term of its cause, or this one`, of its `w^2 / s2` where in."""

    term: Float[Numbers, "*target candidate"]
    cause: Float[Numbers, "*target candidate"]
    square: Float[Numbers, "*target candidate"]


def probabilities(
    packed: PackedLagged,
    gains: LaggedGains,
    data: LaggedData,
    *,
    seed: int,
    steps: int = STEPS,
    prior: Prior | None = None,
) -> Probabilities:
    """Posterior probability of every term and of every cause (module docstring).

    Args:
        packed: the network as an epoch left it; its graph is where the chains start.
        gains: the prices of that epoch.
        data: standardized statistics of the series.
        seed: of the chains.
        steps: moves of each target's last chain.
        prior: to be taken for granted; learned from the data when None.
    """
    allowed, required = np.asarray(packed.prior.allowed), np.asarray(packed.prior.required)
    cause, ridge = np.asarray(packed.cause), np.asarray(packed.ridge)
    targets, terms = allowed.shape
    own = np.arange(targets)[:, None]
    active = np.zeros(allowed.shape, bool)
    mask = np.asarray(packed.mask)
    active[np.nonzero(mask)[0], np.asarray(packed.active)[mask]] = True
    ranked = np.where(active, np.inf, np.asarray(gains.add))
    hopeful = int((ranked > _HOPELESS).sum(axis=1).max(initial=0))
    enough = next((size for size in CANDIDATES if size >= hopeful), CANDIDATES[-1])
    width = min(terms, max(enough, int(active.sum(axis=1).max(initial=0))))
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :width]
    group = (cause == own).astype(np.int64)
    uncertain = allowed & ~required
    log_odds = np.asarray(packed.prior.log_odds)

    def chains(believed: Prior, number: int, steps: int) -> tuple[Table, Averages]:
        odds = log_odds + np.asarray(believed.shift)[group]
        with double_precision():
            rows = Target(
                places=order,
                count=np.broadcast_to(np.asarray(data.count), np.shape(data.power)),
                cross=np.asarray(data.cross),
                power=np.asarray(data.power),
                log_odds=odds[own, order],
                free=uncertain[own, order],
                pinned=np.asarray(packed.prior.required_cause)[own, cause[order]],
                cause=cause[order],
                active=active[own, order],
                number=np.arange(targets),
            )
            key = jax.random.fold_in(jax.random.key(seed), number)
            found = _sample(data.gram, ridge * believed.strength, rows, np.asarray(_BURN_IN + steps), key)
        found = jax.tree.map(np.asarray, found)
        nats = _entry(packed, gains, data, ridge * believed.strength) + odds
        chance = 1 / (1 + np.exp(-np.clip(nats, -700, 700)))
        chance[own, order] = found.term
        return np.where(required, 1.0, np.where(allowed, chance, 0.0)), found

    believed = prior or Prior(density(log_odds, active.astype(float), uncertain, group))
    for number in range(0 if prior else _ROUNDS):
        chance, found = chains(believed, number, min(steps, _LEARNING_STEPS))
        believed = Prior(
            density(log_odds, chance, uncertain, group), strength_of(found, ridge[order], allowed[own, order])
        )
    chance, found = chains(believed, _ROUNDS, steps)
    variables = packed.prior.required_cause.shape[1]
    return Probabilities(chance, any_term(chance, np.asarray(found.cause), order, cause, variables), believed)


def given_the_graph(
    conclusions: Conclusions, required: NDArray[np.bool_], required_cause: NDArray[np.bool_]
) -> Probabilities:
    """Probabilities of links if the rest of the graph were certain: sigmoid(nats), and 1 for what is required. Where
    terms have several columns, no chain is run."""
    term, cause = (1 / (1 + np.exp(-np.clip(nats, -700, 700))) for nats in (conclusions.nats, conclusions.summary))
    term = np.where(required, 1.0, np.where(conclusions.nats == -np.inf, 0.0, term))
    cause = np.where(conclusions.summary == -np.inf, 0.0, cause)
    some_lag = required.reshape(len(required), -1, required_cause.shape[1]).any(axis=1)
    cause = np.where(required_cause | some_lag, 1.0, cause)
    return Probabilities(term, cause, Prior())


def _entry(packed: PackedLagged, gains: LaggedGains, data: LaggedData, ridge: Table) -> Table:
    """Price of every absent term at the graph as found, without its prior odds [target, term]."""
    count = np.broadcast_to(np.asarray(data.count), packed.noise.shape)[:, None]
    schur = np.asarray(gains.schur) - np.asarray(packed.ridge) + ridge
    rss = np.asarray(packed.noise)[:, None] * count
    with double_precision():
        return np.asarray(entry(schur, np.asarray(gains.residual_moment), rss, ridge, count))


def entry(
    schur: Float[Numbers, "*target term"],
    moment: Float[Numbers, "*target term"],
    rss: Float[Numbers, ...],
    ridge: Float[Numbers, " term"],
    count: Float[Numbers, ...] | float,
) -> Float[Array, "*target term"]:
    """Price of terms that enter, as the chains price them, without prior odds and what it does to the parents' factors.

    Args:
        schur, moment: d and r of `evidence.py`.
        rss: before they enter, of every target or of one.
        ridge: lam.
        count: n.
    """
    explained = jnp.minimum(moment**2 / (schur * rss), ALMOST_ALL)
    factor = count * explained / (1 - explained) + 1
    return jnp.asarray(-count / 2 * jnp.log1p(-explained) + 1.5 * jnp.log(ridge / schur) + jnp.log(factor))


def density(
    log_odds: Table, chance: Table, uncertain: NDArray[np.bool_], group: NDArray[np.int64]
) -> tuple[float, float]:
    """Shift of the log odds of links between series, and of a series' own past, that `chance` asks for."""
    shift = [0.0, 0.0]
    for number in range(2):
        chosen = uncertain & (group == number)
        if chosen.any():
            before = float(np.mean(1 / (1 + np.exp(-log_odds[chosen]))))
            weight = chosen.sum() / len(chosen)
            share = (chance[chosen].sum() + weight * before) / (chosen.sum() + weight)
            shift[number] = float(np.log(share / (1 - share)) - np.log(before / (1 - before)))
    return shift[0], shift[1]


def strength_of(found: Averages, ridge: Table, allowed: NDArray[np.bool_]) -> float:
    """Factor on the ridge that the number of links and their sum of `lam w^2 / s2` ask for.

    Args:
        found: over the candidates of every target.
        ridge, allowed: of each candidate [target, candidate].
    """
    links = np.asarray(found.term)[allowed].sum()
    square = (np.asarray(found.square) * ridge)[allowed].sum()
    return float(3 * (_WEIGHTS + links) / (_WEIGHTS + square))


def any_term(chance: Table, causes: Table, order: NDArray[np.int64], cause: NDArray[np.int64], variables: int) -> Table:
    """P(any term of a cause): the chain's joint estimate over its candidates, the others adding independently."""
    own = np.arange(len(chance))[:, None]
    outside = chance.copy()
    outside[own, order] = 0.0
    none = np.ones((len(chance), variables))
    for one_each in np.argsort(cause, kind="stable").reshape(variables, -1).T:
        none[:, cause[one_each]] *= 1 - outside[:, one_each]
    total, members = np.zeros_like(none), np.zeros_like(none)
    np.add.at(total, (own, cause[order]), causes)
    np.add.at(members, (own, cause[order]), 1.0)
    inside = np.divide(total, members, out=np.zeros_like(total), where=members > 0)
    found: Table = 1 - (1 - inside) * none
    for one_each in np.argsort(cause, kind="stable").reshape(variables, -1).T:  # estimates of each, with own errors
        found[:, cause[one_each]] = np.maximum(found[:, cause[one_each]], chance[:, one_each])
    return np.minimum(found, 1.0)


@eqx.filter_jit
def _sample(
    gram: Float[Numbers, "*target term term"],
    ridge: Float[Numbers, " term"],
    rows: Target,
    moves: Int[Numbers, ""],
    key: PRNGKeyArray,
) -> Averages:
    """Chains of all targets. The number of moves is data: both lengths share one program."""
    gram, ridge = jnp.asarray(gram), jnp.asarray(ridge)

    def target(own: Target) -> Averages:
        end = chain(own, joint(own, gram, ridge), ridge[own.places], moves, key)
        return jax.tree.map(lambda held: held / end.time, end.held)  # type: ignore[no-any-return]

    found: Averages = jax.lax.map(target, rows, batch_size=min(TOGETHER, rows.log_odds.shape[0]))
    return found


def joint(
    own: Target, gram: Float[Array, "*target term term"], ridge: Float[Array, " term"]
) -> Float[Array, "edge edge"]:
    """`[G + diag(lam), c; c', y'y]` of a target's candidates: what a chain begins to sweep."""
    places = jnp.asarray(own.places)
    inner = gram[places[:, None], places] if gram.ndim == 2 else gram[own.number, places[:, None], places]
    inner = inner + jnp.diag(ridge[places])
    edge = jnp.asarray(own.cross)[places]
    return jnp.block([[inner, edge[:, None]], [edge[None, :], jnp.asarray(own.power)[None, None]]])


class State(eqx.Module):
    """A chain: moves made, swept matrix and parent set, time passed, and what was held for how long."""

    number: Int[Array, ""]
    matrix: Float[Array, "edge edge"]
    active: Bool[Array, " candidate"]
    time: Float[Array, ""]
    held: Averages


def chain(
    own: Target,
    matrix: Float[Array, "edge edge"],
    ridge: Float[Array, " candidate"],
    moves: Int[Numbers, ""],
    key: PRNGKeyArray,
    *,
    burn_in: int = _BURN_IN,
    limit: float = math.inf,
) -> State:
    """One target's chain at the end of its moves, or of its time if that is first."""
    own_key = jax.random.fold_in(key, own.number)
    count = jnp.asarray(own.count)
    width = ridge.shape[0]
    index = jnp.arange(width)
    cause, log_odds = jnp.asarray(own.cause), jnp.asarray(own.log_odds)
    same = cause[:, None] == cause

    def begin(current: Float[Array, "edge edge"], k: Int[Array, ""]) -> tuple[Float[Array, "edge edge"], None]:
        return jnp.where(jnp.asarray(own.active)[k], sweep(current, k), current), None

    def going(state: State) -> Bool[Array, ""]:
        return (state.number < moves) & (state.time < limit)

    def move(state: State) -> State:
        number, active, matrix = state.number, state.active, state.matrix
        pivot, moment, rss = jnp.diagonal(matrix)[:width], matrix[:width, width], matrix[width, width]
        ratio = moment / pivot
        ends = jnp.where(active, rss - moment * ratio, rss * (1 - jnp.minimum(moment * ratio / rss, ALMOST_ALL)))
        # the moment factors of the parents, as they are and after every flip; of a flipped term, as it is when in
        stays = active & (index[:, None] != index)
        inner = matrix[:width, :width]
        variance = inner * (inner / pivot[:, None]) - pivot
        weight = moment - inner * ratio[:, None]
        factors = ridge * (weight**2 * (count / ends)[:, None] + variance)
        after = jnp.log(jnp.prod(jnp.where(stays, factors, 1.0), axis=1))
        before = jnp.log(jnp.prod(jnp.where(active, ridge * (moment**2 * count / rss - pivot), 1.0)))
        with_it = jnp.where(active, rss, ends)
        effect = jnp.where(active, moment, ratio) ** 2 * count / with_it
        spread = jnp.where(active, -pivot, 1 / pivot)
        entry = jnp.log(ridge) / 2 + log_odds
        flip = -count / 2 * jnp.log(ends / rss) - jnp.log(jnp.abs(pivot)) / 2 + after - before
        flip = flip + jnp.where(active, -entry, entry + jnp.log(ridge * (effect + spread)))

        others = same @ active.astype(flip.dtype) - active
        last = own.pinned & active & (others == 0)
        rate = jnp.where(own.free & ~last, jax.nn.sigmoid(flip), 0.0)
        inside = jnp.where(active, 1 - rate, rate)
        total = jnp.sum(rate)
        wait, move_key = 1 / jnp.maximum(total, 1e-300), jax.random.fold_in(own_key, number)
        if math.isfinite(limit):  # where a chain stands at that time is a draw only if times are not their means
            wait = wait * jax.random.exponential(jax.random.fold_in(move_key, 1), dtype=matrix.dtype)
        holding = jnp.where(number >= burn_in, jnp.minimum(wait, limit - state.time), 0.0)
        uniform = jax.random.uniform(move_key, dtype=matrix.dtype)
        chosen = jnp.minimum(jnp.searchsorted(jnp.cumsum(rate), uniform * total), width - 1)
        leaves = (total > 0) & (state.time + wait < limit)
        square = (effect**2 + 6 * effect * spread + 3 * spread**2) / (effect + spread)
        held = Averages(inside, jnp.where(others > 0, 1.0, inside), inside * square)
        return State(
            number=number + 1,
            matrix=jnp.where(leaves, sweep(matrix, chosen), matrix),
            active=active ^ (leaves & (index == chosen)),
            time=state.time + holding,
            held=jax.tree.map(lambda so_far, now: so_far + holding * now, state.held, held),
        )

    started, _ = jax.lax.scan(begin, matrix, index)
    zero = jnp.zeros(width, matrix.dtype)
    state = State(jnp.asarray(0), started, jnp.asarray(own.active), zero[0], Averages(zero, zero, zero))
    end: State = jax.lax.while_loop(going, move, state)
    return end
