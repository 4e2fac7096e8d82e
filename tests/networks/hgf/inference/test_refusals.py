"""What a fit refuses, before work starts, in the users' own names."""

from __future__ import annotations

import numpy as np
import pytest

import sostruct as ss

PRIORS = {"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 2.0)}}
OUTCOMES = (np.arange(12) % 3 == 0).astype(float)
CHOICES = (np.arange(12) % 2).astype(float)


def network(levels: int = 3) -> ss.HGF:
    return ss.HGF(ss.binary_hgf(levels=levels))


def pair() -> ss.HGF:
    """A network with two binary inputs."""
    return ss.HGF(ss.bare_hgf(["left", "right"], binary=["left", "right"]))


def fit(net: ss.HGF, data: object, *given: object, **named: object) -> object:
    return net.fit(data, *given, **named)  # type: ignore[arg-type]


SUBJECTS = {"ann": OUTCOMES, "bob": OUTCOMES}
NOTHING = np.full(12, np.nan)

CASES = {
    "length": (
        lambda: fit(network(), OUTCOMES, CHOICES[:-1], PRIORS, "binary_softmax"),
        ss.DataError,
        "there are 11 of them and 12 steps of inputs",
    ),
    "length of a subject": (
        lambda: fit(network(), SUBJECTS, {"ann": CHOICES, "bob": CHOICES[1:]}, PRIORS, "binary_softmax"),
        ss.DataError,
        "responses of subject 'bob'.*11 of them and 12 steps",
    ),
    "subjects": (
        lambda: fit(network(), SUBJECTS, {"ann": CHOICES, "eve": CHOICES}, PRIORS, "binary_softmax"),
        ss.DataError,
        "given for 'ann', 'eve' and the inputs for 'ann', 'bob'",
    ),
    "rows": (
        lambda: fit(network(), SUBJECTS, CHOICES[None], PRIORS, "binary_softmax"),
        ss.DataError,
        "there are 1 rows of them and 2 subjects",
    ),
    "words": (
        lambda: fit(network(), OUTCOMES, ["left"] * 12, PRIORS, "binary_softmax"),
        ss.DataError,
        "one number is needed for each step",
    ),
    "values": (
        lambda: fit(network(), OUTCOMES, CHOICES + 1.0, PRIORS, "binary_softmax"),
        ss.DataError,
        "2.0 is not 0 or 1, in step 1",
    ),
    "all responses missing": (
        lambda: fit(network(), SUBJECTS, {"ann": CHOICES, "bob": NOTHING}, PRIORS, "binary_softmax"),
        ss.DataError,
        "the responses of subject 'bob'. This is because all of them are missing",
    ),
    "all inputs missing": (
        lambda: fit(network(), {"ann": NOTHING, "bob": OUTCOMES}, None, PRIORS),
        ss.DataError,
        "the inputs of subject 'ann'. This is because all of them are missing",
    ),
    "unknown model": (
        lambda: fit(network(), OUTCOMES, CHOICES, PRIORS, "softmax"),
        ss.ConfigError,
        "no response model of that name. Try one of 'binary_softmax'",
    ),
    "a number for a model": (
        lambda: fit(network(), OUTCOMES, CHOICES, PRIORS, 3),
        ss.ConfigError,
        "it is no response model",
    ),
    "two inputs": (
        lambda: fit(pair(), np.stack([OUTCOMES, CHOICES], 1), CHOICES, None, "unit_square_sigmoid"),
        ss.ConfigError,
        r"2 binary inputs \('left', 'right'\).*ss.responses.UnitSquareSigmoid\('left'\)",
    ),
    "no binary input": (
        lambda: fit(ss.HGF(ss.continuous_hgf()), OUTCOMES, CHOICES, None, "binary_softmax"),
        ss.ConfigError,
        "the network has no binary input",
    ),
    "a node that is not there": (
        lambda: fit(network(), OUTCOMES, CHOICES, PRIORS, ss.responses.GaussianResponse("x9")),
        ss.ConfigError,
        "no such node. Try one of 'u', 'x2', 'x3'",
    ),
    "a node that is no chance": (
        lambda: fit(network(), OUTCOMES, CHOICES, PRIORS, ss.responses.BinarySoftmax("x2")),
        ss.ConfigError,
        "whose prediction is no probability",
    ),
    "responses alone": (
        lambda: fit(network(), OUTCOMES, CHOICES, PRIORS),
        ss.ConfigError,
        "Cannot fit responses without a response model",
    ),
    "model alone": (
        lambda: fit(network(), OUTCOMES, None, PRIORS, "binary_softmax"),
        ss.ConfigError,
        "Cannot fit a response model without responses",
    ),
    "a precision that may be negative": (
        lambda: fit(network(), OUTCOMES, None, {"x2": {"precision": ss.priors.Normal(1.0, 1.0)}}),
        ss.ConfigError,
        "precision of 'x2'.*must be greater than zero. Try ss.priors.LogNormal",
    ),
    "an sd that may be negative": (
        lambda: fit(
            network(), OUTCOMES, CHOICES, None, ss.responses.GaussianResponse("u", sd=ss.priors.Normal(1.0, 1.0))
        ),
        ss.ConfigError,
        "sd of 'response'.*must be greater than zero",
    ),
    "a known sd of zero": (
        lambda: fit(network(), OUTCOMES, CHOICES, PRIORS, ss.responses.GaussianResponse("u", sd=0.0)),
        ss.ConfigError,
        "its sd is 0.0 and must be greater than zero",
    ),
    "irregular steps": (
        lambda: fit(
            network(),
            OUTCOMES,
            None,
            {"x2": {"autoconnection": ss.priors.Normal(0.9, 0.1)}},
            time_steps=np.linspace(0.5, 2.0, 12),
        ),
        ss.ConfigError,
        "irregular time steps.*LogitNormal or Beta",
    ),
    "a node without a prior's place": (
        lambda: fit(network(), OUTCOMES, None, {"x7": {"mean": ss.priors.Normal()}}),
        ss.GraphError,
        "x7",
    ),
    "a parameter that is not there": (
        lambda: fit(network(), OUTCOMES, None, {"x2": {"omega": ss.priors.Normal()}}),
        ss.GraphError,
        "'omega' is not one of them",
    ),
    "an edge that is not there": (
        lambda: fit(network(), OUTCOMES, None, {("x2", "x3"): {"strength": ss.priors.Normal()}}),
        ss.GraphError,
        "there is no such edge",
    ),
    "an edge twice": (
        lambda: fit(
            network(),
            OUTCOMES,
            None,
            {
                ("x3", "x2"): {"strength": ss.priors.Normal()},
                ("x3", "x2", "volatility"): {"strength": ss.priors.Normal()},
            },
        ),
        ss.ConfigError,
        "strength of 'x3 -> x2' twice",
    ),
    "a response parameter that is not there": (
        lambda: fit(network(), OUTCOMES, CHOICES, {"response": {"beta": ss.priors.Gamma()}}, "unit_square_sigmoid"),
        ss.ConfigError,
        "it has no such parameter. Try one of its own: 'inverse_temperature'",
    ),
    "a number for a prior": (
        lambda: fit(network(), OUTCOMES, None, {"x2": {"tonic_volatility": -3.0}}),
        ss.ConfigError,
        "-3.0 is not a prior. Try network.with_parameters",
    ),
    "a prior for a dict": (
        lambda: fit(network(), OUTCOMES, None, {"x2": ss.priors.Normal()}),
        ss.ConfigError,
        "must be a dict of parameter to prior",
    ),
    "no priors": (lambda: fit(network(), OUTCOMES), ss.ConfigError, "fit a network without priors"),
    "no priors but responses": (
        lambda: fit(network(), OUTCOMES, CHOICES, None, "binary_softmax"),
        ss.ConfigError,
        "fit a network without priors",
    ),
    "method": (
        lambda: fit(network(), OUTCOMES, None, PRIORS, method="mcmc"),
        ss.ConfigError,
        "method='mcmc'.*Try one of 'map'",
    ),
    "starts": (lambda: fit(network(), OUTCOMES, None, PRIORS, starts=0), ss.ConfigError, "starts=0"),
    "many starts": (lambda: fit(network(), OUTCOMES, None, PRIORS, starts=1000), ss.ConfigError, "at most 128"),
    "inputs": (lambda: fit(network(), OUTCOMES + 1.0, None, PRIORS), ss.DataError, "is not 0 or 1"),
    "time steps of unequal subjects": (
        lambda: fit(network(), {"ann": OUTCOMES, "bob": OUTCOMES[:-2]}, None, PRIORS, time_steps=np.ones(12)),
        ss.DataError,
        "subjects differ in length",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name: str) -> None:
    call, error, words = CASES[name]
    with pytest.raises(error, match=words):
        call()


def test_priors_under_which_beliefs_break_down() -> None:
    net = ss.HGF(ss.binary_hgf(levels=3), update="standard")
    wild = {
        "x2": {"tonic_volatility": ss.priors.Normal(4.0, 0.1)},
        "x3": {"tonic_volatility": ss.priors.Normal(4.0, 0.1)},
    }
    with pytest.raises(ss.BeliefError, match=r"subject 'ann'.*update='standard'"):
        fit(net, {"ann": np.tile(OUTCOMES, 10)}, None, wild, starts=2)


def test_a_node_named_response() -> None:
    graph = ss.binary_hgf(levels=2)
    import networkx as nx

    renamed = nx.relabel_nodes(graph, {"x2": "response"})
    with pytest.raises(ss.ConfigError, match="a node is named 'response'"):
        fit(ss.HGF(renamed), OUTCOMES, CHOICES, None, "unit_square_sigmoid")
    prior = {"response": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}}
    assert ss.HGF(renamed).fit(OUTCOMES, priors=prior, starts=1).converged
