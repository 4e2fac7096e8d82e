"""Many searches of one system at once, each with other effects within the step held fixed.

Which lagged parents a series has depends on what acts on it within the step: beside the true cause, the lagged effects
that only pass through it are not paid for. So every set of instantaneous causes that is considered gets a search of its
own, from the lagged parents that were found without any; all run in one compiled call, a case a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.graph.packing import power_of_two
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.settling import ended

Table = NDArray[np.float64]


_FEWEST = 64
"""Cases that are compiled for at least."""


@dataclass(frozen=True, eq=False)
class Alternatives:
    """Where the searches ended.

    Attributes:
        nats: log evidence of the target given its parents, and their log prior odds [case].
        weight: posterior mean weights, standardized units [case, column].
    """

    nats: Table
    weight: Table


def alternatives(
    network: LaggedNetwork,
    data: LaggedData,
    cases: Sequence[tuple[int, Sequence[int]]],
    starts: Sequence[Sequence[int] | NDArray[np.int64]],
) -> Alternatives:
    """The best lagged parents of a target beside given causes within the step, for every case.

    Args:
        network: the bare network of a table with lines at lag 0.
        data: its statistics.
        cases: (target, causes within the step), numbers of series.
        starts: lagged terms that the searches of every target begin with.
    """
    variables, lagged = len(network.terms.variables), len(network.terms.variables) * network.terms.max_lag
    target = np.array([number for number, _ in cases])
    begin = [sorted([*map(int, starts[number]), *(lagged + cause for cause in causes)]) for number, causes in cases]
    within = np.zeros((len(cases), variables), bool)
    for case, (_, causes) in enumerate(cases):
        within[case, list(causes)] = True
    # rows of padding repeat the first case: the number of cases is part of what is compiled
    padded = np.concatenate([np.arange(len(cases)), np.zeros(power_of_two(len(cases), _FEWEST) - len(cases), np.int64)])
    target, within, begin = target[padded], within[padded], [begin[case] for case in padded]
    prior = jax.tree.map(lambda leaf: np.asarray(leaf)[target], network.packed.prior)
    fixed = [np.concatenate([leaf[:, :lagged], within], axis=1) for leaf in (prior.allowed, prior.required)]
    prior = eqx.tree_at(lambda rows: (rows.allowed, rows.required), prior, fixed)
    own = eqx.tree_at(
        lambda rows: (rows.cross, rows.power), data, (np.asarray(data.cross)[target], np.asarray(data.power)[target])
    )
    packed = eqx.tree_at(lambda rows: rows.prior, network.packed, prior)
    ends = ended(packed, own, begin)
    count, ridge = float(data.count), np.asarray(packed.ridge)
    gram, cross, power = np.asarray(own.gram), np.asarray(own.cross), np.asarray(own.power)
    odds = np.asarray(prior.log_odds)
    nats, weight = np.empty(len(cases)), np.zeros((len(cases), len(ridge)))
    for case in range(len(cases)):
        columns = ends.active[case][ends.mask[case]]
        weights = ends.weight[case][ends.mask[case]]
        precision = gram[np.ix_(columns, columns)] + np.diag(ridge[columns])
        rss = power[case] - weights @ cross[case, columns]
        determinant = np.linalg.slogdet(precision)[1] - np.log(ridge[columns]).sum()
        nats[case] = -count / 2 * np.log(rss / count) - determinant / 2 + odds[case, columns].sum()
        weight[case, columns] = weights
    return Alternatives(nats, weight)
