"""Kinds, functions and annotations: what is registered, and what is refused with which words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sostruct.errors import GraphError
from sostruct.graph import (
    ANNOTATIONS,
    Edge,
    Node,
    NodeKind,
    function_names,
    node_kind,
    node_kinds,
    register_annotation,
    register_function_name,
    register_kind,
)

BELIEF = {"mean": 0.0, "precision": 1.0, "tonic_volatility": -4.0, "tonic_drift": 0.0, "autoconnection": 1.0}


def test_the_kinds_of_the_design():
    inside = {f"volatility_{name}": value for name, value in BELIEF.items()}
    expected = {"series": {}, "continuous": BELIEF, "volatile": BELIEF | inside, "binary": {}, "constant": {}}
    expected["product"] = {}
    expected["component"] = {"count": 1.0}
    expected |= {name: {"width": 1.0} for name in ("input", "dense", "regression", "classification")}
    expected |= {"average": {"mean": 0.0, "precision": 1.0, "growth": 0.0}, "category": {}}
    expected |= {name: {"precision": 1.0} for name in ("normal", "bernoulli", "poisson", "exponential")}
    assert {kind.name: dict(kind.parameters) for kind in node_kinds()} == expected


def test_kinds_and_functions_are_listed_in_order():
    assert [kind.name for kind in node_kinds()] == sorted(kind.name for kind in node_kinds())
    assert list(function_names()) == sorted(function_names())
    assert {"identity", "tanh", "sigmoid"} <= set(function_names())


@pytest.mark.parametrize("kind", node_kinds(), ids=lambda kind: kind.name)
def test_every_kind_makes_a_node_with_all_its_parameters(kind):
    node = Node("n", kind.name)
    assert dict(node.parameters) == dict(kind.parameters)
    assert list(node.parameters) == sorted(node.parameters)
    assert hash(kind) == hash(node_kind(kind.name))


def test_a_kind_cannot_be_changed():
    with pytest.raises(TypeError):
        node_kind("continuous").parameters["mean"] = 3.0


def test_unknown_kind_lists_the_known_ones(refusal):
    with pytest.raises(GraphError) as raised:
        node_kind("contnuous")
    refusal(raised, "'contnuous'", "'continuous'", "'series'")


@pytest.mark.usefixtures("registries")
def test_a_registered_kind_is_usable_at_once():
    kind = register_kind(NodeKind("gauge", {"rate": 1}, positive=frozenset({"rate"})))
    assert node_kind("gauge") is kind
    assert Node("n", "gauge", {"rate": 3}).parameters == (("rate", 3.0),)
    with pytest.raises(GraphError, match="greater than zero"):
        Node("n", "gauge", {"rate": 0.0})


@pytest.mark.usefixtures("registries")
def test_registering_twice_is_harmless_and_differently_is_refused(refusal):
    register_kind(NodeKind("gauge", {"rate": 1.0}))
    register_kind(NodeKind("gauge", {"rate": 1.0}))
    with pytest.raises(GraphError) as raised:
        register_kind(NodeKind("gauge", {"rate": 2.0}))
    refusal(raised, "'gauge'")
    assert dict(node_kind("gauge").parameters) == {"rate": 1.0}


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: NodeKind("k", {"mean": math.nan}), ["'k'", "mean", "nan"]),
        (lambda: NodeKind("k", {"mean": "0"}), ["'k'", "mean", "str"]),
        (lambda: NodeKind("k", {"rate": -1.0}, positive=frozenset({"rate"})), ["'k'", "rate", "greater than zero"]),
        (lambda: NodeKind("k", {}, positive=frozenset({"rate"})), ["'k'", "'rate'"]),
        (lambda: NodeKind("k", {"lag": 1.0}), ["'k'", "'lag'"]),
        (lambda: NodeKind("", {}), ["empty"]),
    ],
)
def test_a_kind_that_makes_no_sense_is_refused(make, named, refusal):
    with pytest.raises(GraphError) as raised:
        make()
    refusal(raised, *named)


@pytest.mark.usefixtures("registries")
def test_a_registered_function_is_usable_at_once():
    with pytest.raises(GraphError, match="'softplus' is unknown"):
        Edge("a", "b", function="softplus")
    register_function_name("softplus")
    assert Edge("a", "b", function="softplus").function == "softplus"


@pytest.mark.usefixtures("registries")
def test_a_registered_annotation_is_known_to_that_owner_only(refusal):
    register_annotation("edge", "p_value")
    assert "p_value" in ANNOTATIONS["edge"]
    assert "p_value" not in ANNOTATIONS["node"]
    with pytest.raises(GraphError) as raised:
        register_annotation("edge", "strength")
    refusal(raised, "'strength'")


def test_the_annotations_of_the_design():
    assert ANNOTATIONS["node"] >= {"intercept", "noise_sd", "level"}
    assert ANNOTATIONS["edge"] >= {"weight", "weight_sd", "nats", "probability"}


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Node("level", "continuos"), ["'level'", "'continuos'", "'continuous'"]),
        (lambda: Node("level", ["continuous"]), ["'level'", "['continuous']"]),
        (lambda: Node("level", "continuous", {"tonic_volatilty": 1.0}), ["'level'", "'tonic_volatilty'", "'mean'"]),
        (lambda: Node("level", "series", {"mean": 1.0}), ["'level'", "'mean'", "no parameters"]),
        (lambda: Node("level", "continuous", {"precision": 0.0}), ["'level'", "precision", "greater than zero"]),
        (lambda: Node("level", "continuous", {"precision": -2}), ["'level'", "precision", "-2.0"]),
        (lambda: Node("level", "continuous", {"mean": math.inf}), ["'level'", "mean", "inf"]),
        (lambda: Node("level", "continuous", {"mean": math.nan}), ["'level'", "mean", "nan"]),
        (lambda: Node("level", "continuous", {"mean": 10**400}), ["'level'", "mean", "finite"]),
        (lambda: Node("level", "continuous", {"mean": "1"}), ["'level'", "mean", "'1'", "str"]),
        (lambda: Node("level", "continuous", {"mean": True}), ["'level'", "mean", "bool"]),
        (lambda: Node(3, "series"), ["3", "int", "'3'"]),
        (lambda: Node("", "series"), ["empty"]),
        (lambda: Node("\ud800", "series"), ["Unicode"]),
        (lambda: Edge("a", 3), ["3", "int"]),
        (lambda: Edge("", "b"), ["empty"]),
        (lambda: Edge("a", "b", coupling="volatilty"), ["a -> b", "'volatilty'", "'volatility'"]),
        (lambda: Edge("a", "b", mark="dir"), ["a -> b", "'dir'", "'bidirected'"]),
        (lambda: Edge("a", "b", function="tan"), ["a -> b", "'tan'", "'tanh'"]),
        (lambda: Edge("a", "b", function=[]), ["a -> b", "[]"]),
        (lambda: Edge("a", "b", lag=-1), ["a -> b", "-1"]),
        (lambda: Edge("a", "b", lag=1.0), ["a -> b", "1.0", "float"]),
        (lambda: Edge("a", "b", lag=True), ["a -> b", "True", "bool"]),
        (lambda: Edge("a", "b", lag="1"), ["a -> b", "'1'", "str"]),
        (lambda: Edge("a", "b", strength=math.nan), ["a -> b", "strength", "nan"]),
        (lambda: Edge("a", "b", strength="1"), ["a -> b", "strength", "str"]),
        (lambda: Edge("a", "a"), ["a -> a", "lag of 1"]),
        (lambda: Edge("a", "a", mark="undirected"), ["'a'", "lag of 1"]),
    ],
)
def test_a_node_or_edge_that_breaks_the_schema_is_refused_by_name(make, named, refusal):
    with pytest.raises(GraphError) as raised:
        make()
    refusal(raised, *named)


def test_numbers_and_names_become_plain():
    node = Node(np.str_("a"), "continuous", {"mean": np.float32(0.5), "precision": np.int64(3)})
    assert type(node.name) is str
    assert {type(value) for _, value in node.parameters} == {float}
    edge = Edge(np.str_("a"), "b", lag=np.int64(2), strength=np.float64(0.5))
    assert (type(edge.source), type(edge.lag), type(edge.strength)) == (str, int, float)
    for zero in (-0.0, np.float64(-0.0)):
        assert math.copysign(1.0, Edge("a", "b", strength=zero).strength) == 1.0


def test_parameters_in_any_form_and_order_are_the_same_node():
    pairs = (("precision", 2.0), ("mean", 1.0))
    assert Node("a", "continuous", dict(pairs)) == Node("a", "continuous", pairs[::-1])
    assert Node("a", "continuous") == Node("a", "continuous", {"mean": 0})


def test_the_ends_of_an_edge_without_orientation_have_one_order_at_lag_0_only():
    for mark in ("undirected", "bidirected"):
        assert Edge("b", "a", mark=mark) == Edge("a", "b", mark=mark)
        assert Edge("b", "a", mark=mark, lag=1).source == "b"
    assert Edge("b", "a").source == "b"


def test_edges_read_like_what_they_mean():
    assert str(Edge("a", "b")) == "a -> b"
    assert str(Edge("a", "b", lag=2)) == "a -> b (lag 2)"
    assert str(Edge("a", "b", coupling="volatility", lag=1)) == "a -> b (volatility, lag 1)"
    assert str(Edge("b", "a", mark="undirected")) == "a -- b"
    assert str(Edge("a", "b", mark="bidirected")) == "a <-> b"


def test_edges_are_ordered_by_their_keys():
    edges = [Edge("a", "b", lag=10), Edge("b", "a"), Edge("a", "b", lag=2), Edge("a", "b", coupling="volatility")]
    assert sorted(edges) == sorted(edges, key=lambda edge: edge.key)
    assert [edge.lag for edge in sorted(edges)] == [2, 10, 0, 0]
