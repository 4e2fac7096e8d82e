"""Pictures show what is believed, where it belongs, whatever the series and the graph."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.dates import date2num
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import Topology
from sostruct.graph.layering import layers, levels_of
from sostruct.networks.hgf.builders import binary_hgf, continuous_hgf
from sostruct.networks.hgf.figures import draw_beliefs, draw_network
from sostruct.networks.hgf.network_figure import with_spread
from tests.networks.hgf.graphs import random_graph
from tests.networks.hgf.handmade import example, made

MINUS, RHO = "\N{MINUS SIGN}", "\N{GREEK SMALL LETTER RHO}"


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is ever shown, and every figure is closed."""
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    yield
    plt.close("all")


def titles(axes: Any) -> list[str]:
    return [ax.get_title(loc="left") for ax in axes]


def main_line(ax: Axes) -> Line2D:
    """The mean, which is drawn last."""
    return [line for line in ax.lines if line.get_linestyle() == "-"][-1]


def band(ax: Axes) -> np.ndarray:
    (found,) = (one for one in ax.collections if isinstance(one, PolyCollection))
    return np.asarray(found.get_paths()[0].vertices)


class TestBeliefsOverTime:
    def test_a_panel_for_every_node_but_constants_top_first(self) -> None:
        axes = draw_beliefs(made(*example()).beliefs)
        assert titles(axes) == ["z", "x", "y, level inside", "y", "choice", "u", "surprise"]
        axes[0].figure.canvas.draw()

    def test_chosen_nodes_keep_their_order(self) -> None:
        assert titles(draw_beliefs(made(*example()).beliefs, ["u", "z", "bias"])) == ["u", "z", "bias", "surprise"]
        assert titles(draw_beliefs(made(*example()).beliefs, "z")) == ["z", "surprise"]

    @pytest.mark.parametrize("expected", [False, True])
    def test_a_state_shows_mean_and_95_percent(self, expected: bool) -> None:
        one = made(*example())
        ax = draw_beliefs(one.beliefs, ["x"], expected=expected)[0]
        own = one.numbers["x"]
        mean = own["expected_mean"] if expected else own["mean"]
        spread = np.sqrt(own["expected_variance"]) if expected else own["precision"] ** -0.5
        np.testing.assert_allclose(main_line(ax).get_ydata(), mean)
        inside = set(np.round(band(ax)[:, 1], 9))
        for bound in (mean - 1.96 * spread, mean + 1.96 * spread):
            assert set(np.round(bound, 9)) <= inside

    def test_an_input_shows_its_prediction_and_the_data(self) -> None:
        one = made(*example(), missing=0.3)
        ax = draw_beliefs(one.beliefs, ["u"])[0]
        np.testing.assert_allclose(main_line(ax).get_ydata(), one.numbers["u"]["expected_mean"])
        (dots,) = (line for line in ax.lines if line.get_marker() == "o" and line.get_linestyle() == "None")
        seen = one.beliefs.series.values[:, 0]
        np.testing.assert_array_equal(dots.get_xdata(), np.flatnonzero(~np.isnan(seen)))
        np.testing.assert_array_equal(dots.get_ydata(), seen[~np.isnan(seen)])
        slope = 2.0 / np.cosh(one.numbers["y"]["expected_mean"]) ** 2
        variance = one.numbers["u"]["expected_variance"] + 0.25 * one.numbers["x"]["expected_variance"]
        variance = variance + slope**2 * one.numbers["y"]["expected_variance"]
        top = one.numbers["u"]["expected_mean"] + 1.96 * np.sqrt(variance)
        assert set(np.round(top, 9)) <= set(np.round(band(ax)[:, 1], 9))

    def test_a_probability_stays_between_0_and_1(self) -> None:
        ax = draw_beliefs(made(*example()).beliefs, ["choice"])[0]
        assert ((band(ax)[:, 1] > 0.0) & (band(ax)[:, 1] < 1.0)).all()
        low, high = ax.get_ylim()
        assert low < 0.0 < 1.0 < high

    def test_data_and_means_are_never_cut_off(self) -> None:
        for ax, name in zip(draw_beliefs(made(*example(), seed=3).beliefs), "zxyycu", strict=False):
            low, high = ax.get_ylim()
            for line in ax.lines:
                assert (np.asarray(line.get_ydata()) >= low).all(), name
                assert (np.asarray(line.get_ydata()) <= high).all(), name

    def test_surprise_is_below_with_its_sum(self) -> None:
        one = made(*example(), steps=150)
        ax = draw_beliefs(one.beliefs, ["x"])[-1]
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), one.beliefs.surprise)
        assert f"{one.beliefs.surprise.sum():.1f}" in ax.get_title(loc="right")

    def test_surprise_has_gaps_where_nothing_was_seen(self) -> None:
        one = made(*example(), missing=0.6)
        nothing = np.isnan(one.beliefs.series.values).all(1)
        assert nothing.any()
        np.testing.assert_array_equal(
            np.isnan(draw_beliefs(one.beliefs, ["x"])[-1].lines[0].get_ydata()), nothing
        )  # fmt: skip

    def test_one_step(self) -> None:
        axes = draw_beliefs(made(*example(), steps=1).beliefs)
        axes[0].figure.canvas.draw()
        assert main_line(axes[0]).get_marker() == "o"

    def test_a_long_series_keeps_its_ends_and_extremes(self) -> None:
        one = made(*example(), steps=100_000)
        axes = draw_beliefs(one.beliefs, ["x", "u"])
        axes[0].figure.canvas.draw()
        line = main_line(axes[0])
        assert len(line.get_xdata()) < 10_000
        assert np.ptp(line.get_xdata()) > 99_900
        for end in (np.min, np.max):
            assert end(line.get_ydata()) == end(one.numbers["x"]["mean"])

    def test_numbers_that_are_not_finite_do_not_stop_it(self) -> None:
        one = made(*example())
        one.beliefs.trajectory.beliefs["precision"][3:5] = 0.0
        one.beliefs.trajectory.expected_precision[6] = 0.0
        one.beliefs.trajectory.expected_mean[7] = np.nan
        draw_beliefs(one.beliefs)[0].figure.canvas.draw()

    def test_names_are_no_formulas(self) -> None:
        graph = nx.relabel_nodes(example()[0], {"x": "$x_1$ \\frac", "u": "a $ b"})
        beliefs = made(graph, ["a $ b", "choice"]).beliefs
        draw_beliefs(beliefs)[0].figure.canvas.draw()
        draw_network(beliefs).figure.canvas.draw()


class TestTimeAxis:
    def test_dates(self) -> None:
        index = pd.date_range("2015-01-30", periods=40, freq="D", tz="Europe/Zurich", name="day")
        ax = draw_beliefs(made(*example(), index=index).beliefs, ["x"])[-1]
        ax.figure.canvas.draw()
        labels = [label.get_text() for label in ax.get_xticklabels()]
        assert "Feb" in labels
        assert ax.get_xlabel() == "day"
        np.testing.assert_allclose(main_line(ax).get_xdata(), date2num(index.tz_localize(None).to_numpy()))

    def test_periods(self) -> None:
        index = pd.period_range("1990Q1", periods=40, freq="Q")
        ax = draw_beliefs(made(*example(), index=index).beliefs, ["x"])[-1]
        ax.figure.canvas.draw()
        assert {"1992", "1996"} <= {label.get_text() for label in ax.get_xticklabels()}

    @pytest.mark.parametrize(
        ("step", "unit"), [("1D", "days"), ("30min", "hours"), ("5s", "minutes"), ("1ms", "seconds")]
    )
    def test_durations(self, step: str, unit: str) -> None:
        index = pd.timedelta_range(0, periods=40, freq=step)
        ax = draw_beliefs(made(*example(), index=index).beliefs, ["x"])[-1]
        assert ax.get_xlabel() == unit
        last = index[-1] / pd.Timedelta(1, unit)
        assert np.asarray(main_line(ax).get_xdata())[-1] == pytest.approx(last)

    def test_numbers(self) -> None:
        index = pd.Index(np.linspace(0.5, 4.5, 40), name="seconds")
        ax = draw_beliefs(made(*example(), index=index).beliefs, ["x"])[-1]
        np.testing.assert_array_equal(main_line(ax).get_xdata(), index)
        assert ax.get_xlabel() == "seconds"

    @pytest.mark.parametrize("index", [pd.Index([f"trial {number}" for number in range(40)]), pd.Index([3, 1] * 20)])
    def test_labels_that_are_no_clock(self, index: pd.Index) -> None:
        ax = draw_beliefs(made(*example(), index=index).beliefs, ["x"])[-1]
        ax.figure.canvas.draw()
        shown = [label.get_text() for label in ax.get_xticklabels() if label.get_text()]
        assert len(shown) >= 3
        assert set(shown) <= {str(label) for label in index}


class TestWhatIsAskedOf:
    def test_one_subject(self) -> None:
        one = made(*example(), steps=9, subjects=["anna", "ben"])
        for subject, row in ((None, 0), ("anna", 0), ("ben", 1)):
            axes = draw_beliefs(one.beliefs, ["z", "y"], subject=subject)
            np.testing.assert_array_equal(main_line(axes[0]).get_ydata(), one.numbers["z"]["mean"][row])
            inner = one.numbers["y"]["volatility_mean"][row]
            np.testing.assert_array_equal(main_line(axes[1]).get_ydata(), inner)
            assert any(["anna", "ben"][row] in text.get_text() for text in axes[0].texts)

    def test_axes_of_one_s_own(self) -> None:
        figure, own = plt.subplots(3)
        drawn = draw_beliefs(made(*example()).beliefs, ["x", "u"], axes=own)
        assert [one is other for one, other in zip(drawn, own, strict=True)] == [True] * 3
        assert plt.get_fignums() == [figure.number]
        with pytest.raises(ConfigError, match="Cannot draw on 3 axes"):
            draw_beliefs(made(*example()).beliefs, ["x"], axes=own)

    def test_refusals(self) -> None:
        beliefs = made(*example()).beliefs
        with pytest.raises(GraphError, match=r"'nobody'.*no such node.*'choice'"):
            draw_beliefs(beliefs, ["x", "nobody"])
        with pytest.raises(ConfigError, match="one series"):
            draw_beliefs(beliefs, subject="anna")
        with pytest.raises(ConfigError, match="'eve'"):
            draw_network(made(*example(), subjects=["anna"]).beliefs, subject="eve")
        for step in (40, -41, "first"):
            with pytest.raises(ConfigError, match="40 steps"):
                draw_network(beliefs, step)
        with pytest.raises(ConfigError, match="no beliefs"):
            draw_network(continuous_hgf(), 3)
        with pytest.raises(ConfigError, match="no graph"):
            draw_network([1, 2])

    def test_matplotlib_is_imported_when_a_picture_is_asked_for(self) -> None:
        code = "import sys, sostruct.networks.hgf.beliefs; sys.exit('matplotlib' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def boxes(ax: Axes) -> dict[str, tuple[float, float, float, float]]:
    """The outer frame of every node (left, bottom, right, top), by the name written in it."""
    frames = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    found: dict[str, tuple[float, float, float, float]] = {}
    for text in ax.texts:
        if text.get_fontweight() != "bold":
            continue
        x, y = text.get_position()
        around = [one.get_bbox().extents for one in frames]
        mine = [one for one in around if one[0] <= x <= one[2] and one[1] <= y <= one[3]]
        found[text.get_text()] = tuple(max(mine, key=lambda one: one[2] - one[0]))
    return found


def text_in(ax: Axes, box: tuple[float, float, float, float]) -> list[str]:
    found = [(text.get_position(), text.get_text()) for text in ax.texts if text.get_zorder() == 5]
    return [text for (x, y), text in found if box[0] <= x <= box[2] and box[1] <= y <= box[3]]


def arrows(ax: Axes) -> tuple[list[Line2D], list[Polygon]]:
    """Lines and heads of the couplings, the legend's left out."""
    heads = [patch for patch in ax.patches if isinstance(patch, Polygon)]
    kinds = len({line.get_linestyle() for line in ax.lines})
    return list(ax.lines)[:-kinds], heads[:-kinds]


class TestNetwork:
    def test_inputs_below_and_each_parent_above_its_children(self) -> None:
        graph, inputs = example()
        placed = boxes(draw_network(made(graph, inputs).beliefs))
        assert sorted(placed) == sorted(graph)
        assert placed["u"][1] == pytest.approx(placed["choice"][1], abs=10.0)
        for parent, child in graph.edges():
            assert placed[parent][1] > placed[child][3]

    def test_nodes_say_what_is_believed_of_them(self) -> None:
        one = made(*example())
        for step, at in (("last", -1), (7, 7), (-2, -2), (0, 0)):
            ax = draw_network(one.beliefs, step)
            placed = boxes(ax)
            own = one.numbers["x"]
            expected = with_spread(own["mean"][at], own["precision"][at] ** -0.5)
            assert text_in(ax, placed["x"]) == ["x", expected]
            assert text_in(ax, placed["choice"])[1] == f"P(1) = {one.numbers['choice']['expected_mean'][at]:.3f}"
            inside = with_spread(
                one.numbers["y"]["volatility_mean"][at], one.numbers["y"]["volatility_precision"][at] ** -0.5
            )
            assert text_in(ax, placed["y"])[2] == f"inside {inside}"

    def test_without_beliefs_nodes_say_their_parameters(self) -> None:
        graph, inputs = example()
        for network in (graph, Topology.from_networkx(graph)):
            ax = draw_network(network)
            placed = boxes(ax)
            assert text_in(ax, placed["x"]) == ["x", "0.0 ± 1.0", f"ω {MINUS}4"]
            assert text_in(ax, placed["y"])[2] == f"ω {MINUS}4  {RHO} 0.1  λ 0.9"
            assert text_in(ax, placed["u"]) == ["u", "noise sd 0.5"]
            assert text_in(ax, placed["bias"]) == ["bias", "1"]
        ax = draw_network(made(graph, inputs).beliefs, "parameters")
        assert text_in(ax, boxes(ax)["x"])[2] == f"ω {MINUS}4"

    def test_couplings_differ_in_line_and_head(self) -> None:
        lines, heads = arrows(draw_network(continuous_hgf(3)))
        assert sorted(line.get_linestyle() for line in lines) == ["-", "--", "--"]
        for line, head in zip(lines, heads, strict=True):
            filled = head.get_facecolor() == head.get_edgecolor()
            assert filled == (line.get_linestyle() == "-")
        assert {line.get_linestyle() for line in arrows(draw_network(binary_hgf(2)))[0]} == {"-"}

    def test_strengths_and_functions_that_matter_are_written(self) -> None:
        ax = draw_network(example()[0])
        labels = {text.get_text() for text in ax.texts if text.get_zorder() == 4}
        assert labels == {"0.5", f"{MINUS}2 tanh", "3", "0.7"}

    def test_arrows_end_where_their_child_begins(self) -> None:
        ax = draw_network(example()[0])
        placed = list(boxes(ax).values())
        for line, head in zip(*arrows(ax), strict=True):
            (x, y), (start, above) = head.get_xy()[0], np.asarray(line.get_xydata())[0]
            assert any(left < x < right and y == pytest.approx(top) for left, _, right, top in placed)
            assert any(left < start < right and above == pytest.approx(bottom) for left, bottom, right, _ in placed)

    def test_two_couplings_of_the_same_nodes_are_two_lines(self) -> None:
        graph = continuous_hgf(2)
        graph.add_edge("x2", "x1", coupling="value", strength=0.3)
        lines, _ = arrows(draw_network(graph))
        assert len(lines) == 3
        assert len({tuple(np.asarray(line.get_xydata())[0]) for line in lines}) == 3

    @pytest.mark.parametrize("size", [3, 8, 20, 40, 60])
    def test_nothing_overlaps_or_leaves_the_picture(self, size: int) -> None:
        graph, inputs = random_graph(np.random.default_rng(size), size, several_parents=True)
        ax = draw_network(made(graph, inputs, steps=3).beliefs)
        placed = boxes(ax)
        assert len(placed) == len(graph)
        for one, other in combinations(placed.values(), 2):
            assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
        for left, bottom, right, top in placed.values():
            assert ax.get_xlim()[0] < left < right < ax.get_xlim()[1]
            assert ax.get_ylim()[0] < bottom < top < ax.get_ylim()[1]
        figure = ax.figure
        figure.canvas.draw()
        frame = figure.bbox
        for text in ax.texts:
            extent = text.get_window_extent()
            assert frame.x0 - 1 < extent.x0 < extent.x1 < frame.x1 + 1, text.get_text()

    def test_text_fits_its_node(self) -> None:
        graph, inputs = example()
        graph = nx.relabel_nodes(graph, {"x": "a name that is much too long to be written", "z": "WWWWWWWWWW"})
        for drawn in (draw_network(graph), draw_network(made(graph, inputs).beliefs)):
            drawn.figure.canvas.draw()
            for box in boxes(drawn).values():
                left, right = drawn.transData.transform([(box[0], 0), (box[2], 0)])[:, 0]
                for text in drawn.texts:
                    x, y = text.get_position()
                    if text.get_zorder() == 5 and box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                        extent = text.get_window_extent()
                        assert left - 1 <= extent.x0 < extent.x1 <= right + 1, text.get_text()

    def test_axes_of_one_s_own(self) -> None:
        figure, (left, right) = plt.subplots(1, 2, figsize=(6, 3))
        assert draw_network(continuous_hgf(), ax=left) is left
        draw_network(binary_hgf(), ax=right)
        assert plt.get_fignums() == [figure.number]
        sizes = {text.get_fontsize() for text in left.texts if text.get_fontweight() == "bold"}
        assert max(sizes) < 8.0


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (1.04123, 0.0031, "1.0412 ± 0.0031"),
        (-0.5, 1.25, f"{MINUS}0.5 ± 1.2"),
        (123.4, 45.0, "123 ± 45"),
        (-0.0001, 0.5, "0.00 ± 0.50"),
        (3e7, 2.0, "3e+07 ± 2"),
        (0.5, 1e-9, f"0.5 ± 1e{MINUS}09"),
        (0.5, np.inf, "0.5 ± inf"),
        (np.nan, 1.0, "nan ± 1"),
    ],
)
def test_means_are_written_to_two_digits_of_their_spread(mean: float, spread: float, text: str) -> None:
    assert with_spread(mean, spread) == text


class TestLayering:
    @settings(max_examples=15)
    @given(st.integers(0, 10_000), st.integers(2, 60))
    def test_parents_stand_higher_and_nodes_apart(self, seed: int, size: int) -> None:
        graph, inputs = random_graph(np.random.default_rng(seed), size, several_parents=True)
        topology = Topology.from_networkx(graph)
        width = {name: 30.0 + 5.0 * (number % 7) for number, name in enumerate(topology.names)}
        found = layers(topology, inputs, width, gap=8.0)
        assert found.level == levels_of(topology, inputs)
        for parent, child in graph.edges():
            assert found.level[parent] > found.level[child]
            assert len(found.bends[parent, child]) == found.level[parent] - found.level[child] - 1
        assert all((found.level[name] == 0) == (name in inputs) for name in topology.names)
        for level in set(found.level.values()):
            row = sorted((found.center[name], width[name]) for name in topology.names if found.level[name] == level)
            for (one, wide), (other, wider) in pairwise(row):
                assert other - one >= (wide + wider) / 2 + 8.0 - 1e-9
        for name in topology.names:
            assert found.center[name] - width[name] / 2 >= -1e-9
            assert found.center[name] + width[name] / 2 <= found.width + 1e-9

    def test_a_tree_is_drawn_without_crossings(self) -> None:
        graph = nx.MultiDiGraph()
        for number in (5, 2, 7, 0, 4, 1, 6, 3):
            graph.add_node(f"u{number}", kind="continuous")
        for number in range(8):
            graph.add_edge(f"x{number // 2}", f"u{number}")
            graph.nodes[f"x{number // 2}"]["kind"] = "continuous"
        for number in range(4):
            graph.add_edge(f"y{number // 2}", f"x{number}")
            graph.nodes[f"y{number // 2}"]["kind"] = "continuous"
        inputs = [f"u{number}" for number in (5, 2, 7, 0, 4, 1, 6, 3)]
        found = layers(Topology.from_networkx(graph), inputs, dict.fromkeys(graph, 20.0), 5.0)
        edges = [(found.level[a], found.center[a], found.center[b]) for a, b in graph.edges()]
        crossings = sum(
            one[0] == other[0] and (one[1] - other[1]) * (one[2] - other[2]) < 0
            for one, other in combinations(edges, 2)
        )
        assert crossings == 0

    def test_a_chain_is_straight(self) -> None:
        found = layers(
            Topology.from_networkx(continuous_hgf(3)), ["u"], {"u": 90.0, "x1": 40.0, "x2": 60.0, "x3": 20.0}, 5.0
        )
        assert len({round(place, 6) for place in found.center.values()}) == 1
        assert found.width == 90.0
