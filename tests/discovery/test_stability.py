"""Frequencies of edges in resampled series: against searches of series that are put together row by row."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.discovery.stability import stability
from sostruct.errors import ConfigError, DataError
from sostruct.growth import catalogue
from sostruct.networks.lagged.resampling import block_counts
from sostruct.tasks import SparseVAR, StructuralVAR

EDGE = ["cause", "effect", "lag"]


@pytest.fixture(scope="module")
def stable(frame):
    return ss.stability(frame, 3, resamples=20, block=10, seed=3)


def test_every_found_edge_has_a_frequency_and_strong_ones_have_1(stable, found):
    pd.testing.assert_frame_equal(stable.edges.drop(columns="frequency"), found.edges)
    assert stable.edges["frequency"].between(0, 1).all()
    assert (stable.edges["frequency"][found.edges["nats"] > 30] == 1).all()
    assert stable.frequencies["frequency"].is_monotonic_decreasing


def test_a_resample_ends_where_no_single_edge_helps(frame):
    """One resample's rows written out, each with its own past."""
    once = stability(frame, 3, resamples=1, block=10, seed=8)
    values = frame.to_numpy()
    rows = np.repeat(np.arange(len(values) - 3), block_counts(len(values) - 3, 10, 1, 8)[0]) + 3
    windows = np.concatenate([values[row - 3 : row + 1] for row in rows])

    graph = once.frequencies[once.frequencies["frequency"] == 1]
    assert len(graph) == once.sizes[0]
    names = list(frame.columns)
    for number, name in enumerate(names):
        own = graph[graph["effect"] == name]
        parents = [(names.index(cause), lag) for cause, lag in zip(own["cause"], own["lag"], strict=True)]
        weight, evidence = regression(windows, number, parents)
        np.testing.assert_allclose(own["weight"], weight, rtol=1e-8)
        for term in [(cause, lag) for cause in range(len(names)) for lag in (1, 2, 3)]:
            other = [one for one in parents if one != term] if term in parents else [*parents, term]
            assert regression(windows, number, other)[1] < evidence + 1e-6


def test_rows_of_realizations_are_drawn_with_their_own_past(frame):
    """As of one resample above, from the windows of each half."""
    halves = [frame.iloc[:160], frame.iloc[160:].reset_index(drop=True) + 5]
    once = stability(halves, 3, resamples=1, block=10, seed=8, functions="linear", contemporaneous=False)
    places = [(half.to_numpy(), row) for half in halves for row in range(3, len(half))]
    drawn = np.repeat(np.arange(len(places)), block_counts(len(places), 10, 1, 8)[0])
    windows = np.concatenate([table[row - 3 : row + 1] for table, row in (places[place] for place in drawn)])
    graph = once.frequencies[once.frequencies["frequency"] == 1]
    names = list(frame.columns)
    for number, name in enumerate(names):
        own = graph[graph["effect"] == name]
        parents = [(names.index(cause), lag) for cause, lag in zip(own["cause"], own["lag"], strict=True)]
        np.testing.assert_allclose(own["weight"], regression(windows, number, parents)[0], rtol=1e-8)


def test_a_season_costs_its_rows(frame):
    wave = 4 * np.sin(2 * np.pi * np.arange(len(frame))[:, None] / 7 + np.arange(5))
    seasonal = stability(frame + wave, 2, resamples=3, season=7, functions="linear")
    assert seasonal.found.posterior.count == len(frame) - 2 - 6
    plain = stability(frame, 2, resamples=3, functions="linear")
    assert abs(seasonal.jaccard - plain.jaccard) < 0.3


def regression(windows, target, parents):
    """Weights in the data's units and log evidence plus prior, from windows of four rows, the last one the present."""
    now = windows[3::4, target]
    past = np.array([windows[3 - lag :: 4, cause] for cause, lag in parents]).reshape(len(parents), len(now)).T
    scale, spread = past.std(axis=0), now.std()
    standard, response = (past - past.mean(axis=0)) / scale, (now - now.mean()) / spread
    matrix = standard.T @ standard + np.eye(len(parents))
    weight = np.linalg.solve(matrix, standard.T @ response)
    rss = response @ response - weight @ standard.T @ response
    share = 2 / (windows.shape[1] * 3)
    prior = len(parents) * np.log(share / (1 - share))
    evidence = -len(now) / 2 * np.log(rss) - np.linalg.slogdet(matrix)[1] / 2 + prior
    return weight * spread / scale, evidence


def test_the_summary_counts_links_at_any_lag(stable):
    lagged = stable.frequencies.groupby(["cause", "effect"])["frequency"]
    for pair, most in lagged.max().items():
        assert most <= stable.summary.loc[pair] <= min(1.0, lagged.sum()[pair]) + 1e-12
    assert stable.summary.to_numpy().max() == 1


def test_it_is_a_function_of_the_seed(frame, stable):
    again = stability(frame, 3, resamples=20, block=10, seed=3)
    pd.testing.assert_frame_equal(again.frequencies, stable.frequencies)
    other = stability(frame, 3, resamples=20, block=10, seed=4)
    assert not other.frequencies.equals(stable.frequencies)
    assert (again.block, again.seed, again.resamples) == (10, 3, 20)


def test_graphs_are_counted_and_compared(stable):
    assert 1 <= stable.distinct <= 20
    assert 0 < stable.jaccard <= 1
    mean = stable.frequencies["frequency"].sum()
    assert stable.sizes.mean() == pytest.approx(mean)
    sure = stable.at_least(0.9)
    assert (sure["frequency"] >= 0.9).all()
    assert len(sure) == (stable.frequencies["frequency"] >= 0.9).sum()
    assert "20 resamples in blocks of 10 rows" in repr(stable)


def test_more_data_are_more_stable():
    short, long = (
        stability(SparseVAR(nodes=4, steps=steps, max_lag=1).load(2).frame, 1, resamples=20) for steps in (80, 1500)
    )
    assert long.jaccard > short.jaccard


def test_links_without_direction_have_frequencies_too():
    frame = StructuralVAR(nodes=4, steps=400, max_lag=1, within=1.0, instant=(0.6, 0.8), shape="gaussian").load(1).frame
    found = stability(frame, 1, resamples=10)
    undirected = found.edges[found.edges["mark"] == "undirected"]
    assert len(undirected) > 0
    assert (undirected["frequency"] > 0.5).all()
    row = undirected.iloc[0]
    assert found.summary.loc[row["cause"], row["effect"]] == found.summary.loc[row["effect"], row["cause"]]


def test_links_with_direction_within_the_step_are_resampled():
    frame = StructuralVAR(nodes=4, steps=400, max_lag=1, within=1.0, instant=(0.6, 0.8)).load(1).frame
    found = stability(frame, 1, resamples=10)
    instant = found.edges[(found.edges["lag"] == 0) & (found.edges["mark"] == "directed")]
    assert len(instant) > 0
    assert (instant["frequency"] == 1).all()


def test_a_curve_is_a_link_like_any_other():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(300, 2))
    values[1:, 1] += 2 * np.cos(2 * values[:-1, 0])
    found = stability(pd.DataFrame(values, columns=["a", "b"]), 1, resamples=5, functions="curved")
    assert found.edges.set_index(EDGE).loc[("a", "b", 1), "frequency"] == 1


def test_it_is_drawn(stable):
    matplotlib.use("Agg")
    figure = stable.plot()
    outlined = [patch for patch in figure.axes[0].patches if not patch.get_fill()]
    pairs = set(zip(stable.found.edges["cause"], stable.found.edges["effect"], strict=True))
    assert len(outlined) == len(pairs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resamples": 0}, "number of them"),
        ({"resamples": 2.5}, "number of them"),
        ({"block": 0}, "blocks of 0 rows"),
        ({"block": 298}, "blocks of 298 rows"),
        ({"block": 2.0}, "number of rows"),
        ({"growth": "random"}, "growth=None"),
    ],
)
def test_what_cannot_be_resampled_is_refused(frame, settings, message):
    if "growth" in settings:
        settings = {"growth": catalogue.random()}
    with pytest.raises(ConfigError, match=message):
        stability(frame, 3, **settings)


def test_gaps_are_refused(frame):
    gapped = frame.copy()
    gapped.iloc[5, 1] = np.nan
    with pytest.raises(DataError, match="missing values"):
        stability(gapped, 3)


def test_shares_are_checked(stable):
    with pytest.raises(ConfigError, match="share"):
        stable.at_least(0.0)
