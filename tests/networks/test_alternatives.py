"""Searches beside fixed effects within the step, against searches of networks that require the same."""

import numpy as np
import pytest

from sostruct.networks.lagged.alternatives import alternatives
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.terms import LinearTerms
from sostruct.tasks import StructuralVAR

NAMES = tuple("abcd")
LAGS = 2


@pytest.fixture(scope="module")
def system():
    values = StructuralVAR(nodes=4, steps=300, max_lag=LAGS).load(1).frame.to_numpy()
    table = LinearTerms(NAMES, LAGS, instant=True)
    free = LaggedNetwork.bare(NAMES, LAGS, terms=table, precedes=~np.eye(4, dtype=bool))
    return values, table, free, free.prepare(values)


def test_each_case_is_the_search_with_these_effects_required(system):
    values, table, free, data = system
    cases = [(0, ()), (0, (1,)), (2, (0, 3)), (3, (0, 1, 2)), (1, ())]
    starts = [[]] * 4
    found = alternatives(free, data, cases, starts)
    for case, (target, causes) in enumerate(cases):
        precedes = np.zeros((4, 4), bool)
        precedes[target, list(causes)] = True
        required = [(NAMES[cause], NAMES[target], 0) for cause in causes]
        alone = LaggedNetwork.bare(NAMES, LAGS, terms=table, precedes=precedes, required=required)
        alone, _ = searched(alone, data)
        packed = alone.packed
        active = np.asarray(packed.active)[target][np.asarray(packed.mask)[target]]
        assert np.flatnonzero(found.weight[case]).tolist() == active.tolist()
        design = (table.lagged(values) - np.asarray(data.term_mean)) / np.asarray(data.term_scale)
        own = (values[LAGS:, target] - np.asarray(data.target_mean)[target]) / np.asarray(data.target_scale)[target]
        design = design[:, active]
        precision = design.T @ design + np.eye(len(active))
        weight = np.linalg.solve(precision, design.T @ own)
        np.testing.assert_allclose(found.weight[case, active], weight, atol=1e-8)
        rss = own @ own - weight @ design.T @ own
        nats = -len(own) / 2 * np.log(rss / len(own)) - np.linalg.slogdet(precision)[1] / 2
        nats += np.asarray(free.packed.prior.log_odds)[target, active].sum()
        assert found.nats[case] == pytest.approx(nats, abs=1e-6)


def test_where_they_start_is_no_matter_and_effects_stay(system):
    _, _, free, data = system
    cases = [(number, (1 - number,)) for number in range(2)]
    bare = alternatives(free, data, cases, [[]] * 4)
    full = alternatives(free, data, cases, [list(range(8))] * 4)
    np.testing.assert_allclose(bare.nats, full.nats, atol=1e-6)
    assert all(full.weight[case, 8 + causes[0]] != 0 for case, (_, causes) in enumerate(cases))
