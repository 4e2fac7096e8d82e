r"""The model of a stream at a row count: parent sets searched and regressions solved, from moments, in one program.

A stream predicts every row, so it needs a graph long before anybody asks for one, and refits at row counts that grow
geometrically. Every epoch of a batch search goes through the host, where edits and topologies live; here all of a refit
is one compiled loop over the same factorization (`evidence.py`) and the same prices (`prices.py`), started at the
parent sets of the last refit. Terms stay ascending in their slots, as everywhere. Sets with no slot left grow no
further: this model is for prediction, and the graph that is reported is searched without such a limit.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sostruct.networks.lagged.evidence import TargetPrior, factorize
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.packed import PackedLagged
from sostruct.networks.lagged.prices import Layout, price
from sostruct.networks.lagged.streaming import Model
from sostruct.numerics import Numbers, double_precision

SLOTS = 16
"""Most parents of a series in the model of a stream, unless more are required."""

_LEAST = 1e-6
_MOST_EDITS = 200


class Sets(eqx.Module):
    """Parent sets: the columns of every series, ascending, 0 where masked."""

    active: Int[Numbers, "series slot"]
    mask: Bool[Numbers, "series slot"]


class Refit(eqx.Module):
    """A model, and the evidence for it.

    Attributes:
        sets: parent sets that no edit improves.
        model: the regressions on them.
        rest: sum of squared errors, ridge included [series], in the data's units.
        penalty: log evidence of the sets, structure prior included, but for what errors add [series], nats.
    """

    sets: Sets
    model: Model
    rest: Float[Numbers, " series"]
    penalty: Float[Numbers, " series"]

    @property
    def variance(self) -> Float[Numbers, " series"]:
        """Variance of the errors [series], in the data's units squared."""
        return np.asarray(self.rest / max(float(self.model.count) - 2, 1.0))


class _Parts(eqx.Module):
    """What one target is searched with; stacked over targets."""

    cross: Float[Numbers, "*series term"]
    power: Float[Numbers, "*series"]
    prior: TargetPrior


def starting_sets(packed: PackedLagged) -> Sets:
    """The sets of a network, with room to grow."""
    extra = max(SLOTS - packed.mask.shape[1], 0)
    room = ((0, 0), (0, extra))
    return Sets(np.pad(np.asarray(packed.active), room), np.pad(np.asarray(packed.mask), room))


def refitted(packed: PackedLagged, data: LaggedData, sets: Sets) -> Refit:
    """Sets that no edit improves, and the model on them.

    Args:
        packed: says what may be a parent, and how likely it is.
        data: standardized statistics; their means are those of the rows that the model will see.
        sets: where the search begins.
    """
    layout = Layout(packed.ridge.shape[0])
    with double_precision():
        parts = _Parts(jnp.asarray(data.cross), jnp.asarray(data.power), packed.prior)
        result = _search(data.gram, data.count, packed.ridge, packed.cause, parts, sets, layout)
    found, weight, inverse, rss, penalty = jax.tree.map(np.asarray, result)
    scale, mean = np.asarray(data.term_scale), np.asarray(data.term_mean)
    own = np.asarray(data.target_scale)
    dense = np.zeros((len(own), len(scale)))
    series = np.nonzero(found.mask)[0]
    columns = found.active[found.mask]
    dense[series, columns] = weight[found.mask] * own[series] / scale[columns]
    model = Model(
        weight=dense,
        intercept=np.asarray(data.target_mean) - dense @ mean,
        active=found.active,
        inverse=inverse,
        mean=mean,
        scale=scale,
        count=np.asarray(float(data.count)),
    )
    return Refit(found, model, own**2 * rss, penalty)


def evidence_for_change(whole: Refit, parts: tuple[Refit, Refit]) -> Float[Numbers, " series"]:
    """Log evidence for two mechanisms, one before and one after, instead of one for all rows [series], nats.

    With sums of squares `rss`, rows n and the penalty f of each fit, and one variance for both parts, integrated out,

        -n/2 log((rss_1 + rss_2) / rss) + f_1 + f_2 - f - 1/2 log(n_1 n_2 / n),

    the last term for the intercept that the second mechanism has besides.
    """
    count = [float(one.model.count) for one in (whole, *parts)]
    errors = np.log((parts[0].rest + parts[1].rest) / whole.rest)
    intercept = np.log(count[1] * count[2] / count[0])
    return np.asarray(parts[0].penalty + parts[1].penalty - whole.penalty - (count[0] * errors + intercept) / 2)


@eqx.filter_jit
def _search(
    gram: Float[Numbers, "term term"],
    count: Float[Numbers, ""],
    ridge: Float[Numbers, " term"],
    cause: Int[Numbers, " term"],
    parts: _Parts,
    sets: Sets,
    layout: Layout,
) -> tuple[
    Sets,
    Float[Array, "series slot"],
    Float[Array, "series slot slot"],
    Float[Array, " series"],
    Float[Array, " series"],
]:
    gram, count, ridge, cause = (jnp.asarray(part) for part in (gram, count, ridge, cause))

    def improved(own: _Parts, active: Int[Array, " slot"], mask: Bool[Array, " slot"]) -> tuple[Array, Array, Array]:
        fit = factorize(gram, own.cross, own.power, ridge, active, mask)
        gains = price(fit, count, gram, ridge, cause, own.prior, layout)
        add = jnp.where(jnp.all(mask), -jnp.inf, gains.add)
        nats = jnp.stack([jnp.max(add), jnp.max(gains.prune), jnp.max(gains.rewire)])
        kind = jnp.argmax(nats)
        leaves, swapped = jnp.argmax(gains.prune), jnp.argmax(gains.rewire)
        slot = jnp.where(kind == 0, jnp.argmin(mask), jnp.where(kind == 1, leaves, swapped))
        enters = jnp.where(kind == 0, jnp.argmax(add), gains.replacement[swapped])
        gained = nats[kind] > _LEAST
        new_active = jnp.where(gained, active.at[slot].set(enters), active)
        new_mask = jnp.where(gained, mask.at[slot].set(kind != 1), mask)
        order = jnp.argsort(jnp.where(new_mask, new_active, layout.columns))
        return jnp.where(new_mask, new_active, 0)[order], new_mask[order], gained

    def epoch(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        active, mask, _, number = carry
        active, mask, gained = jax.vmap(improved)(parts, active, mask)
        return active, mask, jnp.any(gained), number + 1

    def going(carry: tuple[Array, Array, Array, Array]) -> Array:
        return carry[2] & (carry[3] < _MOST_EDITS)

    started = jnp.asarray(sets.active), jnp.asarray(sets.mask), jnp.asarray(True), jnp.zeros((), jnp.int64)
    active, mask, _, _ = jax.lax.while_loop(going, epoch, started)
    fit = jax.vmap(lambda own, active, mask: factorize(gram, own.cross, own.power, ridge, active, mask))(
        parts, active, mask
    )
    each = jnp.log(ridge[active]) / 2 + jnp.take_along_axis(jnp.asarray(parts.prior.log_odds), active, axis=1)
    penalty = jnp.sum(jnp.where(mask, each, 0.0), axis=1) - fit.half_log_determinant
    return Sets(active, mask), jnp.where(mask, fit.weight, 0.0), fit.inverse, fit.rss, penalty
