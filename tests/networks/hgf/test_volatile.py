"""The volatile node by hand: one node with a level inside that sets its step size."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import sostruct as ss
from sostruct.numerics import double_precision

OWN = {"mean": 0.2, "precision": 1.5, "tonic_volatility": -2.0, "autoconnection": 0.9, "tonic_drift": 0.05}
INSIDE = {"mean": -0.5, "precision": 4.0, "tonic_volatility": -3.0, "autoconnection": 0.8, "tonic_drift": 0.1}


def graph(inside: bool) -> nx.MultiDiGraph:
    """A volatile state below an input, or the two nodes that it stands for."""
    found = nx.MultiDiGraph()
    found.add_node("u", kind="continuous", precision=2.0)
    if inside:
        found.add_node("x", kind="volatile", **OWN, **{f"volatility_{name}": value for name, value in INSIDE.items()})
    else:
        found.add_node("x", kind="continuous", **OWN)
        found.add_node("v", kind="continuous", **INSIDE)
        found.add_edge("v", "x", coupling="volatility")
    found.add_edge("x", "u")
    return found


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_three_steps_of_the_standard_update_by_hand(schedule: str) -> None:
    """Predictions, the value level from the input, then the level inside from the value level's misfit."""
    data = [1.3, -0.4, 2.2]
    network = ss.HGF(graph(True), update="standard", schedule=schedule)
    beliefs = network.filter(data)
    m, p, M, P = OWN["mean"], OWN["precision"], INSIDE["mean"], INSIDE["precision"]
    for step, u in enumerate(data):
        Mh = INSIDE["autoconnection"] * M + INSIDE["tonic_drift"]
        Ph = 1.0 / (INSIDE["autoconnection"] ** 2 / P + np.exp(INSIDE["tonic_volatility"]))
        mh = OWN["autoconnection"] * m + OWN["tonic_drift"]
        added = np.exp(OWN["tonic_volatility"] + Mh)
        ph = 1.0 / (OWN["autoconnection"] ** 2 / p + added)
        p = ph + 2.0
        m = mh + 2.0 * (u - mh) / p
        misfit, share = ph / p + ph * (m - mh) ** 2 - 1.0, added * ph
        P = Ph + 0.5 * share**2 + share**2 * misfit - 0.5 * share * misfit
        M = Mh + 0.5 * share * misfit / P
        variance = 0.5 + 1.0 / ph
        surprise = 0.5 * (np.log(2.0 * np.pi * variance) + (u - mh) ** 2 / variance)
        assert beliefs.frame("expected_mean")["x"].iloc[step] == pytest.approx(mh, rel=1e-12)
        assert beliefs.frame("expected_precision")["x"].iloc[step] == pytest.approx(ph, rel=1e-12)
        assert beliefs.frame("mean")["x"].iloc[step] == pytest.approx(m, rel=1e-12)
        assert beliefs.frame("precision")["x"].iloc[step] == pytest.approx(p, rel=1e-12)
        assert beliefs.frame("volatility_mean")["x"].iloc[step] == pytest.approx(M, rel=1e-12)
        assert beliefs.frame("volatility_precision")["x"].iloc[step] == pytest.approx(P, rel=1e-12)
        assert beliefs.surprise[step] == pytest.approx(surprise, rel=1e-12)


@pytest.mark.parametrize("mean_field", [True, False])
@pytest.mark.parametrize("update", ["standard", "ehgf", "unbounded"])
def test_it_is_the_two_nodes_it_stands_for(update: str, mean_field: bool) -> None:
    """With gaps, under every update, under the couplings of strength 1 that it has inside."""
    rng = np.random.default_rng(0)
    data = np.where(rng.random(40) < 0.2, np.nan, rng.normal(size=40))
    one, two = (ss.HGF(graph(inside), update=update, mean_field=mean_field).filter(data) for inside in (True, False))
    np.testing.assert_allclose(one.surprise, two.surprise, rtol=1e-11)
    np.testing.assert_allclose(one.frame("mean")["x"], two.frame("mean")["x"], rtol=1e-10)
    np.testing.assert_allclose(one.frame("volatility_mean")["x"], two.frame("mean")["v"], rtol=1e-10)
    np.testing.assert_allclose(one.frame("volatility_precision")["x"], two.frame("precision")["v"], rtol=1e-10)


def test_its_parameters_are_free() -> None:
    """The evidence is differentiable in those of the level inside."""
    data = np.random.default_rng(1).normal(size=30)
    network = ss.HGF(graph(True))

    def evidence(value: float) -> float:
        return float(network.with_parameters({"x": {"volatility_tonic_volatility": value}}).log_evidence(data))

    with double_precision():
        assert evidence(-1.0) != evidence(-3.0)
