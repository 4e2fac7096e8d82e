"""The correlations drawn are those of the beliefs."""

from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
from matplotlib.axes import Axes

import sostruct as ss
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.correlations_figure import correlations, draw_correlations


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def beliefs() -> Beliefs:
    graph = ss.continuous_hgf(levels=3, mu_0=(0.0, 0.0, 0.0), omega=(-3.0, -2.0, -2.0), pi_u=10.0)
    graph.add_node("bias", kind="constant")
    graph.add_edge("bias", "u", coupling="value", strength=0.2)
    return ss.HGF(graph).filter(np.random.default_rng(0).normal(size=(2, 30, 1)).cumsum(axis=1))


def test_correlations_are_numpys(beliefs: Beliefs) -> None:
    table = correlations(beliefs, "expected_mean", subject=1)
    assert list(table.columns) == ["u", "x1", "x2", "x3"]  # not the constant
    expected = np.corrcoef(beliefs.expected_mean[1][:, [beliefs.nodes.index(name) for name in table.columns]].T)
    np.testing.assert_allclose(table, expected, atol=1e-12)


def test_surprise_goes_beside_the_means(beliefs: Beliefs) -> None:
    table = correlations(beliefs, "surprise")
    x1 = beliefs.mean[0][:, beliefs.nodes.index("x1")]
    assert table.loc["x1", "surprise"] == pytest.approx(np.corrcoef(x1, beliefs.surprise[0])[0, 1])


def test_the_picture_says_the_numbers(beliefs: Beliefs) -> None:
    ax = beliefs.plot_correlations("mean")
    assert isinstance(ax, Axes)
    table = correlations(beliefs)
    np.testing.assert_allclose(ax.images[0].get_array(), table)
    assert [text.get_text() for text in ax.texts] == [f"{value:.2f}" for value in table.to_numpy().ravel()]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(table.columns)


def test_axes_of_ones_own(beliefs: Beliefs) -> None:
    _, ax = plt.subplots()
    assert draw_correlations(beliefs, ax=ax) is ax


def test_what_cannot_be_drawn(beliefs: Beliefs) -> None:
    with pytest.raises(ss.ConfigError, match="Cannot correlate 'variance'"):
        correlations(beliefs, "variance")
    alone = nx.MultiDiGraph()
    alone.add_node("x", kind="continuous")
    alone.add_node("u", kind="continuous", precision=1.0)
    alone.add_edge("x", "u")
    with pytest.raises(ss.ConfigError, match="fewer than two"):
        correlations(ss.HGF(alone).filter(np.zeros(3)), "mean")


def test_networks_are_drawn_by_one_call(beliefs: Beliefs) -> None:
    assert isinstance(beliefs.plot_network(), Axes)
    assert isinstance(ss.HGF(ss.binary_hgf(levels=3)).plot(), Axes)
