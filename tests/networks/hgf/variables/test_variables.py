"""Variables of several inputs in a network: named, read, edited, scored and reported."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import sostruct as ss
from sostruct.errors import BeliefError, ConfigError, DataError, GraphError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge
from sostruct.growth.counterfactual import evaluate
from sostruct.networks.hgf.variables.reported import divergence
from sostruct.networks.hgf.workbench import unsuitable
from sostruct.numerics import double_precision

KEY = jax.random.key(0)
LABELS = ["left", "right", "up"]


def choices(steps: int = 30, missing: bool = True) -> pd.Series:
    rng = np.random.default_rng(1)
    drawn = pd.Series(rng.choice(LABELS, steps, p=[0.6, 0.3, 0.1]), name="u")
    return drawn.mask(rng.random(steps) < 0.2) if missing else drawn


def mixed() -> tuple[ss.HGF, pd.DataFrame]:
    """A categorical, a normal and a counted variable beside a binary and a continuous one."""
    graph = nx.compose_all(
        [
            nx.relabel_nodes(ss.categorical_hgf(LABELS, variable="choice"), {"x3": "volatility"}),
            ss.exponential_family_hgf("normal", ["east", "north"], nu=5.0),
            nx.relabel_nodes(ss.exponential_family_hgf("poisson", ["count"], nu=5.0, levels=1), {"x1=count": "rate"}),
            ss.bare_hgf(["level", "outcome"], binary=["outcome"]),
        ]
    )
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(30, 3)), columns=["level", "north", "east"])
    frame["count"], frame["outcome"], frame["choice"] = rng.poisson(2.0, 30), rng.integers(2, size=30), choices()
    frame.loc[4, "east"] = np.nan
    frame["count"] = frame["count"].where(frame.index != 7)
    return ss.HGF(graph, schedule="packed"), frame


class TestReading:
    @pytest.mark.parametrize(
        "data",
        [
            [0, 2, None, 1],
            np.array([0.0, 2.0, np.nan, 1.0]),
            np.array([[0.0], [2.0], [np.nan], [1.0]]),
            np.ma.masked_array([0, 2, 1, 1], mask=[False, False, True, False]),
            pd.Series(["0", "2", None, "1"]),
            pd.Series(pd.Categorical([0, 2, None, 1])),
            pd.Series([0, 2, None, 1], dtype="Int64"),
            pd.DataFrame({"u": ["0", 2.0, pd.NA, 1]}),
        ],
    )
    def test_labels_however_they_are_written(self, data: Any) -> None:
        network = ss.HGF(ss.categorical_hgf(range(3)))
        assert network.columns == ("u",)
        one_hot = [[1, 0, 0], [0, 0, 1], [np.nan] * 3, [0, 1, 0]]
        np.testing.assert_array_equal(network.filter(data).series.values, one_hot)

    def test_eleven_numbers_keep_their_order(self) -> None:
        network = ss.HGF(ss.categorical_hgf(range(11)))
        seen = network.prepare([10, 2, 1]).inputs
        assert [network.inputs[int(np.argmax(row))] for row in seen] == ["u=10", "u=2", "u=1"]

    def test_columns_are_found_by_name_and_spread(self) -> None:
        network, frame = mixed()
        assert set(network.columns) == set(frame.columns)
        seen = network.filter(frame[sorted(frame.columns)]).series
        by_name = dict(zip(network.inputs, seen.values.T, strict=True))
        np.testing.assert_array_equal(by_name["east,north=east*north"], frame["east"] * frame["north"])
        whole = np.isnan(by_name["east,north=north"])
        np.testing.assert_array_equal(whole, frame["east"].isna())
        np.testing.assert_array_equal(by_name["choice=up"] == 1.0, frame["choice"] == "up")

    def test_subjects(self) -> None:
        network = ss.HGF(ss.categorical_hgf(LABELS))
        one, other = choices(), choices()[::-1].reset_index(drop=True)
        both = network.filter({"ann": one, "ben": other})
        np.testing.assert_allclose(both.surprise[1], network.filter(other).surprise)
        stacked = np.stack([one.to_numpy(object), other.to_numpy(object)])[..., None]
        np.testing.assert_allclose(network.filter(stacked).surprise, both.surprise)
        assert both.probabilities("u").loc[("ben", 3)].sum() == pytest.approx(1.0)

    def test_traced_data_hold_numbers(self) -> None:
        network = ss.HGF(ss.categorical_hgf(range(3)), schedule="packed")
        data = np.array([0.0, 2.0, np.nan, 1.0])
        with double_precision():
            found = jax.jit(network.log_evidence)(data)
        assert float(found) == pytest.approx(float(network.log_evidence(data)))

    @pytest.mark.parametrize(
        ("graph", "data", "words"),
        [
            (ss.categorical_hgf(LABELS), ["left", "down"], ["'u'", "'down'", "step 1", "'left', 'right', 'up'"]),
            (ss.categorical_hgf(LABELS), [0.0, 1.0], ["0.0", "none of its labels"]),
            (ss.categorical_hgf(LABELS), [["left", "up"]], ["2 columns"]),
            (ss.exponential_family_hgf("poisson"), [1.0, 0.5], ["'u'", "0.5 is not a count", "step 1"]),
            (ss.exponential_family_hgf("poisson"), [-1.0], ["-1.0 is not a count"]),
            (ss.exponential_family_hgf("exponential"), [1.0, -0.5], ["-0.5 is not a duration"]),
            (ss.exponential_family_hgf("bernoulli"), [2.0], ["2.0 is not 0 or 1"]),
            (ss.exponential_family_hgf("normal"), [np.inf], ["inf is not a finite number"]),
            (ss.exponential_family_hgf("normal", ["a", "b"]), np.zeros((3, 5)), ["5 columns", "'a', 'b'"]),
            (ss.exponential_family_hgf("normal", ["a", "b"]), pd.DataFrame({"a": [1.0]}), ["no column 'b'"]),
        ],
    )
    def test_what_is_refused(self, graph: nx.MultiDiGraph, data: Any, words: list[str]) -> None:
        with pytest.raises(DataError) as caught:
            ss.HGF(graph).filter(data)
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"u": "category"}, ["'u=LABEL'"]),
        ({"u=a": "category"}, ["one label, 'a'"]),
        ({"u=": "category", "u=b": "category"}, ["the label is empty"]),
        ({"=a": "category", "=b": "category"}, ["the variable is empty"]),
        ({"u=a": "category", "u=b": "category", "u": "continuous"}, ["'u=a'", "another name"]),
        ({"u=a": "category", "u=a*a": "normal"}, ["of one kind"]),
        ({"u": "normal"}, ["'u=u'", "'u=u*u'"]),
        ({"u=a": "normal", "u=a*a": "normal", "u=b": "normal", "u=b*b": "normal"}, ["u=a*b"]),
        ({"u=a*a": "normal"}, ["no node"]),
        ({"u=a": "normal", "u=a*a": "normal", "a": "continuous"}, ["column 'a'", "twice"]),
        ({"u=a": "poisson"}, ["one statistic", "'u'"]),
    ],
)
def test_names_that_make_no_variable(nodes: dict[str, str], words: list[str]) -> None:
    graph = nx.MultiDiGraph()
    for name, kind in nodes.items():
        graph.add_node(name, kind=kind)
        graph.add_node(f"above {name}", kind="continuous")
        graph.add_edge(f"above {name}", name)
    with pytest.raises(GraphError) as caught:
        ss.HGF(graph)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


class TestCategorical:
    @pytest.mark.parametrize("schedule", ["packed", "unrolled"])
    def test_two_labels_are_a_binary_input(self, schedule: str) -> None:
        """Without a volatility parent, which would hear of every error twice."""
        outcome = (choices(60, missing=False) == "left").astype(float).to_numpy().copy()
        outcome[5] = np.nan
        binary = ss.HGF(ss.binary_hgf(2), schedule=schedule).filter(outcome)
        both = ss.HGF(ss.categorical_hgf([0, 1], 2), schedule=schedule).filter(outcome)
        np.testing.assert_allclose(both.surprise, binary.surprise, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(both.first_level, binary.first_level, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(both.frame("mean")["x2=1"], binary.frame("mean")["x2"], rtol=1e-9)
        np.testing.assert_allclose(both.frame("mean")["x2=0"], -binary.frame("mean")["x2"], rtol=1e-9)

    def test_a_step_by_hand(self) -> None:
        """Three labels, one observation: log odds, probabilities, surprise, concentrations."""
        network = ss.HGF(ss.categorical_hgf(LABELS, 2, sigma_0=0.5, omega=-1.0))
        beliefs = network.filter(["right", "left"])
        start, variance = -np.log(2.0), 0.5 + np.exp(-1.0)
        chance = expit(start)
        sharp = 1.0 / variance + chance * (1.0 - chance)
        mean = {name: start + ((name == "right") - chance) / sharp for name in LABELS}
        assert beliefs.surprise[0] == pytest.approx(np.log(3.0))
        np.testing.assert_allclose(beliefs.probabilities("u").iloc[0], 1.0 / 3.0)
        points, weights = np.polynomial.hermite_e.hermegauss(60)
        later = 1.0 / sharp + np.exp(-1.0)
        p = {name: weights @ expit(mean[name] + np.sqrt(later) * points) / weights.sum() for name in LABELS}
        shares = np.array([p[name] for name in LABELS]) / sum(p.values())
        np.testing.assert_allclose(beliefs.probabilities("u").iloc[1], shares, rtol=1e-7)
        assert beliefs.surprise[1] == pytest.approx(-np.log(shares[0]), rel=1e-7)
        nu = 1.0 / (variance * chance * (1.0 - chance))
        np.testing.assert_allclose(beliefs.concentration("u").iloc[0], nu / 3.0)
        assert list(beliefs.probabilities("u").columns) == LABELS

    def test_shares_of_parts_make_the_whole(self) -> None:
        network = ss.HGF(ss.categorical_hgf(LABELS))
        beliefs = network.filter(choices())
        np.testing.assert_allclose(beliefs.composite, beliefs.surprise)
        shares = beliefs.probabilities("u").to_numpy()
        seen = ~choices().isna().to_numpy()
        entropy = -(shares * np.log(shares)).sum(1) * seen
        np.testing.assert_allclose(
            beliefs.excess[list(network.inputs)].sum(axis=1), beliefs.surprise - entropy, atol=1e-12
        )
        missing = ~seen
        assert (beliefs.surprise[missing] == 0.0).all()
        assert (beliefs.divergence("u")["u"][missing] == 0.0).all()
        assert (beliefs.divergence("u")["u"][seen] > 0.0).all()

    def test_where_there_is_none(self) -> None:
        beliefs = ss.HGF(ss.binary_hgf()).filter([0.0, 1.0])
        with pytest.raises(ConfigError, match="no categorical variable"):
            beliefs.probabilities("u")
        with pytest.raises(ConfigError, match="exponential family"):
            beliefs.pseudo_count("u")


class TestAmongOthers:
    def test_independent_variables_add_up(self) -> None:
        network, frame = mixed()
        beliefs = network.filter(frame)
        parts = {
            "choice": ss.HGF(ss.categorical_hgf(LABELS, variable="choice")),
            "count": ss.HGF(ss.exponential_family_hgf("poisson", ["count"], nu=5.0, levels=1)),
            "level": ss.HGF(ss.bare_hgf(["level"])),
            "outcome": ss.HGF(ss.bare_hgf(["outcome"], binary=["outcome"])),
            "east,north": ss.HGF(ss.exponential_family_hgf("normal", ["east", "north"], nu=5.0)),
        }
        alone = [network.filter(frame[list(network.columns)]).surprise for network in parts.values()]
        np.testing.assert_allclose(beliefs.surprise, sum(alone), rtol=1e-10)

    def test_single_precision(self) -> None:
        network, frame = mixed()
        single = ss.HGF(network.graph, schedule="packed", dtype="float32").filter(frame)
        assert single.mean.dtype == np.float32
        np.testing.assert_allclose(single.surprise, network.filter(frame).surprise, rtol=2e-4, atol=2e-4)

    def test_going_on_from_the_middle(self) -> None:
        network, frame = mixed()
        whole, first = network.filter(frame), network.filter(frame[:12])
        second = network.filter(frame[12:], start=first.last)
        np.testing.assert_allclose(np.concatenate([first.surprise, second.surprise]), whole.surprise, rtol=1e-12)

    def test_gradients_are_finite(self) -> None:
        network, frame = mixed()

        def score(value: Any) -> Any:
            own = {"volatility": {"tonic_volatility": value}, "rate": {"tonic_volatility": value}}
            return network.with_parameters(own).log_evidence(frame)

        with double_precision():
            slope = float(jax.grad(score)(-3.0))
            higher, lower = float(score(-3.0 + 1e-4)), float(score(-3.0 - 1e-4))
        assert slope == pytest.approx((higher - lower) / 2e-4, rel=1e-4)

    def test_edits_compile_nothing_and_change_the_evidence_as_said(self) -> None:
        network, frame = mixed()
        data = network.prepare(frame)
        edits = [
            [AddNode("fast", "continuous"), AddEdge(Edge("fast", "rate", "volatility"))],
            [RemoveEdge("volatility", "x2=up", "volatility")],
            [AddNode("drift", "continuous", {"autoconnection": 0.9}), AddEdge(Edge("drift", "x2=left"))],
        ]
        grown = network.edited(edits[0], key=KEY)
        before = evaluate(grown, data, [[RemoveEdge("fast", "rate", "volatility")]], key=KEY)
        gains = evaluate(network, data, edits, key=KEY)
        assert np.isfinite(gains).all()
        assert before[0] == pytest.approx(-gains[0], rel=1e-8)
        for gain, own in zip(gains, edits, strict=True):
            after = network.edited(own, key=KEY).filter(frame)
            assert after.log_evidence - network.filter(frame).log_evidence == pytest.approx(gain, rel=1e-8)

    def test_no_edit_within_a_capacity_traces_again(self) -> None:
        network, frame = mixed()
        count = 0

        @eqx.filter_jit
        def epoch(packed: Any, data: Any) -> Any:
            nonlocal count
            count += 1
            return packed.epoch(data, key=KEY)[1].evidence

        data = network.prepare(frame)
        one = network.edited([RemoveEdge("volatility", "x2=up", "volatility")], key=KEY)
        other = one.edited([AddEdge(Edge("volatility", "rate", "volatility"))], key=KEY)
        with double_precision():
            found = [float(epoch(own.packed, data)) for own in (network, one, other)]
        assert len(set(found)) == 3
        assert count == 1

    def test_an_input_stays_and_parts_of_new_variables_are_not_observed(self) -> None:
        network, _ = mixed()
        with pytest.raises(GraphError, match="can only be observed"):
            network.edited([AddNode("choice=down", "category")], key=KEY)

    def test_structure_search_says_that_it_cannot(self) -> None:
        assert "'category'" in str(unsuitable(ss.HGF(ss.categorical_hgf(LABELS))))


class TestNoDistribution:
    def network(self) -> ss.HGF:
        graph = ss.exponential_family_hgf("poisson", levels=1)
        graph.nodes["x1=u"]["tonic_drift"] = -0.6
        return ss.HGF(graph)

    def test_is_refused_by_name(self) -> None:
        with pytest.raises(BeliefError, match=r"'u' at step 1.*no distribution.*strict=False"):
            self.network().filter([0.0, 0.0, 1.0])

    @pytest.mark.parametrize("schedule", ["packed", "unrolled"])
    def test_the_nearest_is_taken_if_not_strict(self, schedule: str) -> None:
        network = ss.HGF(self.network().graph, schedule=schedule)
        beliefs = network.filter([0.0, 0.0, 1.0], strict=False)
        assert beliefs.held["u"] == 2
        assert np.isfinite(beliefs.surprise).all()
        assert np.isnan(float(network.log_evidence([0.0, 0.0, 1.0])))
        assert not bool(network.trace([0.0, 0.0, 1.0]).sound)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ss.categorical_hgf(["a"]), "fewer than two"),
        (lambda: ss.categorical_hgf("ab"), "fewer than two"),
        (lambda: ss.categorical_hgf(["a", "a"]), "twice"),
        (lambda: ss.categorical_hgf(["a", "b"], 4), "2 or 3 levels"),
        (lambda: ss.exponential_family_hgf("gamma"), "no family 'gamma'"),
        (lambda: ss.exponential_family_hgf("poisson", ["a", "b"]), "one column"),
        (lambda: ss.exponential_family_hgf("normal", ["a", "a"]), "different names"),
        (lambda: ss.exponential_family_hgf("normal", levels=4), "levels=4"),
        (lambda: ss.exponential_family_hgf("normal", nu=0.0), "nu is 0.0"),
        (lambda: ss.exponential_family_hgf("normal", growth=2.0), "growth is 2.0"),
        (lambda: ss.exponential_family_hgf("normal", growth=1.0, levels=1), "do not count"),
        (lambda: ss.exponential_family_hgf("normal", xi_0={"u": 2.0, "u*u": 3.0}), "out of range"),
        (lambda: ss.exponential_family_hgf("normal", xi_0={"v": 2.0}), "no statistic"),
        (lambda: ss.exponential_family_hgf("bernoulli", xi_0=1.0), "out of range"),
        (lambda: ss.exponential_family_hgf("poisson", precision=-1.0), "positive and finite"),
    ],
)
def test_what_builders_refuse(build: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build()


@pytest.mark.parametrize("shared", [True, False])
def test_three_levels_of_an_exponential_family(shared: bool) -> None:
    graph = ss.exponential_family_hgf("normal", ["a", "b"], levels=3, shared=shared)
    volatility = {edge[:2] for edge in graph.edges(data="coupling") if edge[2] == "volatility"}
    assert len(volatility) == (6 if shared else 10)
    assert ("x3", "x2") in volatility or ("x3=a*b", "x2=a*b") in volatility
    beliefs = ss.HGF(graph, schedule="packed").filter(np.random.default_rng(0).normal(size=(20, 2)), strict=False)
    assert beliefs.pseudo_count("a,b").iloc[0, 0] == pytest.approx(10.0)


def test_pictures() -> None:
    """A panel for every input, labels as probabilities; the network with its beliefs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from sostruct.networks.hgf.figures import draw_network

    network, frame = mixed()
    beliefs = network.filter(frame)
    titles = [ax.get_title(loc="left") for ax in beliefs.plot()]
    assert set(network.nodes) <= set(titles)
    words = {text.get_text() for ax in beliefs.plot(["choice=left", "count"]) for text in ax.texts}
    assert {"probability of the label, by itself", "expected statistic, poisson"} <= words
    for drawn in (beliefs, network):
        draw_network(drawn)
    pyplot.close("all")


class TestOtherCapacities:
    def test_networks_of_one_population(self) -> None:
        one, frame = mixed()
        other = one.edited([RemoveEdge("volatility", "x2=up", "volatility")], key=KEY)
        for alone, together in zip((one, other), ss.filter_population([one, other], frame), strict=True):
            np.testing.assert_allclose(together.surprise, alone.filter(frame).surprise, rtol=1e-11)
            np.testing.assert_allclose(together.probabilities("choice"), alone.filter(frame).probabilities("choice"))

    def test_a_network_without_variables_in_a_capacity_with_them(self) -> None:
        plain = ss.HGF(ss.bare_hgf(["level", "outcome"], binary=["outcome"]), schedule="packed")
        network, frame = mixed()
        wide = plain.at_capacity(network.packed.capacity)
        assert wide.packed.wiring.tables.parts is not None
        assert plain.packed.wiring.tables.parts is None
        data = frame[["level", "outcome"]]
        np.testing.assert_allclose(wide.filter(data).surprise, plain.filter(data).surprise, rtol=1e-11)


def test_the_divergence_of_two_beta_distributions() -> None:
    """By Gauss-Legendre quadrature of p log(p / q)."""
    points, weights = np.polynomial.legendre.leggauss(400)
    x, after, before = 0.5 * (points + 1.0), np.array([3.0, 2.0]), np.array([2.5, 4.0])
    p, q = (stats.beta(*own).pdf(x) for own in (after, before))
    assert float(divergence(after, before)) == pytest.approx(0.5 * weights @ (p * np.log(p / q)), rel=1e-6)


def test_random_growth_takes_what_a_part_can_have() -> None:
    """Labels have no noise for a volatility parent to set, statistics have."""
    network, _ = mixed()
    targets = {(one.edit.edge.target, one.edit.edge.coupling) for seed in range(40) for one in _drawn(network, seed)}
    onto = {name: {coupling for target, coupling in targets if target == name} for name in network.inputs}
    assert onto["choice=left"] == onto["outcome"] == {"value"}
    assert onto["count"] == onto["east,north=east"] == {"value", "volatility"}


def _drawn(network: ss.HGF, seed: int) -> Any:
    return network.draw(key=jax.random.key(seed))


@pytest.mark.slow
def test_fits_of_labels_over_subjects() -> None:
    """Of unequal length, one of them with gaps: each as if it were fitted alone."""
    network = ss.HGF(ss.categorical_hgf(LABELS, 2))
    one, other = choices(60), choices(60, missing=False)[:40]
    priors = {"x2=left": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}}
    found = network.fit({"ann": one, "ben": other}, priors=priors, starts=2)
    alone = network.fit(one, priors=priors, starts=2)
    assert found.converged.all()
    first, only = np.ravel(found.parameters)[0], np.ravel(alone.parameters)[0]
    assert first == pytest.approx(only, abs=1e-4)
