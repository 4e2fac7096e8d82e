r"""The price of every edit of a parent set, for terms of one column and for terms of several.

A *term* is what enters and leaves as a whole: one column of the design, or a block B of them (a curve's basis), which
pays its prior odds once. With a factorization of the active columns (`evidence.py`, its notation), a block's Schur
complement `D = G_BB + lam_B - G_BS W_B` and residual moment r_B,

    add B        -n/2 log(1 - r_B' D^-1 r_B / rss) - 1/2 log|D| + 1/2 sum_B log lam + q_B
    prune B      -n/2 log(1 + b_B' P_BB^-1 b_B / rss) - 1/2 log|P_BB| - 1/2 sum_B log lam - q_B
    rewire B->C  prune B, then add C with  D + W_BC' Q W_BC,  r_C + W_BC' Q b_B,  rss + b_B' Q b_B,  Q = P_BB^-1,

of which the prices of single columns are the case of one. All are exact; nothing is refitted.

Terms are numbered like their columns: those of one column first, then the blocks, whose columns are neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from sostruct.networks.lagged.evidence import ALMOST_ALL, Factorization, TargetPrior, invert
from sostruct.numerics import Numbers


@dataclass(frozen=True)
class Layout:
    """Which columns a term has; compiled code depends on it.

    Attributes:
        singles: number of terms of one column; term k is column k.
        blocks: number of terms of several columns.
        size: columns of each of those.
        lines: number of links; with blocks, block g and line g are two forms of one link and exclude each other.
    """

    singles: int
    blocks: int = 0
    size: int = 1
    lines: int = 0

    @property
    def terms(self) -> int:
        """Number of terms."""
        return self.singles + self.blocks

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.singles + self.blocks * self.size

    def columns_of(self, term: int) -> range:
        """The columns of a term."""
        if term < self.singles:
            return range(term, term + 1)
        start = self.singles + (term - self.singles) * self.size
        return range(start, start + self.size)

    def term_of(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """The term of every column."""
        block = self.singles + (column - self.singles) // self.size
        return np.where(column < self.singles, column, block)

    @property
    def first(self) -> NDArray[np.int64]:
        """The first column of every term."""
        return np.array([self.columns_of(term)[0] for term in range(self.terms)], np.int64)


class TargetGains(eqx.Module):
    """Prices at one target, nats; -inf where a move is not legal. A term's removal stands at its first slot.

    Attributes:
        add: of each absent term [term].
        prune: of each active term [slot].
        rewire: of removing each active term for its best replacement [slot].
        replacement: that replacement [slot].
    """

    add: Float[Array, " term"]
    prune: Float[Array, " slot"]
    rewire: Float[Array, " slot"]
    replacement: Int[Array, " slot"]


def price(
    fit: Factorization,
    count: Float[Numbers, ""],
    gram: Float[Numbers, "column column"],
    ridge: Float[Numbers, " column"],
    cause: Int[Numbers, " term"],
    prior: TargetPrior,
    layout: Layout,
) -> TargetGains:
    """The price of every addition, removal and replacement at one target (module docstring)."""
    slots = fit.mask.shape[0]
    slot_term = term_of(layout, fit.columns)
    present = jnp.zeros(layout.terms, bool).at[slot_term].max(fit.mask)
    absent = prior.allowed & ~present
    twin = _twins(layout)
    barred = jnp.zeros(layout.terms, bool) if twin is None else jnp.where(twin >= 0, present[twin], False)
    entry = _summed_logs(ridge, layout) / 2 + prior.log_odds
    inner = _own_blocks(gram, ridge, layout)
    blocks = None if inner is None else inner - _quadratic(fit.rows, fit.projection, layout)
    add = _addition(entry, fit.schur, fit.residual_moment, blocks, fit.rss[None], count, layout)

    block = _removals(fit, slot_term, layout)
    first = _begins(fit, slot_term)
    half = count / 2
    prune = -half * jnp.log1p(block.released / fit.rss) - block.half_log_determinant - entry[slot_term]
    slot_cause = cause[slot_term]
    siblings = jnp.sum(first & (slot_cause[:, None] == slot_cause), axis=1)
    needed = jnp.asarray(prior.required_cause).at[slot_cause].get(mode="fill", fill_value=False)
    last = needed & (siblings == 1)
    removable = first & ~prior.required[slot_term]

    after = None if blocks is None or block.blocks is None else blocks + block.blocks
    allowed = absent & (~barred if twin is None else ~barred | (twin == slot_term[:, None]))
    legal = jnp.broadcast_to(allowed, (slots, layout.terms)) & (~last[:, None] | (slot_cause[:, None] == cause))
    rss = (fit.rss + block.released)[:, None]
    gained = _addition(entry, fit.schur + block.schur, fit.residual_moment + block.moment, after, rss, count, layout)
    swap = jnp.where(legal, gained, -jnp.inf)
    replacement = jnp.argmax(swap, axis=1)
    return TargetGains(
        add=jnp.where(absent & ~barred, add, -jnp.inf),
        prune=jnp.where(removable & ~last, prune, -jnp.inf),
        rewire=jnp.where(removable, prune + jnp.max(swap, axis=1), -jnp.inf),
        replacement=replacement,
    )


def couplings(
    fit: Factorization, gram: Float[Numbers, "column column"], variables: int, layout: Layout
) -> Float[Array, " pair"] | None:
    """Schur complements between the lags of each variable, `G_jk - G_jS W_k`; None where there is one lag, or terms
    have several columns.

    Columns go lag by lag, so those whose lags are a distance apart are on a diagonal of G: pairs (k, k + shift) by
    ascending shift, a multiple of the number of variables, then by k.
    """
    size = 0 if layout.blocks else layout.columns
    rows, other = fit.rows, fit.projection
    found = [
        jnp.diagonal(gram, offset=shift) - jnp.sum(rows[:, : size - shift] * other[:, shift:], axis=0)
        for shift in range(variables, size, variables)
    ]
    return jnp.concatenate(found) if found else None


def structure(fit: Factorization, prior: TargetPrior, layout: Layout) -> Float[Array, ""]:
    """Log prior odds of the active terms."""
    slot_term = term_of(layout, fit.columns)
    return jnp.sum(jnp.where(_begins(fit, slot_term), prior.log_odds[slot_term], 0.0))


def _begins(fit: Factorization, slot_term: Int[Array, " slot"]) -> Bool[Array, " slot"]:
    """The slots with the first column of a term."""
    return fit.mask & jnp.concatenate([jnp.ones(1, bool), slot_term[1:] != slot_term[:-1]])


class _Removal(eqx.Module):
    """What taking away the term that begins in each slot gives back: `b_B' Q b_B`, `1/2 log|P_BB|`, and what it adds
    to Schur complements, residual moments and, where there are any, the Schur complements of blocks."""

    released: Float[Array, " slot"]
    half_log_determinant: Float[Array, " slot"]
    schur: Float[Array, "slot column"]
    moment: Float[Array, "slot column"]
    blocks: Float[Array, "slot block size size"] | None


def _removals(fit: Factorization, slot_term: Int[Array, " slot"], layout: Layout) -> _Removal:
    slots = fit.mask.shape[0]
    if layout.size == 1:
        variance = jnp.where(fit.mask, jnp.diagonal(fit.inverse), 1.0)
        return _Removal(
            released=fit.weight**2 / variance,
            half_log_determinant=jnp.log(variance) / 2,
            schur=fit.projection**2 / variance[:, None],
            moment=fit.projection * (fit.weight / variance)[:, None],
            blocks=None,
        )
    window = jnp.arange(slots)[:, None] + jnp.arange(layout.size)
    place = jnp.minimum(window, slots - 1)
    inside = (window < slots) & fit.mask[place] & (slot_term[place] == slot_term[:, None])
    both = inside[:, :, None] & inside[:, None, :]
    spread = jnp.where(both, fit.inverse[place[:, :, None], place[:, None, :]], jnp.eye(layout.size))
    precision, half = jax.vmap(invert)(spread)
    weight = jnp.where(inside, fit.weight[place], 0.0)
    projection = jnp.where(inside[:, :, None], fit.projection[place], 0.0)
    freed = precision @ projection
    return _Removal(
        released=jnp.einsum("sm,smk,sk->s", weight, precision, weight),
        half_log_determinant=half,
        schur=jnp.sum(projection * freed, axis=1),
        moment=jnp.einsum("sm,smc->sc", weight, freed),
        blocks=jax.vmap(lambda rows, other: _quadratic(rows, other, layout))(projection, freed),
    )


def _addition(
    entry: Float[Array, " term"],
    schur: Float[Array, "*slot column"],
    moment: Float[Array, "*slot column"],
    blocks: Float[Array, "*slot block size size"] | None,
    rss: Float[Array, "*slot 1"],
    count: Float[Numbers, ""],
    layout: Layout,
) -> Float[Array, "*slot term"]:
    """Price of every term's entry, `entry` for its prior."""
    half, singles = count / 2, layout.singles
    diagonal, own = schur[..., :singles], moment[..., :singles]
    explained = jnp.minimum(own**2 / (diagonal * rss), ALMOST_ALL)
    gained = entry[:singles] - half * jnp.log1p(-explained) - jnp.log(diagonal) / 2
    if blocks is None:
        return jnp.asarray(gained)
    shape = (*moment.shape[:-1], layout.blocks, layout.size)
    residual = moment[..., singles:].reshape(shape)
    inverse, determinant = jax.vmap(invert)(blocks.reshape(-1, layout.size, layout.size))
    inverse, determinant = inverse.reshape(blocks.shape), determinant.reshape(shape[:-1])
    share = jnp.einsum("...m,...mk,...k->...", residual, inverse, residual) / rss
    curved = entry[singles:] - half * jnp.log1p(-jnp.minimum(share, ALMOST_ALL)) - determinant
    return jnp.concatenate([gained, curved], axis=-1)


def _quadratic(
    left: Float[Array, "slot column"], right: Float[Array, "slot column"], layout: Layout
) -> Float[Array, "block size size"]:
    """`left_B' right_B` of every block B."""
    shape = (left.shape[0], layout.blocks, layout.size)
    own, other = left[:, layout.singles :].reshape(shape), right[:, layout.singles :].reshape(shape)
    return jnp.einsum("sbm,sbk->bmk", own, other)


def _own_blocks(
    gram: Float[Numbers, "column column"], ridge: Float[Numbers, " column"], layout: Layout
) -> Float[Array, "block size size"] | None:
    """G_BB + lam_B of every block; None where there are none."""
    if layout.blocks == 0:
        return None
    places = layout.singles + np.arange(layout.blocks * layout.size).reshape(layout.blocks, layout.size)
    inner = jnp.asarray(gram)[places[:, :, None], places[:, None, :]]
    return jnp.asarray(inner + jnp.eye(layout.size) * jnp.asarray(ridge)[places][:, :, None])


def _summed_logs(ridge: Float[Numbers, " column"], layout: Layout) -> Float[Array, " term"]:
    logs = jnp.log(jnp.asarray(ridge))
    if layout.blocks == 0:
        return logs
    return jnp.concatenate([logs[: layout.singles], logs[layout.singles :].reshape(layout.blocks, -1).sum(axis=1)])


def term_of(layout: Layout, columns: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The terms of columns, in compiled code."""
    if layout.blocks == 0:
        return jnp.asarray(columns)
    block = layout.singles + (columns - layout.singles) // layout.size
    return jnp.where(columns < layout.singles, columns, block)


def _twins(layout: Layout) -> NDArray[np.int64] | None:
    """The other form of each term's link, -1 where there is none; None without blocks."""
    if layout.blocks == 0:
        return None
    twin = np.full(layout.terms, -1)
    twin[: layout.lines] = layout.singles + np.arange(layout.lines)
    twin[layout.singles :] = np.arange(layout.blocks)
    return twin
