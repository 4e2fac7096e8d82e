"""The literature's networks, parameter by parameter."""

import math
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import Topology
from sostruct.networks.hgf.builders import bare_hgf, binary_hgf, continuous_hgf
from sostruct.networks.hgf.network import HGF


def edges(graph: nx.MultiDiGraph) -> dict[tuple[str, str], tuple[str, float]]:
    return {(a, b): (data["coupling"], data["strength"]) for a, b, data in graph.edges(data=True)}


def parameters(graph: nx.MultiDiGraph, name: str) -> tuple[float, ...]:
    data = graph.nodes[name]
    return tuple(data[key] for key in ("mean", "precision", "tonic_volatility", "tonic_drift", "autoconnection"))


class TestContinuous:
    def test_two_levels_are_the_published_exchange_rate_example(self) -> None:
        graph = continuous_hgf()
        assert sorted(graph) == ["u", "x1", "x2"]
        assert {graph.nodes[name]["kind"] for name in graph} == {"continuous"}
        assert graph.nodes["u"]["precision"] == 1e4
        assert parameters(graph, "x1") == pytest.approx((1.04, 1e4, -13.0, 0.0, 1.0))
        assert parameters(graph, "x2") == pytest.approx((1.0, 10.0, -2.0, 0.0, 1.0))
        assert edges(graph) == {("x1", "u"): ("value", 1.0), ("x2", "x1"): ("volatility", 1.0)}

    def test_three_levels_add_a_volatility_parent(self) -> None:
        graph = continuous_hgf(3)
        assert sorted(graph) == ["u", "x1", "x2", "x3"]
        assert parameters(graph, "x3") == pytest.approx((1.0, 10.0, -2.0, 0.0, 1.0))
        assert edges(graph)["x3", "x2"] == ("volatility", 1.0)

    def test_every_parameter_goes_to_its_level(self) -> None:
        graph = continuous_hgf(
            3, mu_0=(1, 2, 3), sigma_0=[0.1, 0.2, 0.4], rho=0.5, kappa=(0.7, 0.9), omega=(-1, -2, -3), pi_u=8
        )
        assert graph.nodes["u"]["precision"] == 8.0
        assert parameters(graph, "x1") == pytest.approx((1.0, 10.0, -1.0, 0.5, 1.0))
        assert parameters(graph, "x2") == pytest.approx((2.0, 5.0, -2.0, 0.5, 1.0))
        assert parameters(graph, "x3") == pytest.approx((3.0, 2.5, -3.0, 0.5, 1.0))
        assert edges(graph)["x2", "x1"] == ("volatility", 0.7)
        assert edges(graph)["x3", "x2"] == ("volatility", 0.9)


class TestBinary:
    def test_three_levels_are_the_reference_simulation(self) -> None:
        graph = binary_hgf()
        assert sorted(graph) == ["u", "x2", "x3"]
        assert graph.nodes["u"]["kind"] == "binary"
        assert parameters(graph, "x2") == (0.0, 1.0, -2.2, 0.0, 1.0)
        mean, precision, omega, drift, decay = parameters(graph, "x3")
        assert (mean, precision, drift, decay) == (0.0, 1.0, 0.0, 1.0)
        assert math.exp(omega) == pytest.approx(0.5)
        assert edges(graph) == {("x2", "u"): ("value", 1.0), ("x3", "x2"): ("volatility", 1.4)}

    def test_two_levels_have_no_volatility_parent(self) -> None:
        graph = binary_hgf(2, omega=-4, mu_0=(0.3,))
        assert edges(graph) == {("x2", "u"): ("value", 1.0)}
        assert parameters(graph, "x2") == (0.3, 1.0, -4.0, 0.0, 1.0)


@pytest.mark.parametrize("graph", [continuous_hgf(2), continuous_hgf(3), binary_hgf(2), binary_hgf(3)])
def test_graphs_follow_the_schema_and_are_the_user_s(graph: nx.MultiDiGraph) -> None:
    assert isinstance(graph, nx.MultiDiGraph)
    assert Topology.from_networkx(graph).size == len(graph)
    graph.add_node("bias", kind="constant")
    graph.add_edge("bias", "u", strength=0.2)
    assert Topology.from_networkx(graph).has_edge(("bias", "u", "value", 0))


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"levels": 1}, ["levels=1", "2 or 3"]),
    ({"levels": 4}, ["levels=4", "of your own"]),
    ({"levels": True}, ["levels=True"]),
    ({"omega": (-1, -2, -3)}, ["omega=(-1, -2, -3)", "3 values", "x1', 'x2'"]),
    ({"omega": ()}, ["omega=()", "0 values"]),
    ({"kappa": (1, 1)}, ["kappa=(1, 1)", "x2 -> x1"]),
    ({"sigma_0": (0.1, 0.0)}, ["sigma_0", "'x2'", "positive"]),
    ({"sigma_0": -1}, ["sigma_0=-1", "'x1'", "positive"]),
    ({"pi_u": 0}, ["pi_u=0", "'u'", "positive"]),
    ({"mu_0": float("nan")}, ["mu_0=nan", "finite"]),
    ({"mu_0": (1.0, float("inf"))}, ["'x2'", "inf"]),
]


@pytest.mark.parametrize(("settings", "parts"), REFUSED)
def test_what_is_refused(settings: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        continuous_hgf(**settings)
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    assert ". This is because " in message
    assert " Try " in message


def test_a_binary_network_of_two_levels_has_no_kappa() -> None:
    with pytest.raises(ConfigError, match=r"kappa=\(1\.4,\).*1 values and is for 0"):
        binary_hgf(2, kappa=(1.4,))
    assert edges(binary_hgf(2, kappa=1.4)) == edges(binary_hgf(2))


def steps_of(size: float, noise: float, count: int = 4000) -> np.ndarray:
    """A random walk from 50 seen through noise."""
    rng = np.random.default_rng(0)
    return 50.0 + np.cumsum(size * rng.standard_normal(count)) + noise * rng.standard_normal(count)


class TestBare:
    def test_names_get_a_state_each_and_the_defaults(self) -> None:
        graph = bare_hgf(["b", "a"], autoconnection=(0.5, 1.0))
        assert sorted(graph) == ["a", "a_state", "b", "b_state"]
        assert edges(graph) == {("a_state", "a"): ("value", 1.0), ("b_state", "b"): ("value", 1.0)}
        assert parameters(graph, "a_state") == (0.0, 1.0, -4.0, 0.0, 1.0)
        assert parameters(graph, "b_state") == (0.0, 1.0, -4.0, 0.0, 0.5)
        assert graph.nodes["a"]["precision"] == 1.0

    def test_what_is_given_wins(self) -> None:
        graph = bare_hgf(pd.DataFrame({"a": steps_of(1, 0)}), tonic_volatility=-1.5, precision=[8.0])
        assert graph.nodes["a_state"]["tonic_volatility"] == -1.5
        assert graph.nodes["a"]["precision"] == 8.0

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_a_frame_sets_the_scale(self, scale: float) -> None:
        values = scale * steps_of(1.0, math.sqrt(0.5))  # steps of variance 1 + 2 * .5
        values[::500] *= 100.0  # outliers change little
        values[0] = math.nan
        graph = bare_hgf(pd.DataFrame({"a": values}))
        state = graph.nodes["a_state"]
        assert math.exp(state["tonic_volatility"]) == pytest.approx(scale**2, rel=0.1)
        assert 1.0 / graph.nodes["a"]["precision"] == pytest.approx(0.5 * scale**2, rel=0.1)
        assert state["mean"] == values[1]
        assert state["precision"] == pytest.approx(0.01 / (2.0 * scale**2), rel=0.1)

    def test_a_start_from_a_frame_is_near_the_best(self) -> None:
        frame = pd.DataFrame({"a": steps_of(2.0, 1.0, 500)})
        start = HGF(bare_hgf(frame))
        right = start.with_parameters({"a_state": {"tonic_volatility": math.log(4.0)}, "a": {"precision": 1.0}})
        assert float(start.log_evidence(frame)) > float(right.log_evidence(frame)) - 15.0

    def test_columns_that_stand_still(self) -> None:
        still = pd.DataFrame(
            {"a": [2.0] * 9 + [3.0] * 2, "b": [5.0] * 11, "c": [math.nan] * 11, "d": [1.0, *[math.nan] * 10]}
        )
        graph = bare_hgf(still)
        assert math.exp(graph.nodes["a_state"]["tonic_volatility"]) == pytest.approx(still["a"].var(ddof=0) / 2)
        assert math.exp(graph.nodes["b_state"]["tonic_volatility"]) == pytest.approx(0.5)
        assert parameters(graph, "c_state") == (0.0, 1.0, -4.0, 0.0, 1.0)
        assert graph.nodes["d_state"]["mean"] == 1.0

    def test_outcomes_are_binary(self) -> None:
        frame = pd.DataFrame({"hit": [0.0, 1.0, 1.0, 0.0], "level": [3.0, 4.0, 6.0, 5.0]})
        graph = bare_hgf(frame, binary=["hit"])
        assert graph.nodes["hit"]["kind"] == "binary"
        assert parameters(graph, "hit_state") == (0.0, 1.0, -4.0, 0.0, 1.0)
        assert graph.nodes["level_state"]["mean"] == 3.0
        assert math.isfinite(float(HGF(graph).log_evidence(frame)))

    @pytest.mark.parametrize(
        ("kind", "data", "more", "parts"),
        [
            (ConfigError, "abc", {}, ["'abc'", "one string"]),
            (ConfigError, [], {}, ["no series"]),
            (ConfigError, ["a"], {"binary": ["b"]}, ["'b'", "'a'"]),
            (ConfigError, ["a", "b"], {"precision": (1.0, 0.0)}, ["precision", "'b'", "positive"]),
            (ConfigError, ["a", "b"], {"tonic_volatility": (1.0,)}, ["tonic_volatility", "1 values"]),
            (DataError, ["a", "a"], {}, ["'a'"]),
            (DataError, pd.DataFrame({"a": ["x", "y"]}), {}, ["'a'", "real numbers"]),
            (DataError, pd.DataFrame({"a": [0.0, math.inf]}), {}, ["'a'", "row 1"]),
            (GraphError, ["a", "a_state"], {}, ["'a_state'"]),
        ],
    )
    def test_what_is_refused(self, kind: Any, data: Any, more: dict[str, Any], parts: list[str]) -> None:
        with pytest.raises(kind) as caught:
            bare_hgf(data, **more)
        message = str(caught.value)
        assert [part for part in parts if part not in message] == [], message
        assert ". This is because " in message
        assert " Try " in message
