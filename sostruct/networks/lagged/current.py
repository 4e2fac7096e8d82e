r"""The model of a stream at a row count: parent sets searched and regressions solved, from moments, in one program.

A stream predicts every row, so it needs a graph long before anybody asks for one, and refits at row counts that grow
geometrically. Each refit is one compiled search (`ascent.py`), started at the parent sets of the last refit. Sets with
no slot left grow no further: this model is for prediction, and the graph that is reported is searched without such a
limit.
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from sostruct.networks.lagged.ascent import ascended
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.packed import PackedLagged
from sostruct.networks.lagged.streaming import Model
from sostruct.numerics import Numbers

SLOTS = 16
"""Most parents of a series in the model of a stream, unless more are required."""


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
    ends = ascended(packed, [data], np.asarray(sets.active)[None], np.asarray(sets.mask)[None])
    found = Sets(ends.active[0], ends.mask[0])
    scale, mean = np.asarray(data.term_scale), np.asarray(data.term_mean)
    own = np.asarray(data.target_scale)
    dense = np.zeros((len(own), len(scale)))
    series = np.nonzero(found.mask)[0]
    columns = found.active[found.mask]
    dense[series, columns] = ends.weight[0][found.mask] * own[series] / scale[columns]
    model = Model(
        weight=dense,
        intercept=np.asarray(data.target_mean) - dense @ mean,
        active=found.active,
        inverse=ends.inverse[0],
        mean=mean,
        scale=scale,
        count=np.asarray(float(data.count)),
    )
    return Refit(found, model, own**2 * ends.rss[0], ends.penalty[0])


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
