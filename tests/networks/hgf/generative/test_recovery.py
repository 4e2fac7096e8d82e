"""What a study of recovery says is what its fits say, and it refuses what cannot be studied."""

import warnings
from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")

import jax
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest

import sostruct as ss

KEY = jax.random.key(3)
VOLATILITY = {"x2": {"tonic_volatility": ss.priors.Normal(-1.0, 1.0)}}


def binary(levels: int = 2) -> ss.HGF:
    return ss.HGF(ss.binary_hgf(levels=levels))


def acting(response: object = "unit_square_sigmoid", **priors: object) -> ss.Candidate:
    return ss.Candidate(binary(), {**VOLATILITY, **priors}, response)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def study() -> ss.Recovery:
    still = ss.Candidate(
        binary().with_parameters({"x2": {"tonic_volatility": -8.0}}),
        {"response": {"inverse_temperature": ss.priors.LogNormal(1.0, 0.5)}},
        "unit_square_sigmoid",
    )
    learner = acting(response=ss.responses.UnitSquareSigmoid("u", 4.0))
    models = {"still": still, "learner": learner}
    task = ss.ReversalLearning(0.85, blocks=[20, 20, 40, 40])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ss.FitWarning)  # a rival may have no peak for somebody
        return ss.recover(models, 120, key=KEY, environment=task, subjects=8, starts=2)


def test_true_parameters_come_from_the_priors_and_come_back(study: ss.Recovery) -> None:
    assert study.models == ["still", "learner"]
    assert list(study.truths["learner"].columns) == [("x2", "tonic_volatility")]
    assert (study.truths["still"]["response", "inverse_temperature"] > 0.0).all()
    table = study.parameters()
    true = study.truths["learner"]["x2", "tonic_volatility"].to_numpy()
    found = study.fits["learner", "learner"].parameters["x2", "tonic_volatility"].to_numpy()
    row = table.loc[("learner", "x2", "tonic_volatility")]
    assert row["correlation"] == pytest.approx(np.corrcoef(true, found)[0, 1])
    assert row["bias"] == pytest.approx((found - true).mean())
    assert row["error"] ** 2 == pytest.approx(row["bias"] ** 2 + (found - true).var())
    assert row["correlation"] > 0.6
    assert study.redrawn == {"still": 0, "learner": 0}


def test_intervals_hold_what_they_say(study: ss.Recovery) -> None:
    wide, narrow = study.parameters(0.999)["coverage"], study.parameters(0.01)["coverage"]
    assert (wide >= narrow).all()
    assert wide.min() >= 0.8
    assert narrow.max() <= 0.5


def test_models_come_back(study: ss.Recovery) -> None:
    confusion = study.confusion
    np.testing.assert_allclose(confusion.sum(axis=1), 1.0)
    assert (np.diagonal(confusion) > 0.5).all()
    evidence = study.evidence("learner")
    assert confusion.loc["learner", "still"] == (evidence["still"] > evidence["learner"]).mean()
    assert study.comparison("learner").fixed["posterior"].idxmax() == "learner"
    assert "2 models, 8 subjects each" in repr(study)


def test_pictures(study: ss.Recovery) -> None:
    axes = study.plot()
    assert [ax.get_title(loc="left") for ax in axes] == [
        "still: response inverse_temperature",
        "learner: x2 tonic_volatility",
    ]
    np.testing.assert_array_equal(axes[1].lines[0].get_xdata(), study.truths["learner"]["x2", "tonic_volatility"])
    shares = [text.get_text() for text in study.plot_confusion().texts]
    assert shares == [f"{share:.2f}" for share in study.confusion.to_numpy().ravel()]
    with pytest.raises(ss.ConfigError, match="there are 2 parameters"):
        study.plot(axes=[plt.subplots()[1]])


def test_a_model_of_inputs_alone() -> None:
    graph = ss.continuous_hgf(levels=2, mu_0=(0.0, 0.0), sigma_0=(1.0, 0.1), omega=(-2.0, -4.0), pi_u=10.0)
    graph.remove_node("x2")
    walk = ss.Candidate(ss.HGF(graph), {"x1": {"tonic_volatility": ss.priors.Normal(-2.0, 1.5)}})
    found = ss.recover(walk, 80, key=KEY, subjects=8, starts=1)
    assert found.models == ["model"]
    assert found.parameters()["correlation"].item() > 0.8


other = nx.relabel_nodes(ss.continuous_hgf(levels=2), {"u": "seen", "x1": "x2", "x2": "x3"})


@pytest.mark.parametrize(
    ("models", "environment", "why"),
    [
        ({}, None, "models are candidates by name"),
        ({"a": binary()}, None, "models are candidates by name"),
        ({"a": acting()}, None, "nothing says in what"),
        ({"a": ss.Candidate(binary(), VOLATILITY)}, ss.ReversalLearning(0.8), "no model of how they act"),
        ({"a": acting(), "b": ss.Candidate(binary(), VOLATILITY)}, ss.ReversalLearning(0.8), "explain different data"),
        ({"a": acting(response="probit")}, ss.ReversalLearning(0.8), "no response model of that name"),
        (
            {"a": ss.Candidate(ss.HGF(other), VOLATILITY), "b": ss.Candidate(binary(), VOLATILITY)},
            None,
            "sees the columns",
        ),
    ],
)
def test_what_cannot_be_studied(models: dict, environment: object, why: str) -> None:
    with pytest.raises(ss.ConfigError, match=why):
        ss.recover(models, 20, key=KEY, environment=environment, subjects=3)


def test_priors_under_which_beliefs_break_down() -> None:
    wild = ss.Candidate(
        ss.HGF(ss.binary_hgf(levels=3), update="standard"),
        {"x3": {"tonic_volatility": ss.priors.Normal(30.0, 0.1)}},
        "binary_softmax",
    )
    with pytest.raises(ss.BeliefError, match="Cannot simulate 2 subjects"):
        ss.recover(wild, 40, key=KEY, environment=ss.ReversalLearning(0.8), subjects=2)
