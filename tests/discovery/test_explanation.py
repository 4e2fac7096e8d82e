"""Explanations against regressions written out by hand: every price a difference of evidence, every rival moved."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.discovery.explanation import Explanation
from sostruct.discovery.parents import ParentSets
from sostruct.discovery.posterior import MOST_KEPT, Posterior
from sostruct.errors import ConfigError

from .conftest import MAX_LAG
from .regressions import Regression, parents


@pytest.fixture(scope="module")
def substitutes():
    """`copy` is `driver` with some noise; `effect` follows the driver."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(300, 4))
    values[:, 1] = values[:, 0] + 0.3 * values[:, 1]
    values[1:, 2] += 0.6 * values[:-1, 0]
    return ss.discover(pd.DataFrame(values, columns=["driver", "copy", "effect", "other"]), 1, contemporaneous=False)


def evidence(found, frame, effect, terms):
    return Regression(frame.to_numpy(), list(frame.columns).index(effect), sorted(terms), MAX_LAG).evidence


def test_every_rival_is_moved_and_the_edge_priced_again(found, frame):
    """In and out of the graph, against evidence from other arithmetic; so is putting one in the other's place."""
    names = list(frame.columns)
    for cause, effect, lag in [("x0", "x4", 3), ("x0", "x4", 1), ("x2", "x1", 1), ("x3", "x2", 2)]:
        told = found.explain(cause, effect, lag)
        own = (names.index(cause), lag)
        graph = set(parents(found, effect))
        price = evidence(found, frame, effect, graph | {own}) - evidence(found, frame, effect, graph - {own})
        assert told.nats == pytest.approx(price, abs=1e-8)
        assert told.in_graph == (own in graph)
        assert len(told.rivals) == 5 * MAX_LAG - 1
        assert told.rivals["change"].abs().is_monotonic_decreasing
        for rival in told.rivals.itertuples():
            term = (names.index(rival.cause), rival.lag)
            changed = graph ^ {term}
            assert rival.in_graph == (term in graph)
            other = evidence(found, frame, effect, changed | {own}) - evidence(found, frame, effect, changed - {own})
            assert rival.edge_nats == pytest.approx(other, abs=1e-8)
            assert rival.change == pytest.approx(other - price, abs=1e-8)
            if (term in graph) != (own in graph):
                swapped = evidence(found, frame, effect, graph ^ {term, own}) - evidence(found, frame, effect, graph)
                assert rival.instead == pytest.approx(swapped, abs=1e-8)
            else:
                assert math.isnan(rival.instead)


@pytest.fixture(scope="module")
def changes():
    """`effect` follows the change of `slow` over two steps: neither lag pays alone, both do; `gauge` copies `slow`."""
    rng = np.random.default_rng(0)
    values = np.zeros((450, 4))
    for row, shocks in enumerate(rng.normal(size=values.shape)):
        values[row] = shocks
        if row >= 3:
            values[row] += (0.98, 0.5, 0.3, 0.0) * values[row - 1]
            values[row, 2] += 0.4 * (values[row - 1, 0] - values[row - 3, 0])
        values[row, 3] = values[row, 0] + 0.5 * shocks[3]
    frame = pd.DataFrame(values[50:], columns=["slow", "other", "effect", "gauge"])
    return frame, ss.discover(frame, MAX_LAG, contemporaneous=False, functions="linear")


def test_rivals_and_substitutes_of_lags_that_act_together(changes):
    """Every swap, of one lag or of all lags of a cause, against evidence from other arithmetic."""
    frame, found = changes
    names = list(frame.columns)
    graph = set(parents(found, "effect"))
    cause = next(name for name in ("slow", "gauge") if (names.index(name), 1) in graph)
    own = {(names.index(cause), 1), (names.index(cause), 3)}
    assert own <= graph
    told = found.explain(cause, "effect", 1)
    before = evidence(found, frame, "effect", graph)
    alone = before - evidence(found, frame, "effect", graph - {(names.index(cause), 1)})
    both = before - evidence(found, frame, "effect", graph - own)
    assert told.nats == pytest.approx(alone, abs=1e-8)
    assert both < told.nats  # without its partner a lag is worth nothing, so each has the price of both
    swaps = told.rivals.dropna(subset="instead")
    for rival in swaps.itertuples():
        term = (names.index(rival.cause), rival.lag)
        other = evidence(found, frame, "effect", graph ^ {term, (names.index(cause), 1)})
        assert rival.instead == pytest.approx(other - before, abs=1e-8)
        assert rival.instead < 1e-6  # else the search would have gone on
    assert set(told.substitutes["cause"]) == set(names) - {cause}
    for series in told.substitutes.itertuples():
        place = names.index(series.cause)
        other = evidence(found, frame, "effect", (graph - own) | {(place, lag) for _, lag in own})
        assert series.instead == pytest.approx(other - before, abs=1e-8)
    best = told.substitutes.iloc[0]
    assert best["cause"] in {"slow", "gauge"}
    assert best["instead"] > -20 > told.substitutes["instead"].iloc[1]
    assert f"in the place of {cause}" in repr(told)


def test_substitutes_of_a_single_lag_are_its_rivals(found):
    told = found.explain("x2", "x1")
    swaps = told.rivals[(told.rivals["lag"] == told.lag) & ~told.rivals["in_graph"].astype(bool)].set_index("cause")
    alone = told.lags["in_graph"].sum() == 1
    assert alone
    for series in told.substitutes.itertuples():
        if series.cause in swaps.index:
            assert series.instead == pytest.approx(swaps.loc[series.cause, "instead"], abs=1e-8)
    assert found.explain("x0", "x4", 1).substitutes.empty
    assert "in the place of" not in repr(told)


def test_substitutes_that_are_ruled_out_are_left_out(frame):
    ruled = ss.discover(frame, MAX_LAG, forbidden=[("x3", "x1")], required=[("x4", "x1", 2)])
    assert "x3" not in set(ruled.explain("x2", "x1").substitutes["cause"])
    assert "x4" in set(ruled.explain("x2", "x1").substitutes["cause"])


def test_large_systems_say_what_to_do(monkeypatch, frame):
    monkeypatch.setattr("sostruct.discovery.posterior.MOST_KEPT", 10)
    monkeypatch.setattr("sostruct.discovery.explanation.MOST_KEPT", 10)
    told = ss.discover(frame, MAX_LAG).explain("x0", "x4")
    assert told.in_graph
    assert told.rivals.empty
    assert "up to 10 columns; here are 15. Try a search among x4, its parents" in repr(told)


def test_the_parts_add_up(found):
    for row in found.scores.itertuples():
        told = found.explain(row.cause, row.effect, row.lag)
        balance = told.balance
        assert balance.nats == pytest.approx(row.nats, abs=1e-8)
        assert balance.fit == pytest.approx(-297 / 2 * math.log1p(-balance.share))
        assert balance.complexity < 0 < balance.share < 1
        assert balance.prior == pytest.approx(math.log(2 / 13))  # two expected parents of 15
        assert told.prior_factor == pytest.approx(math.exp(-row.nats))


def test_the_factor_on_prior_odds_is_where_the_edge_changes_sides(found, frame):
    """A little less and it stays, a little more and it goes: searched again with such odds."""
    told = found.explain("x2", "x1")
    assert told.in_graph
    for more, inside in ((1.1, True), (0.9, False)):
        again = ss.discover(frame, MAX_LAG, prior_odds=[("x2", "x1", told.lag, told.prior_factor * more)])
        rows = again.edges[(again.edges["cause"] == "x2") & (again.edges["effect"] == "x1")]
        assert (told.lag in set(rows["lag"])) == inside


def test_more_rows_are_expected_to_say_what_they_say():
    """One effect of known size: over many draws, the price at 4 n is on average what is expected from that at n."""
    gaps = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(801, 2))
        values[1:, 1] += 0.35 * values[:-1, 0]
        frame = pd.DataFrame(values, columns=["a", "b"])
        part, whole = (ss.discover(frame.head(rows), 1, probabilities=False) for rows in (201, 801))
        expected = part.explain("a", "b").more_rows.set_index("rows")["nats"][800]
        gaps.append(whole.explain("a", "b").nats - expected)
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(len(gaps)) + 3.0
    assert np.std(gaps) > 3


def test_enough_rows_are_where_the_expected_price_is_zero(found):
    told = found.explain("x2", "x1")
    assert told.enough_rows < 297
    again = np.interp(told.enough_rows, told.more_rows["rows"], told.more_rows["nats"])
    assert abs(again) < 0.6
    assert math.isinf(found.explain("x0", "x4", 1).enough_rows)
    assert "no more than chance" in repr(found.explain("x0", "x4", 1))


def test_substitutes_are_named(substitutes):
    told = substitutes.explain("driver", "effect")
    assert told.in_graph
    best = told.rivals.loc[told.rivals["instead"].idxmax()]
    assert best["cause"] == "copy"
    absent = substitutes.explain("copy", "effect")
    assert not absent.in_graph
    top = absent.rivals.iloc[0]
    assert (top["cause"], top["in_graph"]) == ("driver", True)
    assert top["edge_nats"] > 20 > 0 > absent.nats
    assert "driver at lag 1: if it left" in repr(absent)
    assert "stand for the same thing" in repr(absent)
    assert "if driver (lag 1) left" in repr(absent)


def test_the_strongest_lag_is_told_unless_one_is_asked_for(found):
    assert found.explain("x0", "x4").lag == 3
    assert found.explain("x0", "x4", 2).lag == 2
    assert list(found.explain("x0", "x4").lags["lag"]) == [1, 2, 3]
    assert list(found.explain("x0", "x4").lags["in_graph"]) == [False, False, True]


def test_the_journal_is_quoted(found):
    told = found.explain("x0", "x4")
    assert len(told.history) > 0
    assert (told.history["target"] == "x4").all()
    assert told.history["edit"].str.contains("x0").all()
    entered = told.history[told.history["accepted"]]
    assert list(entered["edit"]) == ["add x0 -> x4 (lag 3)"]


def test_what_is_ruled_is_said(frame):
    ruled = ss.discover(frame, MAX_LAG, forbidden=[("x0", "x4")], required=[("x3", "x2", 1)])
    barred, pinned = ruled.explain("x0", "x4"), ruled.explain("x3", "x2", 1)
    assert not barred.in_graph
    assert barred.lag == 3  # the clearest of the forbidden ones
    assert barred.nats > 10
    assert "Forbidden. Without that, it would have" in repr(barred)
    assert pinned.in_graph
    assert pinned.nats < 0
    assert "Required, so in the graph" in repr(pinned)


def test_pairs_within_the_step():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3))
    values[:, 1] += 0.6 * values[:, 0]
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    found = ss.discover(frame, 1)
    told = found.explain("a", "b")
    assert (told.lag, told.in_graph, told.balance) == (0, True, None)
    assert "Linked within the step (of either direction)" in repr(told)
    assert told.plot().axes
    assert found.explain("a", "b", 1).lag == 1
    hidden = ss.discover(frame, 1, forbidden=[("a", "b", 0), ("b", "a", 0)])
    assert "hidden common cause" in repr(hidden.explain("b", "a"))


def test_effects_within_the_step_and_their_order():
    rng = np.random.default_rng(0)
    values = rng.laplace(size=(2000, 2))
    values[:, 1] += 0.8 * values[:, 0]
    found = ss.discover(pd.DataFrame(values, columns=["a", "b"]), 1)
    told = found.explain("a", "b")
    assert (told.lag, told.in_graph) == (0, True)
    assert told.balance is not None
    reverse = found.explain("b", "a", 0)
    assert not reverse.in_graph
    assert "Against the order of effects within the step" in repr(reverse)


def test_curves_and_products_move_as_wholes():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 3))
    values[1:, 1] = values[:-1, 0] * values[:-1, 2] + 0.5 * values[1:, 1]
    found = ss.discover(pd.DataFrame(values, columns=["a", "b", "c"]), 1, functions="curved")
    told = found.explain("a", "b")
    assert told.in_graph
    row = found.scores.set_index(["cause", "effect", "lag"]).loc[("a", "b", 1)]
    assert told.nats == pytest.approx(row["nats"], abs=1e-6)
    rival = told.rivals.set_index("cause").loc["c"]  # leaves as a line alone: the product is of both
    sets = ParentSets(found.posterior, 1)
    product = sets.of_link(0)
    assert sorted(sets.found) == sorted({*product, sets.line(2)})
    assert rival["edge_nats"] == pytest.approx(
        np.subtract(*(sets.evidence([own])[0] for own in (product, []))), abs=1e-6
    )
    assert found.explain("b", "a").nats == found.scores.set_index(["cause", "effect", "lag"]).loc[("b", "a", 1), "nats"]
    assert "as a line" in repr(found.explain("b", "a"))


def test_a_result_without_moments_says_so(found):
    gone = {"kept", "gram", "cross", "ridge", "entry", "terms"}
    fields = {name: value for name, value in vars(found.posterior).items() if name not in gone}
    told = ss.Discovery(Posterior(**fields), found.journal, found.history, found.settled).explain("x0", "x4")
    assert isinstance(told, Explanation)
    assert told.in_graph
    assert told.rivals.empty
    assert "Try a new search" in repr(told)
    assert MOST_KEPT >= found.posterior.gram.shape[0] == 15


def test_plot(found):
    assert len(found.explain("x0", "x4").plot().axes) == 3
    assert len(found.explain("x3", "x2").plot().axes) == 3


@pytest.mark.parametrize(
    ("edge", "named"),
    [
        (("nobody", "x0"), "'nobody'"),
        (("x0", "nobody"), "'nobody'"),
        (("x0", "x1", 4), "lag 4"),
        (("x0", "x1", 0), "lag 0"),
        (("x0", "x1", True), "lag True"),
    ],
)
def test_edges_that_do_not_exist(found, edge, named):
    with pytest.raises(ConfigError, match=named):
        found.explain(*edge)
