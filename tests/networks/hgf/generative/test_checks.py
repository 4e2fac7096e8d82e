"""Checks of data from the network itself find nothing, and of other data what is wrong with them."""

from typing import Any

import jax
import networkx as nx
import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.networks.hgf.generative import statistics
from sostruct.networks.hgf.generative.checks import PredictiveCheck
from sostruct.networks.hgf.generative.posterior import drawn_from
from sostruct.networks.hgf.inference.responses import GaussianResponse, UnitSquareSigmoid

KEY = jax.random.key(0)
BINARY = ss.HGF(ss.binary_hgf(levels=2))


def local_level(volatility: float = -2.0, lam: float = 0.9) -> ss.HGF:
    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous", precision=4.0)
    graph.add_node("x", kind="continuous", tonic_volatility=volatility, autoconnection=lam)
    graph.add_edge("x", "u")
    return ss.HGF(graph)


LEVEL = local_level()


def test_data_of_the_network_itself_have_uniform_p_values() -> None:
    """Observed and drawn are then alike: `upper` is 1 / (draws + 1), 2 / (draws + 1) ... with equal chances."""
    data = LEVEL.sample(jax.random.key(7), 40, subjects=60).series
    upper = np.array(
        [
            ss.predictive_check(LEVEL, one, draws=99, key=jax.random.key(number)).frame()["upper"]
            for number, one in enumerate(data)
        ]
    )
    for column in range(3):  # the longest run has ties, which p-values count against it
        assert abs(upper[:, column].mean() - 0.505) < 4.0 * np.sqrt(1.0 / 12.0 / 60)
        assert abs((upper[:, column] < 0.25).mean() - 0.25) < 4.0 * np.sqrt(0.25 * 0.75 / 60)


def test_what_the_network_would_not_produce_is_found() -> None:
    calm = local_level(-2.0, 0.0)
    data = LEVEL.sample(jax.random.key(3), 300).frame
    found = ss.predictive_check(calm, data, draws=99, key=KEY).frame()
    assert found.loc["autocorrelation of u", "upper"] == 0.01
    assert found.loc["autocorrelation of u", "p"] == 0.02
    assert found.loc["longest_run of u", "p"] < 0.1
    assert found.loc["mean of u", "p"] > 0.0
    assert (found["from"] <= found["to"]).all()
    right = ss.predictive_check(LEVEL, data, draws=99, key=KEY).frame()
    assert right["p"].min() > 0.05


def test_gaps_time_and_subjects_of_the_data_are_those_of_the_draws() -> None:
    data = LEVEL.sample(KEY, 12, subjects=3).series.copy()
    data[0, 4:] = np.nan
    data[1, ::2] = np.nan
    counts = {"seen": lambda inputs, responses: float((~np.isnan(inputs)).sum())}
    time_steps = np.full(12, 100.0)
    found = ss.predictive_check(LEVEL, data, statistics=counts, draws=5, time_steps=time_steps, key=KEY)
    assert (found.replicated["seen"] == (4 + 6 + 12) / 3).all()
    walk = local_level(-2.0, 1.0)
    spread = {"spread": lambda inputs, responses: float(np.nanvar(inputs[-1] - inputs[-2]) + inputs[-1, 0] ** 2)}
    slow = ss.predictive_check(walk, data[2], statistics=spread, draws=400, key=KEY)
    fast = ss.predictive_check(walk, data[2], statistics=spread, draws=400, time_steps=time_steps, key=KEY)
    assert fast.replicated["spread"].mean() > 30.0 * slow.replicated["spread"].mean()


def test_draws_come_from_every_network() -> None:
    networks = [LEVEL.with_parameters({"x": {"mean": mean, "precision": 1e6}}) for mean in (-40.0, 0.0, 40.0)]
    first = {"first": lambda inputs, responses: float(inputs[0, 0])}
    found = ss.predictive_check(networks, np.zeros((4, 1)), statistics=first, draws=7, key=KEY)
    expected = 0.9 * np.array([-40.0, 0.0, 40.0, -40.0, 0.0, 40.0, -40.0])
    np.testing.assert_allclose(found.replicated["first"], expected, atol=5.0 * np.sqrt(0.25 + np.exp(-2.0)))
    assert len(set(found.replicated["first"])) == 7


def agents(temperature: float) -> Any:
    return ss.simulate(
        BINARY,
        UnitSquareSigmoid("u", temperature),
        ss.ReversalLearning(0.9, blocks=15),
        120,
        key=jax.random.key(5),
        subjects=8,
    )


def test_responses_are_drawn_on_the_beliefs_of_the_inputs() -> None:
    found = agents(2.0)
    model = UnitSquareSigmoid("u")
    done: dict[str, PredictiveCheck] = {
        name: ss.predictive_check(
            BINARY, found.frame, found.actions, model, values={"inverse_temperature": b}, draws=99, key=KEY
        )
        for name, b in (("right", 2.0), ("wrong", 0.3))
    }
    right, wrong = (done[name].frame() for name in ("right", "wrong"))
    assert list(right.index) == ["mean", "variance", "longest_run", "switch_rate", "accuracy"]
    assert right["p"].min() > 0.02
    assert wrong.loc["switch_rate", "lower"] == 0.01
    assert wrong.loc["accuracy", "upper"] == 0.01
    expected = (found.actions == found.seen[..., 0]).mean()
    assert done["right"].observed["accuracy"] == pytest.approx(expected)
    chance = np.exp(found.log_density)
    assert right.loc["accuracy", "mean"] == pytest.approx(
        np.where(found.actions == found.seen[..., 0], chance, 1.0 - chance).mean(), abs=0.02
    )


def test_missing_responses_stay_missing() -> None:
    found = agents(2.0)
    done = found.actions.copy()
    done[:, 10:] = np.nan
    count = {"count": lambda inputs, responses: float((~np.isnan(responses)).sum())}
    model = UnitSquareSigmoid("u", 2.0)
    check = ss.predictive_check(BINARY, found.frame, done, model, statistics=count, draws=3, key=KEY)
    assert (check.replicated["count"] == 10.0).all()


def test_every_network_has_its_own_parameters_of_the_response_model() -> None:
    data = np.ones((6, 1))
    model = GaussianResponse("x2", sd=1e-6)
    found = ss.predictive_check(
        [BINARY, BINARY],
        data,
        np.zeros(6),
        model,
        values={"intercept": [10.0, 20.0], "slope": 0.0},
        statistics=["mean"],
        draws=4,
        key=KEY,
    )
    np.testing.assert_allclose(found.replicated["mean"], [10.0, 20.0, 10.0, 20.0], atol=1e-4)


def test_statistics() -> None:
    series = np.array([1.0, 1.0, np.nan, 1.0, 0.0, 0.0, 1.0])
    assert statistics.mean(series) == pytest.approx(4.0 / 6.0)
    assert statistics.variance(series) == pytest.approx(2.0 / 9.0)
    assert statistics.switch_rate(series) == pytest.approx(2.0 / 4.0)
    assert statistics.longest_run(series) == 3.0
    assert statistics.longest_stay(np.array([2.0, 2.0, 1.0])) == 2.0
    assert statistics.longest_run(np.zeros(5)) == 5.0
    assert statistics.autocorrelation(np.zeros(5)) == 0.0
    noise = np.random.default_rng(0).normal(size=4000)
    slow = np.zeros(4000)
    for step in range(1, 4000):
        slow[step] = 0.7 * slow[step - 1] + noise[step]
    assert statistics.autocorrelation(slow) == pytest.approx(0.7, abs=0.04)


def test_p_values_by_hand() -> None:
    """Of three draws 1, 2, 3: two are at least 2 and two at most."""
    check = PredictiveCheck(pd.Series({"a": 2.0, "b": 9.0}), pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}))
    found = check.frame(0.5)
    assert found["upper"].tolist() == [0.75, 0.25]
    assert found["lower"].tolist() == [0.75, 1.0]
    assert found["p"].tolist() == [1.0, 0.5]
    assert found["from"].tolist() == [1.5, 1.5]
    assert repr(check) == "PredictiveCheck: 3 draws, 2 statistics, least p 0.5 (b)"
    with pytest.raises(ss.ConfigError, match="interval"):
        check.frame(1.0)


CHOICES = np.array([0.0, 1.0, 1.0])
MODEL = UnitSquareSigmoid("u", 1.0)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"statistics": ["kurtosis"]}, "'kurtosis'"),
    ({"statistics": ["switch_rate"]}, "no statistic of inputs"),
    ({"draws": 0}, "draws is 0"),
    ({"networks": []}, "there are 0 networks"),
    ({"networks": [BINARY, LEVEL]}, "network 1 has another graph"),
    ({"responses": CHOICES}, "no response model"),
    ({"response": MODEL}, "no responses"),
    ({"responses": CHOICES[:2], "response": MODEL}, r"their shape is \(2,\)"),
    ({"responses": CHOICES * 2.0, "response": MODEL}, "2.0 is not 0 or 1"),
    ({"responses": CHOICES * np.nan, "response": MODEL}, "all of them are missing"),
    ({"responses": CHOICES, "response": UnitSquareSigmoid("u")}, "inverse_temperature is a prior"),
    ({"responses": CHOICES, "response": UnitSquareSigmoid("w", 1.0)}, "'w'"),
    ({"inputs": np.zeros((3, 2))}, "2 columns"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"networks": BINARY, "inputs": np.array([1.0, 0.0, 1.0]), "key": KEY}
    with pytest.raises((ss.ConfigError, ss.DataError), match=words):
        ss.predictive_check(**given | wrong)


def test_beliefs_that_break_down_are_named() -> None:
    network = ss.HGF(ss.binary_hgf(levels=3, omega=(4.0, 4.0)), update="standard")
    data = (np.random.default_rng(0).random(40) < 0.7).astype(float)
    with pytest.raises(ss.BeliefError, match="Cannot update"):
        ss.predictive_check(network, data, data, MODEL, key=KEY)


def test_a_fit_is_checked_by_draws_from_its_posterior() -> None:
    found = agents(2.0)
    model = UnitSquareSigmoid("u")
    priors = {"x2": {"tonic_volatility": ss.priors.Normal(-2.0, 1.0)}}
    fit = BINARY.fit(found.frame.loc[:1], found.responses.loc[:1], priors, model, starts=2)
    assert fit.subjects == (0, 1)
    alone = BINARY.fit(found.seen[:2], found.actions[:2], priors, model, starts=2)
    np.testing.assert_allclose(fit.values, alone.values, rtol=1e-9)
    networks, values = drawn_from(fit, 400, KEY, 1)
    volatility = [dict(one.topology.node("x2").parameters)["tonic_volatility"] for one in networks]
    sd = fit.sd.iloc[1]
    mode = fit.parameters.iloc[1]
    assert abs(np.mean(volatility) - mode["x2", "tonic_volatility"]) < 4.5 * sd["x2", "tonic_volatility"] / 20.0
    assert np.std(volatility) == pytest.approx(sd["x2", "tonic_volatility"], rel=0.2)
    temperature = np.log(values["inverse_temperature"])
    assert abs(temperature.mean() - np.log(mode["response", "inverse_temperature"])) < 0.1
    checked = ss.predictive_check(fit, subject=1, draws=30, key=KEY)
    by_hand = ss.predictive_check(
        networks[:30], found.seen[1], found.actions[1], model, values={"inverse_temperature": 2.0}, draws=30, key=KEY
    )
    pd.testing.assert_series_equal(checked.observed, by_hand.observed)
    assert checked.frame()["p"].min() > 0.02
    with pytest.raises(ss.ConfigError, match="its own data"):
        ss.predictive_check(fit, found.seen[1], subject=1, key=KEY)
    with pytest.raises(ss.ConfigError, match="subject"):
        ss.predictive_check(fit, key=KEY)
