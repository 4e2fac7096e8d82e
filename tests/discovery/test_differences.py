"""Two found graphs compared."""

import numpy as np
import pytest

import sostruct as ss
from sostruct.errors import DataError
from sostruct.tasks import SparseVAR


@pytest.fixture(scope="module")
def halves():
    frame = SparseVAR(nodes=4, steps=400, max_lag=2).load(2).frame
    return ss.discover(frame.iloc[:200], 2), ss.discover(frame.iloc[200:], 2)


def test_a_graph_does_not_differ_from_itself(halves):
    same = ss.compare(halves[0], halves[0])
    assert set(same.edges["where"]) == {"both"}
    assert (same.only_first, same.only_second, same.summary_distance, same.jaccard) == (0, 0, 0, 1.0)
    assert (same.edges["z"] == 0.0).all()


def test_counts_are_those_of_sets(halves):
    one, other = (set(map(tuple, found.edges[["cause", "effect", "lag"]].to_numpy().tolist())) for found in halves)
    difference = ss.compare(*halves)
    assert difference.shared == len(one & other)
    assert (difference.only_first, difference.only_second) == (len(one - other), len(other - one))
    assert difference.jaccard == pytest.approx(len(one & other) / len(one | other))
    assert f"{len(one & other)} edges in both" in repr(difference)
    reverse = ss.compare(*halves[::-1])
    assert (reverse.only_first, reverse.only_second) == (difference.only_second, difference.only_first)
    assert reverse.expected_distance == pytest.approx(difference.expected_distance)


def test_expected_distance_and_z_by_hand(halves):
    difference = ss.compare(*halves)
    expected = 0.0
    for cause in ["x0", "x1", "x2", "x3"]:
        for effect in ["x0", "x1", "x2", "x3"]:
            p, q = (found.summary_probability.loc[cause, effect] for found in halves)
            expected += (p + q - 2 * p * q) * (cause != effect)
    assert difference.expected_distance == pytest.approx(expected)
    row = difference.edges.iloc[0]
    one, other = (
        found.scores.set_index(["cause", "effect", "lag"]).loc[(row.cause, row.effect, row.lag)] for found in halves
    )
    z = (other["weight"] - one["weight"]) / np.hypot(one["weight_sd"], other["weight_sd"])
    assert row["z"] == pytest.approx(z)
    assert (row["weight_1"], row["probability_2"]) == (one["weight"], other["probability"])


def test_other_series_are_refused(halves):
    frame = SparseVAR(nodes=4, steps=100, max_lag=2).load(2).frame.rename(columns={"x3": "z"})
    with pytest.raises(DataError, match="'x3', 'z'"):
        ss.compare(halves[0], ss.discover(frame, 2))


def test_edges_without_direction_are_one_edge_in_any_order():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(4):
        noise = generator.normal(size=(300, 3))
        noise[:, 1] += 0.8 * noise[:, 0]
        found.append(ss.discover(noise, 1))
    for one in found:
        assert one.edges.query("lag == 0")["mark"].tolist() == ["undirected"]
        assert ss.compare(found[0], one).edges.query("lag == 0")["where"].tolist() == ["both"]
