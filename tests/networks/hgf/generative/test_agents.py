"""Agents act as their response model says on the beliefs that a filter has, and live in the environment as it is."""

from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp

import sostruct as ss
from sostruct.networks.hgf.generative import agents
from sostruct.networks.hgf.generative.environments import AbstractEnvironment, Outcome
from sostruct.networks.hgf.generative.simulation import Simulated
from sostruct.networks.hgf.inference.arms import ArmSoftmax
from sostruct.networks.hgf.inference.responses import BinarySoftmax, CustomResponse, GaussianResponse, UnitSquareSigmoid

KEY = jax.random.key(0)


def arms(count: int, kind: str = "binary", volatility: float = -1.0, **settings: Any) -> ss.HGF:
    """An input for each arm with a state of its own, all of them with one volatility parent."""
    graph = nx.MultiDiGraph()
    graph.add_node("v", kind="continuous", tonic_volatility=-4.0)
    for number in range(count):
        graph.add_node(f"arm{number}", kind=kind)
        graph.add_node(f"x{number}", kind="continuous", tonic_volatility=volatility)
        graph.add_edge(f"x{number}", f"arm{number}")
        graph.add_edge("v", f"x{number}", coupling="volatility", strength=0.5)
    return ss.HGF(graph, **settings)


BANDIT = arms(3)
BINARY = ss.HGF(ss.binary_hgf(levels=2))


def replayed(network: ss.HGF, response: Any, found: Simulated, values: dict[str, Any]) -> np.ndarray:
    """Log densities of the actions [subject, time], from the recorded data alone."""
    trace = network.trace(found.frame, found.time_steps)
    each = jax.vmap(lambda *own: response.log_density(*own, values))
    return np.asarray(each(jnp.asarray(found.actions), trace, jnp.asarray(found.seen)))


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
@pytest.mark.parametrize("irregular", [False, True])
def test_a_replay_gives_every_action_the_probability_it_had(schedule: str, irregular: bool) -> None:
    response, values = ArmSoftmax(BANDIT.inputs), {"inverse_temperature": 4.0}
    time_steps = np.random.default_rng(0).uniform(0.5, 2.0, 25) if irregular else None
    found = ss.simulate(
        BANDIT, response, ss.Bandit([0.3, 0.5, 0.8]), 25, key=KEY, values=values, subjects=4, time_steps=time_steps
    )
    network = arms(3, schedule=schedule)
    with jax.enable_x64(True):
        np.testing.assert_allclose(replayed(network, response, found, values), found.log_density, rtol=1e-9)
    assert np.isnan(found.seen).sum() == 2 * 25 * 4
    beliefs = network.filter(found.frame, found.time_steps)
    for quantity in ("mean", "precision", "expected_mean", "expected_precision"):
        pd.testing.assert_frame_equal(found.belief(quantity), beliefs.frame(quantity), rtol=1e-9)


def test_actions_are_drawn_with_their_probabilities() -> None:
    """Of many agents at their first step, all with the same beliefs: P = softmax(b mh) in plain numbers."""
    network = arms(2).with_parameters({"x0": {"mean": 1.0}, "x1": {"mean": -0.5}})
    found = ss.simulate(network, ArmSoftmax(network.inputs, 3.0), ss.Bandit([0.5, 0.5]), 1, key=KEY, subjects=20_000)
    worth = 3.0 * expit(np.array([1.0, -0.5]))
    chance = np.exp(worth - logsumexp(worth))
    chosen = found.actions[:, 0].astype(int)
    np.testing.assert_allclose(found.log_density[:, 0], np.log(chance)[chosen], rtol=1e-12)
    assert abs((chosen == 0).mean() - chance[0]) < 4.5 * np.sqrt(chance.prod() / 20_000)


def test_a_cold_agent_is_greedy() -> None:
    found = ss.simulate(BANDIT, ArmSoftmax(BANDIT.inputs, 1e7), ss.Bandit([0.2, 0.5, 0.9]), 60, key=KEY, subjects=8)
    expected = found.belief()[["arm0", "arm1", "arm2"]].to_numpy()
    best = expected.max(1)
    clear = (best - np.sort(expected, 1)[:, -2]) > 1e-5
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(expected.argmax(1)[clear], found.responses.to_numpy()[clear])
    table = found.table
    assert table.loc[pd.IndexSlice[:, 30:], "correct"].mean() > table.loc[pd.IndexSlice[:, :5], "correct"].mean()


def test_an_agent_switches_after_a_reversal_when_its_belief_crosses_even() -> None:
    """Certain outcomes and a cold agent: all errors are the steps until the predicted chance crosses one half."""
    found = ss.simulate(BINARY, UnitSquareSigmoid("u", 1e6), ss.ReversalLearning(1.0, blocks=20, first=1), 60, key=KEY)
    better = (np.arange(60) // 20 + 1) % 2
    np.testing.assert_array_equal(found.table["better"], better)
    np.testing.assert_array_equal(found.frame["u"], better)
    beliefs = BINARY.filter(better.astype(float)).frame("expected_mean")["u"].to_numpy()
    sure = np.abs(beliefs - 0.5) > 1e-3
    np.testing.assert_array_equal(found.actions[sure], (beliefs > 0.5)[sure])
    wrong = np.flatnonzero(found.table["correct"].to_numpy()[1:] == 0) + 1
    assert 0 < len(wrong) < 20
    assert {step // 20 for step in wrong} <= {1, 2}
    for block in (1, 2):
        late = wrong[wrong // 20 == block] - 20 * block
        np.testing.assert_array_equal(late, np.arange(len(late)))
    np.testing.assert_array_equal(found.rewards, found.table["correct"].astype(float))


def test_what_a_bandit_pays() -> None:
    steps, many = 40, 400
    schedule = np.stack([np.linspace(0.1, 0.9, steps), np.full(steps, 0.3)], 1)
    network, response = arms(2), ArmSoftmax(("arm0", "arm1"), 0.0)
    found = ss.simulate(network, response, ss.Bandit(schedule, shows="all"), steps, key=KEY, subjects=many)
    assert not np.isnan(found.seen).any()
    error = np.sqrt(schedule * (1.0 - schedule) / many)
    assert (np.abs(found.seen.mean(0) - schedule) < 4.5 * error).all()
    np.testing.assert_allclose(found.facts["level"], np.broadcast_to(schedule, (many, steps, 2)), rtol=1e-12)
    place = found.actions.astype(int)[..., None]
    np.testing.assert_array_equal(np.take_along_axis(found.seen, place, -1)[..., 0], found.rewards)
    np.testing.assert_array_equal(found.table["best"], np.tile(schedule.argmax(1), many))
    assert abs(found.actions.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(steps * many)


def test_a_restless_bandit_wanders() -> None:
    network, response = arms(2, "continuous"), ArmSoftmax(("arm0", "arm1"), 0.0)
    bandit = ss.Bandit([2.0, -1.0], rewards="gaussian", sd=0.5, drift=0.3, decay=0.9, shows="all")
    found = ss.simulate(network, response, bandit, 30, key=KEY, subjects=1500)
    away = found.facts["level"] - np.array([2.0, -1.0])
    assert (away[:, 0] == 0.0).all()
    expected = 0.09 * (1.0 - 0.81**29) / (1.0 - 0.81)
    assert abs((away[:, 29] ** 2).mean() - expected) < 5.0 * expected * np.sqrt(2.0 / 3000)
    assert abs((away[:, 29] * away[:, 28]).mean() - 0.9 * 0.09 * (1.0 - 0.81**28) / 0.19) < 0.05
    noise = found.seen - found.facts["level"]
    assert abs((noise**2).mean() - 0.25) < 5.0 * 0.25 * np.sqrt(2.0 / noise.size)
    assert abs((noise[..., 0] * noise[..., 1]).mean()) < 5.0 * 0.25 / np.sqrt(noise[..., 0].size)


@pytest.mark.parametrize("shows", ["outcome", "both", "chosen"])
def test_what_a_reversal_task_shows(shows: str) -> None:
    network = BINARY if shows == "outcome" else arms(2)
    response = BinarySoftmax("u") if shows == "outcome" else ArmSoftmax(("arm0", "arm1"), 2.0)
    environment = ss.ReversalLearning(0.8, blocks=[10, 5, 7], first=0, shows=shows)
    found = ss.simulate(network, response, environment, 30, key=KEY, subjects=200)
    better = np.repeat([0, 1, 0], [10, 5, 15])
    np.testing.assert_array_equal(found.facts["better"], np.tile(better, (200, 1)))
    winner = found.facts["winner"]
    assert abs((winner == better).mean() - 0.8) < 4.5 * 0.4 / np.sqrt(winner.size)
    np.testing.assert_array_equal(found.rewards, found.actions == winner)
    if shows == "outcome":
        np.testing.assert_array_equal(found.seen[..., 0], winner)
        return
    pays = np.stack([winner == 0, winner == 1], -1).astype(float)
    hidden = np.arange(2) != found.actions[..., None]
    np.testing.assert_array_equal(found.seen, np.where(hidden, np.nan, pays) if shows == "chosen" else pays)


def test_reversals_by_chance() -> None:
    environment = ss.ReversalLearning(1.0, blocks=[1000], hazard=0.1)
    found = ss.simulate(BINARY, BinarySoftmax("u"), environment, 50, key=KEY, subjects=300)
    turned = np.diff(found.facts["better"], axis=1) != 0
    assert abs(turned.mean() - 0.1) < 4.5 * 0.3 / np.sqrt(turned.size)
    assert (found.facts["better"][:, 0] == 1).all()


class Payback(AbstractEnvironment):
    """Shows the action itself, and counts."""

    start: Any = 0.0

    def respond(self, key: Any, action: Any, step: Any, state: Any) -> Outcome:
        return Outcome(action[None] + state, -action, state + 1.0, {"step": step})


def test_an_environment_and_responses_of_ones_own() -> None:
    graph = nx.MultiDiGraph([("x", "u")])
    for name in graph:
        graph.nodes[name]["kind"] = "continuous"
    network = ss.HGF(graph)
    response = GaussianResponse("x", sd=0.1, intercept=1.0)
    found = ss.simulate(network, response, Payback(), 6, key=KEY, subjects=["anna", "ben"])
    np.testing.assert_allclose(found.seen[..., 0], found.actions + np.arange(6), rtol=1e-12)
    np.testing.assert_allclose(found.rewards, -found.actions)
    assert list(found.table.loc["ben", "step"]) == list(range(6))
    with jax.enable_x64(True):
        values = {"sd": 0.1, "intercept": 1.0, "slope": 1.0}
        np.testing.assert_allclose(replayed(network, response, found, values), found.log_density, rtol=1e-9)
    mine = CustomResponse(
        lambda responses, trace, inputs, values: -((responses - values["shift"]) ** 2),
        {"shift": 2.0},
        lambda key, trace, inputs, values: values["shift"] + trace.expected_mean["x"],
    )
    drawn = ss.simulate(network, mine, Payback(), 3, key=KEY)
    assert drawn.actions[0] == 2.0
    assert drawn.subjects is None
    assert drawn.actions.shape == (3,)


def test_every_agent_has_numbers_of_its_own() -> None:
    """An agent of a group is that agent by itself: its network, its parameters, its random numbers."""
    response, bandit = ArmSoftmax(BANDIT.inputs), ss.Bandit([0.3, 0.5, 0.8], drift=0.1)
    networks = [BANDIT.with_parameters({"v": {"mean": mean}}) for mean in (-1.0, 1.0)]
    both = ss.simulate(networks, response, bandit, 12, key=KEY, values={"inverse_temperature": [1.0, 9.0]})
    first = ss.simulate(networks[0], response, bandit, 12, key=KEY, values={"inverse_temperature": 1.0})
    np.testing.assert_array_equal(both.actions[0], first.actions)
    np.testing.assert_allclose(both.log_density[0], first.log_density, rtol=1e-9)
    assert (both.log_density[0] != both.log_density[1])[1:].all()  # at first both find all arms alike
    np.testing.assert_allclose(both.values["inverse_temperature"], [1.0, 9.0])
    again = ss.simulate(networks, response, bandit, 8, key=KEY, values={"inverse_temperature": [1.0, 9.0]})
    np.testing.assert_array_equal(again.actions, both.actions[:, :8])
    other = ss.simulate(networks, response, bandit, 8, key=jax.random.key(1), values={"inverse_temperature": 1.0})
    assert (again.seen != other.seen).any()


def test_other_numbers_compile_nothing() -> None:
    def run(network: ss.HGF, temperature: float, chances: list[float], seed: int) -> None:
        response = ArmSoftmax(network.inputs, temperature)
        ss.simulate(network, response, ss.Bandit(chances), 5, key=jax.random.key(seed), subjects=2)

    run(BANDIT, 1.0, [0.1, 0.2, 0.3], 0)
    compiled = agents.lives._cache_size()
    run(BANDIT.with_parameters({"x0": {"tonic_volatility": -3.0}}), 2.0, [0.9, 0.2, 0.5], 1)
    assert agents.lives._cache_size() == compiled


GAUSS = GaussianResponse("x2", sd=1.0)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"response": ArmSoftmax(("arm0", "arm1"))}, "order of the network's inputs"),
    ({"response": ArmSoftmax(("arm1", "arm0", "arm2"), 1.0)}, "order of the network's inputs"),
    ({"response": ArmSoftmax(("arm0", "nobody"), 1.0)}, "'nobody'"),
    ({"values": None}, "inverse_temperature is a prior"),
    ({"values": {"inverse_temperature": [1.0, 2.0]}}, "one for each of 3 agents"),
    ({"values": {"inverse_temperature": np.nan}}, "one finite number"),
    ({"values": {"temperature": 1.0}}, "'temperature'"),
    ({"environment": ss.Bandit([0.2, 0.8])}, r"shows an array of shape \(2,\)"),
    ({"environment": ss.Bandit(np.full((4, 3), 0.5))}, "schedule has 4"),
    ({"steps": 0}, "steps is 0"),
    ({"subjects": 0}, "subjects is 0"),
    ({"network": [BANDIT, BANDIT]}, "there are 2 networks"),
    ({"network": [BANDIT, BANDIT, arms(3, update="unbounded")]}, "network 2 has another graph or other settings"),
    ({"network": []}, "there are 0 networks"),
    ({"time_steps": [1.0, -1.0, 1.0, 1.0, 1.0]}, "step 1"),
    ({"key": 0}, r"jax\.random\.key"),
    ({"response": GaussianResponse("x0", "mean", sd=1.0), "values": None}, "Cannot act on the posterior of 'x0'"),
    ({"response": GaussianResponse("x0", slope=np.nan, sd=1.0), "values": None}, "its slope is nan"),
    ({"response": CustomResponse(lambda *own: own[0], {}), "values": None}, "Cannot draw responses"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {
        "network": BANDIT,
        "response": ArmSoftmax(BANDIT.inputs),
        "environment": ss.Bandit([0.2, 0.5, 0.8]),
        "steps": 5,
        "key": KEY,
        "values": {"inverse_temperature": 1.0},
        "subjects": 3,
    }
    with pytest.raises((ss.ConfigError, ss.DataError), match=words):
        ss.simulate(**given | wrong)


BAD_SETTINGS: list[tuple[Any, str]] = [
    (lambda: ss.Bandit([0.5]), "two or more"),
    (lambda: ss.Bandit([0.5, 1.0]), "1.0 is not a chance inside"),
    (lambda: ss.Bandit([0.5, np.nan], rewards="gaussian"), "nan is not a finite reward"),
    (lambda: ss.Bandit([0.5, 0.6], rewards="money"), "rewards is one of"),
    (lambda: ss.Bandit([0.5, 0.6], shows="none"), "shows is one of"),
    (lambda: ss.Bandit([0.5, 0.6], drift=-1.0), "drift"),
    (lambda: ss.ReversalLearning(0.4), "probability"),
    (lambda: ss.ReversalLearning(blocks=0), "a block is 0"),
    (lambda: ss.ReversalLearning(first=2), "first is one of"),
    (lambda: ss.ReversalLearning(hazard=2.0), "hazard"),
    (lambda: ArmSoftmax(("arm0",)), "two or more different options"),
    (lambda: ArmSoftmax("arm0"), "two or more different options"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "words"), BAD_SETTINGS, ids=lambda part: part if isinstance(part, str) else "")
def test_settings_that_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ss.ConfigError, match=words):
        make()


def test_beliefs_that_break_down_are_named() -> None:
    network = ss.HGF(ss.binary_hgf(levels=3, omega=(4.0, 4.0)), update="standard")
    with pytest.raises(ss.BeliefError, match=r"Cannot update 'x\d' at step \d+ of subject"):
        ss.simulate(network, BinarySoftmax("u"), ss.ReversalLearning(), 60, key=KEY, subjects=5)


def test_choices_between_arms_have_a_density() -> None:
    response = ArmSoftmax(("a", "b", "c"))
    assert response.refusal(np.array([0.0, 2.0])) is None
    assert response.refusal(np.array([0.0, 3.0])) == "3.0 is not one of 0 to 2"
    assert "1.5" in str(response.refusal(np.array([1.5])))


def test_what_comes_back() -> None:
    response = ArmSoftmax(BANDIT.inputs, 2.0)
    found = ss.simulate(BANDIT, response, ss.Bandit([0.2, 0.5, 0.8]), 4, key=KEY, subjects=["anna", "ben"])
    columns = ["arm0", "arm1", "arm2", "response", "reward", "log_density"]
    columns += ["best", "correct", "level_0", "level_1", "level_2"]
    assert list(found.table.columns) == columns
    assert found.responses.index.equals(found.frame.index)
    assert list(found.frame.index.names) == ["subject", "time"]
    with pytest.raises(ss.ConfigError, match="'surprise'"):
        found.belief("surprise")
    assert repr(found) == f"Simulated: 4 steps of 2 agents, mean reward {found.rewards.mean():.3g}"
