"""Every trigger keeps the contract; what sets each apart; sequential tests against their definitions."""

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sostruct.control.controller import Controller
from sostruct.control.run import run
from sostruct.errors import ConfigError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveNode
from sostruct.growth.accept import Always, PositiveEvidence
from sostruct.growth.memory import HABITUATED, Memory, scores
from sostruct.growth.restraint import Budget
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence, Random
from sostruct.growth.trigger import AbstractTrigger, Every, Never
from sostruct.growth.trigger_alarm import Excess, Habituated
from sostruct.growth.trigger_change import Cusum, PageHinkley
from sostruct.growth.trigger_plateau import Plateau
from sostruct.networks.hgf.network import HGF
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.surprise import ErrorSignals, Signals
from tests.networks.reference import series

TRIGGERS: dict[str, Callable[[], AbstractTrigger]] = {
    "every": lambda: Every(2),
    "never": Never,
    "excess": lambda: Excess(z=2.0, m=2, n=3),
    "excess_both": lambda: Excess(z=2.0, two_sided=True),
    "habituated": lambda: Habituated(z=2.0, threshold=0.5),
    "cusum": lambda: Cusum(two_sided=True),
    "page_hinkley": PageHinkley,
    "page_hinkley_forgets": lambda: PageHinkley(two_sided=True, forget=0.2),
    "plateau": lambda: Plateau(epochs=2),
}
GROWN = (AddNode("volatility_1", "continuous"), AddEdge(Edge("volatility_1", "a_state", "volatility")))
STEPS = 50


@pytest.fixture(params=sorted(TRIGGERS))
def trigger(request: pytest.FixtureRequest) -> AbstractTrigger:
    return TRIGGERS[request.param]()


def signals_of(excess: Any, evidence: float = 0.0, steps: float = STEPS) -> Signals:
    """An epoch of a lagged network whose nodes have this excess in standard errors."""
    own = jnp.asarray(excess, float) * np.sqrt(steps / 2.0)
    one = jnp.ones(len(own))
    return Signals(own, 0.0 * one, one, one, steps * one, jnp.asarray(evidence, float), None)


ONE, TWO = LaggedNetwork.bare(("a",), 1), LaggedNetwork.bare(("a", "b"), 1)


def fires(trigger: AbstractTrigger, epochs: list[Any]) -> list[bool]:
    """Whether it fires after each epoch; an epoch is the score of one node or the scores of two."""
    state, found = trigger.init(), []
    for excess in epochs:
        network = ONE if np.ndim(excess) == 0 else TWO
        fired, state = trigger.fire(network, signals_of(np.atleast_1d(excess)), state)
        found.append(fired)
    return found


def belief() -> HGF:
    graph = nx.MultiDiGraph()
    for name in "ab":
        graph.add_node(name, kind="continuous", precision=2.0)
        graph.add_node(f"{name}_state", kind="continuous", tonic_volatility=-1.0)
        graph.add_edge(f"{name}_state", name, coupling="value", strength=1.0)
    return HGF(graph, schedule="packed")


def test_states_are_json_and_survive_edits(trigger: AbstractTrigger) -> None:
    network, key = belief(), jax.random.key(0)
    data = [network.prepare(3.0 * series(seed, 2, STEPS)) for seed in range(6)]
    state, edits = trigger.init(), {1: GROWN, 3: (RemoveNode("volatility_1"),)}
    for epoch, chunk in enumerate(data):
        network, signals = network.epoch(chunk, key=key)
        assert json.loads(json.dumps(state)) == state
        again = json.loads(json.dumps(state))
        fired, after = trigger.fire(network, signals, state)
        assert state == again, "a trigger is pure"
        assert trigger.fire(network, signals, again) == (fired, after)
        assert isinstance(fired, bool)
        assert isinstance(trigger.exhausted(after), bool)
        state = after
        network = network.edited(edits.get(epoch, ()), key=key)
    assert "volatility_1" not in json.dumps(state)


def test_a_rule_with_it_comes_to_an_end(trigger: AbstractTrigger) -> None:
    rule = GrowthRule(trigger, Evidence(), PositiveEvidence())
    finished = run(LaggedNetwork.bare(("a", "b", "c"), 1), series(3, 3, 200), Controller(rule), epochs=200)
    assert finished.settled
    assert finished.epochs < 200
    control = GrowthRule(trigger, Random(), Always(), (Budget(1),))
    assert run(LaggedNetwork.bare(("a", "b", "c"), 1), series(3, 3, 200), Controller(control), epochs=200).settled


def test_an_exhausted_trigger_does_not_fire_on_the_same_signals(trigger: AbstractTrigger) -> None:
    for level in (0.0, 1.0, 2.5, -2.5, 9.0):
        same, state, exhausted = signals_of([level, 0.2]), trigger.init(), False
        for _ in range(60):
            fired, state = trigger.fire(TWO, same, state)
            assert not (exhausted and fired), f"it was exhausted at {level}"
            exhausted = exhausted or (not fired and trigger.exhausted(state))


def test_excess_counts_alarms_among_the_last_epochs() -> None:
    scores = [3.0, 0.0, 0.0, 3.0, 3.0, 0.0, 0.0, 0.0]
    assert fires(Excess(z=2.0, m=2, n=3), scores) == [False, False, False, False, True, True, False, False]
    assert fires(Excess(z=2.0), scores) == [score > 2.0 for score in scores]
    assert fires(Excess(z=2.0), [-3.0]) == [False]
    assert fires(Excess(z=2.0, two_sided=True), [-3.0]) == [True]


def test_alarms_of_different_nodes_do_not_add_up() -> None:
    assert fires(Excess(z=2.0, m=2, n=2), [[3.0, 0.0], [0.0, 3.0]]) == [False, False]
    assert fires(Excess(z=2.0, m=2, n=2), [[3.0, 0.0], [3.0, 0.0]]) == [False, True]


def test_excess_uses_the_standard_error_of_the_epoch() -> None:
    none, kept = jnp.zeros(1), jnp.zeros((1, 1))
    errors = ErrorSignals(
        none, none, none, none + 40.0, none + 400.0, none, none + 100.0, none + 99.0, kept, kept, none, none
    )
    signals = Signals(none + 20.0, none, none, none, none + 100.0, jnp.asarray(0.0), None, errors)
    spread = np.sqrt(4.0 - 0.4**2)
    assert scores(signals) == pytest.approx(0.4 / (spread / np.sqrt(100.0)), rel=1e-12)


def test_habituated_waits_until_a_node_is_trained() -> None:
    found = fires(Habituated(z=2.0, threshold=0.1, rate=0.3), [3.0] * 12)
    level, wanted = 1.0, []
    for _ in range(12):
        level -= 0.3 * (1.0 - 1.05 * (1.0 - level))
        wanted.append(level < 0.1)
    assert found == wanted
    assert True in found
    assert False in found
    assert not any(fires(Habituated(z=2.0, threshold=0.9), [1.0] * 12)), "trained, but not surprised"


def test_a_node_with_new_parents_is_trained_again() -> None:
    trigger = Habituated(z=2.0, threshold=0.1)
    grown = TWO.edited([AddEdge(Edge("b", "a", lag=1))], key=jax.random.key(0))
    state, found = trigger.init(), []
    for network in [TWO] * 12 + [grown] * 12:
        fired, state = trigger.fire(network, signals_of([3.0, 0.0]), state)
        found.append(fired)
    assert found[:12] == found[12:]


def page_1954(numbers: list[float], drift: float, sign: float) -> list[float]:
    """Cumulative sum above its minimum so far, 0 included."""
    sums = np.concatenate([[0.0], np.cumsum(sign * np.asarray(numbers) - drift)])
    return [float(sums[place] - sums[: place + 1].min()) for place in range(1, len(sums))]


def hinkley_1971(numbers: list[float], drift: float, sign: float) -> list[float]:
    """Likewise, of deviations from the mean so far."""
    own = np.asarray(numbers)
    deviations = [own[place] - own[: place + 1].mean() for place in range(len(own))]
    return page_1954(deviations, drift, sign)


STREAMS = st.lists(st.floats(-4.0, 4.0, allow_subnormal=False), min_size=1, max_size=40)


@pytest.mark.parametrize(("test", "definition"), [(Cusum, page_1954), (PageHinkley, hinkley_1971)])
@given(numbers=STREAMS, drift=st.floats(0.0, 1.0))
def test_statistics_are_those_of_the_definition(test: Any, definition: Any, numbers: list[float], drift: float) -> None:
    own, found = None, []
    trigger = test(threshold=1e9, drift=drift)
    for number in numbers:
        own = trigger.updated(number, own)
        found.append((own["up"], own["down"]))
    wanted = list(zip(definition(numbers, drift, 1.0), definition(numbers, drift, -1.0), strict=True))
    np.testing.assert_allclose(found, wanted, atol=1e-10)


@pytest.mark.parametrize(("test", "definition"), [(Cusum, page_1954), (PageHinkley, hinkley_1971)])
@pytest.mark.parametrize("two_sided", [False, True])
@given(numbers=STREAMS)
def test_alarms_are_those_of_the_definition_begun_afresh(
    test: Any, definition: Any, two_sided: bool, numbers: list[float]
) -> None:
    numbers = [round(number, 2) for number in numbers]  # so that rounding decides no alarm
    trigger = test(threshold=3.003, drift=0.25, two_sided=two_sided)
    wanted, start = [], 0
    for place in range(len(numbers)):
        seen = numbers[start : place + 1]
        statistics = [definition(seen, 0.25, sign)[-1] for sign in ((1.0, -1.0) if two_sided else (1.0,))]
        wanted.append(max(statistics) > 3.003)
        start = place + 1 if wanted[-1] else start
    assert fires(trigger, numbers) == wanted


def test_page_hinkley_forgives_what_was_always_so() -> None:
    always = [3.0] * 30
    assert any(fires(Cusum(), always))
    assert not any(fires(PageHinkley(), always))
    assert any(fires(PageHinkley(), [*always, *[6.0] * 5]))


def test_a_mean_that_forgets_sees_the_second_change_sooner() -> None:
    epochs = [0.0] * 100 + [4.0] * 100 + [5.5] * 12
    late, soon = (fires(PageHinkley(threshold=8.0, forget=forget), epochs) for forget in (0.0, 0.2))
    assert any(late[100:105])
    assert any(soon[100:105])
    assert not any(soon[110:200])


def test_changes_are_found_node_by_node() -> None:
    assert not any(fires(Cusum(), [[2.0, -2.0], [-2.0, 2.0]] * 20))
    assert any(fires(Cusum(), [[2.0, -2.0]] * 20))


def test_false_alarms_are_as_rare_as_the_docstring_says() -> None:
    rng = np.random.default_rng(0)
    trigger, own, alarms = Cusum(), None, 0
    for number in rng.normal(size=60_000):
        own = trigger.updated(float(number), own)
        if trigger.alarmed(own):
            own, alarms = None, alarms + 1
    assert 750 < 60_000 / alarms < 1150


def test_plateau_waits_for_evidence_that_stays() -> None:
    trigger, state, found = Plateau(epochs=2, tau=1.0), None, []
    state = trigger.init()
    for evidence in (-100.0, -90.0, -89.5, -88.9, -89.2, -88.5, -88.0, -80.0, -80.0, -80.0):
        fired, state = trigger.fire(ONE, signals_of([0.0], evidence), state)
        found.append(fired)
    # -88.9 is a rise of 1.1 over -90; -89.2 and -88.5 are none; after firing, -88.5 is what counts
    assert found == [False, False, False, False, False, True, False, False, False, True]


def test_plateau_compares_chunks_of_other_lengths_by_the_step() -> None:
    trigger = Plateau(epochs=1, tau=1.0)
    _, state = trigger.fire(ONE, signals_of([0.0], -100.0, 50.0), trigger.init())
    assert trigger.fire(ONE, signals_of([0.0], -200.0, 100.0), state)[0]
    assert not trigger.fire(ONE, signals_of([0.0], -190.0, 100.0), state)[0]


@given(st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=9))
def test_memory_begins_as_plain_mean_and_variance(numbers: list[float]) -> None:
    memory, state = Memory(forget=0.1), Memory().init()
    for number in numbers:
        state = memory.update(["a"], signals_of([number]), state)
    per_step = np.asarray(numbers) * np.sqrt(STEPS / 2.0) / STEPS
    assert state["a"]["count"] == len(numbers)
    assert state["a"]["mean"] == pytest.approx(per_step.mean(), abs=1e-6)
    assert state["a"]["variance"] == pytest.approx(per_step.var(), abs=1e-6)


def test_memory_forgets_and_habituates() -> None:
    memory, state = Memory(forget=0.2, rate=0.5), Memory().init()
    for number in [0.0] * 20 + [1.0] * 40:
        state = memory.update(["a"], signals_of([number]), state)
    assert state["a"]["mean"] == pytest.approx(np.sqrt(STEPS / 2.0) / STEPS, rel=1e-3)
    assert state["a"]["variance"] < 1e-4
    assert state["a"]["habituation"] == pytest.approx(HABITUATED, abs=1e-6)
    assert memory.restart(["a"], state)["a"]["habituation"] == 1.0


def test_memory_follows_the_nodes_of_the_graph() -> None:
    memory = Memory()
    state = memory.update(["a", "b"], signals_of([1.0, 2.0]), memory.init())
    state = memory.update(["b", "c"], signals_of([2.0, 3.0]), state)
    assert {name: own["count"] for name, own in state.items()} == {"b": 2, "c": 1}
    unseen = memory.update(["b", "c"], signals_of([0.0, 0.0], steps=0.0), state)
    assert unseen == state, "an epoch without news teaches nothing"


@pytest.mark.parametrize(
    "build",
    [
        lambda: Excess(z=0.0),
        lambda: Excess(m=2, n=1),
        lambda: Excess(m=0),
        lambda: Habituated(threshold=0.01),
        lambda: Habituated(rate=0.0),
        lambda: Habituated(z=-1.0),
        lambda: Cusum(threshold=0.0),
        lambda: Cusum(drift=-0.1),
        lambda: PageHinkley(threshold=-1.0),
        lambda: PageHinkley(forget=1.0),
        lambda: Plateau(epochs=0),
        lambda: Plateau(tau=-1.0),
        lambda: Plateau(tau=float("nan")),
        lambda: Memory(forget=0.0),
        lambda: Memory(rate=1.1),
    ],
)
def test_settings_out_of_range_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="This is because"):
        build()
