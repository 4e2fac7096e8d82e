"""Beliefs report what was recorded, node by node, and score it as their docstrings say."""

import math
import pickle
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sostruct.errors import ConfigError, GraphError
from sostruct.networks.hgf.beliefs import QUANTITIES, place_of_subject
from tests.networks.hgf.handmade import Made, example, made

VARIANTS: list[dict[str, Any]] = [
    {},
    {"padded": False},
    {"missing": 0.4},
    {"subjects": ["anna", "ben", "eve"], "steps": 7},
    {"subjects": [3], "padded": False, "missing": 0.5, "index": pd.date_range("2020", periods=40, name="day")},
]


@pytest.fixture(params=VARIANTS, ids=str)
def one(request: pytest.FixtureRequest) -> Made:
    return made(*example(), **request.param)


class TestArrays:
    @pytest.mark.parametrize("quantity", ["mean", "precision", "expected_mean"])
    def test_columns_are_nodes_in_their_order(self, one: Made, quantity: str) -> None:
        found = getattr(one.beliefs, quantity)
        assert one.beliefs.nodes == tuple(sorted(one.numbers))
        for place, name in enumerate(one.beliefs.nodes):
            np.testing.assert_array_equal(found[..., place], one.numbers[name][quantity])

    def test_expected_precision_is_infinite_for_a_constant(self, one: Made) -> None:
        for place, name in enumerate(one.beliefs.nodes):
            expected = np.inf if name == "bias" else 1.0 / one.numbers[name]["expected_variance"]
            np.testing.assert_allclose(one.beliefs.expected_precision[..., place], expected, rtol=1e-15)

    def test_converted_once_and_read_only(self, one: Made) -> None:
        for quantity in (*QUANTITIES, "surprise", "composite", "first_level", "input_variance"):
            found = getattr(one.beliefs, quantity)
            assert getattr(one.beliefs, quantity) is found
            assert not found.flags.writeable

    def test_nothing_is_converted_before_it_is_asked_for(self) -> None:
        one = made(*example())
        assert not {"mean", "surprise", "_details"} & vars(one.beliefs).keys()
        assert one.beliefs.log_evidence == -one.beliefs.trajectory.surprise.sum()
        assert one.passes == []


class TestFrames:
    @pytest.mark.parametrize("quantity", QUANTITIES)
    def test_one_series(self, quantity: str) -> None:
        index = pd.period_range("2019Q1", periods=40, freq="Q", name="quarter")
        beliefs = made(*example(), index=index).beliefs
        table = beliefs.frame(quantity)
        assert table.index.equals(index)
        assert table.index.name == "quarter"
        assert tuple(table.columns) == beliefs.nodes
        np.testing.assert_array_equal(table.to_numpy(), getattr(beliefs, quantity))
        table.loc[:, "x"] = 0.0
        assert (beliefs.frame(quantity)["x"] != 0.0).any()

    def test_subjects_are_the_first_level_of_the_index(self) -> None:
        one = made(*example(), steps=5, subjects=["anna", "ben"])
        table = one.beliefs.frame("mean")
        assert table.index.names == ["subject", "time"]
        np.testing.assert_array_equal(table.loc["ben"]["z"], one.numbers["z"]["mean"][1])

    @pytest.mark.parametrize("padded", [True, False])
    @pytest.mark.parametrize("seed", range(4))
    def test_levels_inside_volatile_nodes(self, padded: bool, seed: int) -> None:
        graph, inputs = example()
        for name in ("a", "b", "w"):
            graph.add_node(name, kind="volatile")
            graph.add_edge(name, "u")
        one = made(graph, inputs, padded=padded, subjects=["anna", "ben"], steps=6, seed=seed)
        for quantity in ("volatility_mean", "volatility_precision"):
            table = one.beliefs.frame(quantity)
            assert list(table.columns) == ["a", "b", "w", "y"]
            for name in table:
                np.testing.assert_array_equal(table[name].to_numpy().reshape(2, 6), one.numbers[str(name)][quantity])

    def test_unknown_quantities_are_refused(self) -> None:
        beliefs = made(*example()).beliefs
        with pytest.raises(ConfigError, match=r"'means'.*'expected_mean'.*'volatility_mean'"):
            beliefs.frame("means")
        graph, inputs = example()
        graph.remove_node("y")
        graph.add_edge("x", "choice")
        with pytest.raises(ConfigError, match="no such quantity"):
            made(graph, inputs).beliefs.frame("volatility_mean")


class TestScores:
    def test_log_evidence_is_minus_all_surprise(self, one: Made) -> None:
        np.testing.assert_array_equal(one.beliefs.surprise, one.beliefs.trajectory.surprise)
        assert one.beliefs.log_evidence == pytest.approx(-math.fsum(one.beliefs.surprise.ravel()), rel=1e-14)
        assert isinstance(one.beliefs.log_evidence, float)

    def test_composite_adds_the_marginals_and_runs_once(self, one: Made) -> None:
        np.testing.assert_array_equal(one.beliefs.composite, one.marginal[..., 0] + one.marginal[..., 1])
        assert one.beliefs.excess is not None
        assert one.passes == [1]

    def test_first_level_is_the_literature_s(self, one: Made) -> None:
        """The input under its value parents' prediction: here 0.5 x - 2 tanh(y) + 3, the constant without variance."""
        series = one.beliefs.series.values
        u, choice, x, y = (one.numbers[name] for name in ("u", "choice", "x", "y"))
        for at in np.ndindex(series.shape[:-1]):
            total = 0.0
            if not np.isnan(series[at][0]):
                slope = -2.0 / np.cosh(y["expected_mean"][at]) ** 2
                variance = 0.25 * x["expected_variance"][at] + slope**2 * y["expected_variance"][at]
                total -= stats.norm.logpdf(series[at][0], u["expected_mean"][at], math.sqrt(variance))
            if not np.isnan(series[at][1]):
                total -= stats.bernoulli.logpmf(int(series[at][1]), choice["expected_mean"][at])
            assert one.beliefs.first_level[at] == pytest.approx(total, rel=1e-12, abs=1e-12)

    def test_first_level_without_uncertain_parents_uses_the_noise(self) -> None:
        graph, _ = example()
        graph.remove_nodes_from(["x", "y", "z", "choice"])
        one = made(graph, ["u"])
        noise = np.sqrt(one.numbers["u"]["expected_variance"])
        seen = one.beliefs.series.values[:, 0]
        expected = -stats.norm.logpdf(seen, one.numbers["u"]["expected_mean"], noise)
        np.testing.assert_allclose(one.beliefs.first_level, expected, rtol=1e-12)

    def test_excess_of_states_is_half_the_volatility_error(self, one: Made) -> None:
        excess = one.beliefs.excess
        for name in ("x", "y", "z"):
            own = one.numbers[name]
            wanted = own["expected_variance"]
            spread = 1.0 / own["precision"] + (own["mean"] - own["expected_mean"]) ** 2
            np.testing.assert_allclose(excess[name], ((spread / wanted - 1.0) / 2.0).ravel(), rtol=1e-12, atol=1e-14)
        assert (excess["bias"] == 0.0).all()

    def test_excess_of_inputs_is_surprise_beyond_entropy(self, one: Made) -> None:
        excess = one.beliefs.excess
        np.testing.assert_array_equal(excess["u"], (one.marginal - one.entropy)[..., 0].ravel())
        np.testing.assert_array_equal(excess["choice"], (one.marginal - one.entropy)[..., 1].ravel())

    def test_excess_is_zero_without_news_and_where_a_prediction_broke(self) -> None:
        one = made(*example())
        trajectory = one.beliefs.trajectory
        at = dict(zip(one.beliefs.nodes, one.beliefs.columns, strict=True))
        x, z = at["x"], at["z"]
        trajectory.beliefs["mean"][3, x] = trajectory.expected_mean[3, x]
        trajectory.beliefs["precision"][3, x] = trajectory.expected_precision[3, x]
        trajectory.expected_mean[5, z] = np.nan
        trajectory.expected_precision[6, z] = 0.0
        excess = one.beliefs.excess
        assert excess["x"][3] == excess["z"][5] == excess["z"][6] == 0.0
        assert (excess["x"].drop(3) != 0.0).all()
        assert excess.notna().all().all()


class TestXarray:
    def test_dimensions_and_values(self, one: Made) -> None:
        pytest.importorskip("xarray")
        dataset = one.beliefs.to_xarray()
        subjects = one.beliefs.series.subjects
        lead = ("time",) if subjects is None else ("subject", "time")
        for quantity in QUANTITIES:
            assert dataset[quantity].dims == (*lead, "node")
            np.testing.assert_array_equal(dataset[quantity].sel(node="z"), getattr(one.beliefs, quantity)[..., -1])
        assert dataset["surprise"].dims == lead
        np.testing.assert_array_equal(dataset["observed"].sel(input="u"), one.beliefs.series.values[..., 0])
        assert dataset.attrs["log_evidence"] == one.beliefs.log_evidence
        if subjects is not None:
            assert dataset["subject"].to_numpy().tolist() == list(subjects)
        assert (dataset["time"].to_index() == one.beliefs.series.index).all()

    def test_periods_become_timestamps(self) -> None:
        pytest.importorskip("xarray")
        index = pd.period_range("2019-01", periods=40, freq="M")
        dataset = made(*example(), index=index).beliefs.to_xarray()
        assert dataset["time"].to_index()[1] == pd.Timestamp("2019-02-01")

    def test_without_xarray_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "xarray", None)
        with pytest.raises(ConfigError, match=r"pip install 'sostruct\[xarray\]'"):
            made(*example()).beliefs.to_xarray()


class TestTheRest:
    def test_held_predictions_and_the_repr(self) -> None:
        one = made(*example(), held={"x": 2, "z": 1})
        assert one.beliefs.held["x"] == 2
        text = repr(one.beliefs)
        assert "6 nodes, 40 steps" in text
        assert f"{one.beliefs.log_evidence:.6g} nats" in text
        assert "3 predictions held" in text
        assert "of 2 subjects" in repr(made(*example(), subjects=["a", "b"]).beliefs)

    def test_beliefs_travel_between_processes(self) -> None:
        one = made(*example(), missing=0.2)
        copy = pickle.loads(pickle.dumps(one.beliefs))  # noqa: S301
        assert one.passes == [1]
        for quantity in (*QUANTITIES, "surprise", "composite", "first_level"):
            np.testing.assert_array_equal(getattr(copy, quantity), getattr(one.beliefs, quantity))
        pd.testing.assert_frame_equal(copy.excess, one.beliefs.excess)
        assert copy.topology == one.beliefs.topology

    def test_volatility_parents_add_nothing_to_an_input_s_linear_predictor(self) -> None:
        graph, inputs = example()
        graph.add_edge("z", "u", coupling="volatility")
        one = made(graph, inputs)
        slope = -2.0 / np.cosh(one.numbers["y"]["expected_mean"]) ** 2
        variance = 0.25 * one.numbers["x"]["expected_variance"] + slope**2 * one.numbers["y"]["expected_variance"]
        np.testing.assert_allclose(one.beliefs.input_variance[:, 0], variance, rtol=1e-12)

    def test_input_variance_of_a_binary_input_is_that_of_its_log_odds(self) -> None:
        one = made(*example())
        np.testing.assert_allclose(one.beliefs.input_variance[:, 1], one.numbers["y"]["expected_variance"], rtol=1e-14)

    def test_subjects_are_found_by_label(self) -> None:
        several, single = made(*example(), subjects=["a", "b"], steps=3).beliefs, made(*example()).beliefs
        assert place_of_subject(several, "b") == (1,)
        assert place_of_subject(several, None) == (0,)
        assert place_of_subject(single, None) == ()
        with pytest.raises(ConfigError, match=r"'c'.*'a', 'b'"):
            place_of_subject(several, "c")
        with pytest.raises(ConfigError, match="one series"):
            place_of_subject(single, "a")

    def test_plot_draws(self) -> None:
        import matplotlib.pyplot as plt

        axes = made(*example()).beliefs.plot(["x"])
        assert len(axes) == 2
        plt.close(axes[0].figure)
        with pytest.raises(GraphError, match="'nobody'"):
            made(*example()).beliefs.plot(["nobody"])
