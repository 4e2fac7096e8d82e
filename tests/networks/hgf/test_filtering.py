"""What a filter may not depend on: where a series is cut, how arrays are padded, what else is reported, how levels
inside nodes are written, and which other graphs its capacity could hold."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from sostruct.networks.hgf import layout, passes
from sostruct.networks.hgf.blueprint import blueprint
from sostruct.networks.hgf.passes import SINGLE
from sostruct.numerics import double_precision
from tests.networks.hgf.reference_parts import explicit
from tests.networks.hgf.schedules import (
    FUNCTIONS,
    KINDS,
    QUICK,
    TRAITS,
    Run,
    Settings,
    System,
    deviations,
    evidence,
    example,
    filtered,
    held,
    network,
    padded,
    totals,
    worst,
)

SYSTEM = example(30)
RELAXED = Settings(mean_field=False)


@pytest.fixture(scope="module")
def packed() -> Run:
    return filtered(SYSTEM, RELAXED)


@pytest.fixture(scope="module")
def unrolled() -> Run:
    return filtered(SYSTEM, RELAXED, "unrolled")


def identical(one: Run, other: Run, tolerance: float = 0.0) -> None:
    """Equal bit for bit, or relative to the size of the numbers."""
    for quantity, columns in one.beliefs.items():
        for name, column in columns.items():
            same(column, other.beliefs[quantity][name], tolerance, f"{quantity} of {name}")
    same(one.surprise, other.surprise, tolerance, "surprise")
    for part in ("marginal", "entropy"):
        for name in set(getattr(one, part)) & set(getattr(other, part)):
            same(getattr(one, part)[name], getattr(other, part)[name], tolerance, f"{part} of {name}")
    assert held(one) == held(other)


def same(one: np.ndarray, other: np.ndarray, tolerance: float, what: str) -> None:
    if tolerance:
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=what)
    else:
        np.testing.assert_array_equal(one, other, err_msg=what)


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_a_series_in_two_halves_is_the_series(schedule: str, request: pytest.FixtureRequest) -> None:
    """Bit for bit: the state holds all there is to know."""
    whole = request.getfixturevalue(schedule)
    first = filtered(SYSTEM.cut(slice(0, 15)), RELAXED, schedule)
    second = filtered(SYSTEM.cut(slice(15, 30)), RELAXED, schedule, start=first.last)
    for quantity, columns in whole.beliefs.items():
        for name, column in columns.items():
            halves = np.concatenate([first.beliefs[quantity][name], second.beliefs[quantity][name]])
            np.testing.assert_array_equal(halves, column, err_msg=f"{quantity} of {name}")
    np.testing.assert_array_equal(np.concatenate([first.surprise, second.surprise]), whole.surprise)
    np.testing.assert_array_equal(second.last.covariance, whole.last.covariance)
    for name, numbers in whole.last.beliefs.items():
        np.testing.assert_array_equal(second.last.beliefs[name], numbers)


def test_the_last_state_is_the_last_belief(packed: Run, unrolled: Run) -> None:
    slot = SYSTEM.packing().slot
    for run in (packed, unrolled):
        for quantity in ("mean", "precision"):
            for name, place in slot.items():
                assert run.last.beliefs[quantity][place] == run.beliefs[quantity][name][-1]
            inside = run.last.beliefs[f"volatility_{quantity}"][slot["b"]]
            assert inside == run.beliefs[quantity]["b/volatility"][-1]
    np.testing.assert_allclose(packed.last.covariance, unrolled.last.covariance, rtol=1e-12, atol=1e-14)
    assert np.abs(packed.last.covariance).max() > 0.01


@pytest.mark.slow
def test_padding_changes_nothing(packed: Run) -> None:
    """All sizes doubled and a vocabulary that the graph does not use: equal up to the order of additions."""
    needed = SYSTEM.packing().capacity
    sizes = ("input_width", "latent_width", "blocks", "degree", "edges", "window", "fan")
    larger = replace(
        needed,
        **{size: 2 * getattr(needed, size) for size in sizes},
        kinds=frozenset(KINDS),
        functions=frozenset(FUNCTIONS),
        traits=frozenset(TRAITS),
    )
    assert larger.slots > needed.slots + 8
    identical(filtered(SYSTEM, RELAXED, at_least=larger), packed, 1e-12)


def test_blocks_that_are_not_in_use_change_nothing(packed: Run) -> None:
    """`bounded` sweeps over all of them: the same numbers bit for bit."""
    identical(filtered(SYSTEM, RELAXED, bounded=True), packed)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_steps_of_one_are_no_steps(schedule: str) -> None:
    given = replace(SYSTEM, time_steps=np.ones(30))
    identical(filtered(given, RELAXED, schedule), filtered(replace(given, time_steps=None), RELAXED, schedule), 1e-12)


@pytest.mark.slow
def test_what_is_not_asked_for_is_empty_and_changes_nothing(packed: Run) -> None:
    brief = filtered(SYSTEM, RELAXED, detail=False)
    assert brief.marginal == brief.entropy == {}
    identical(brief, packed, 1e-13)


def test_totals_are_the_sums_of_a_trajectory(packed: Run) -> None:
    net, packing = network(SYSTEM, RELAXED)
    with double_precision():
        last, sums, tally = totals(
            net.wiring, net.state, padded(SYSTEM.data, packing), SYSTEM.time_steps, detail=True, bounded=True
        )
    truth = SYSTEM.truth(RELAXED)
    assert float(sums.surprise) == pytest.approx(packed.surprise.sum(), rel=1e-12)
    assert not np.asarray(tally.count).any()
    for number, name in enumerate(SYSTEM.inputs):
        assert float(sums.marginal[number]) == pytest.approx(packed.marginal[name].sum(), rel=1e-12)
        assert float(sums.entropy[number]) == pytest.approx(packed.entropy[name].sum(), rel=1e-12)
        assert int(sums.count[number]) == np.isfinite(SYSTEM.data[:, number]).sum()
    for name in ("a", "b", "c", "noise"):
        slot = packing.slot[name]
        mean, precision, expected, sharp = (packed.beliefs[quantity][name] for quantity in packed.beliefs)
        told = precision != sharp
        error = (mean - expected) ** 2
        assert int(sums.count[slot]) == told.sum()
        assert float(sums.squared[slot]) == pytest.approx(error[told].sum(), rel=1e-10)
        assert float(sums.sharpness[slot]) == pytest.approx(sharp[told].sum(), rel=1e-12)
        misfit = (sharp * (1.0 / precision + error) - 1.0)[told].sum()
        assert float(sums.misfit[slot]) == pytest.approx(misfit, rel=1e-10)
        assert 0.5 * float(sums.misfit[slot]) == pytest.approx(truth.excess[name].sum(), rel=1e-9)
    for quantity, numbers in packed.last.beliefs.items():
        np.testing.assert_array_equal(last.beliefs[quantity], numbers)


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_log_evidence_is_minus_the_summed_surprise(schedule: str, request: pytest.FixtureRequest) -> None:
    whole = request.getfixturevalue(schedule)
    net, packing = network(SYSTEM, RELAXED)
    drawn = blueprint(packing) if schedule == "unrolled" else None
    data = SYSTEM.data if drawn is not None else padded(SYSTEM.data, packing)
    with double_precision():
        found = evidence(net.wiring, net.state, data, SYSTEM.time_steps, drawn=drawn, axes=SINGLE)
    assert float(found) == pytest.approx(-whole.surprise.sum(), rel=1e-12)


# Inputs whose noise is volatile, and predictions that are held


def noisy() -> nx.MultiDiGraph:
    """A state seen through noise that has a belief of its own."""
    graph = nx.MultiDiGraph()
    graph.add_node("seen", kind="volatile", volatility_mean=-2.0, volatility_precision=2.0)
    graph.add_node("state", kind="continuous")
    graph.add_edge("state", "seen", coupling="value")
    return graph


def wild() -> nx.MultiDiGraph:
    """A state whose steps have a belief of their own, seen through little noise."""
    graph = nx.MultiDiGraph()
    graph.add_node("seen", kind="continuous", precision=100.0)
    graph.add_node("state", kind="volatile", precision=0.5, volatility_mean=2.0)
    graph.add_edge("state", "seen", coupling="value")
    return graph


def written_out(system: System) -> System:
    """The same with every level inside a node as a node."""
    graph = explicit(system.graph)
    for name, attributes in list(graph.nodes(data=True)):
        for parameter in [known for known in attributes if known.startswith("volatility_")]:
            del graph.nodes[name][parameter]
    return replace(system, graph=graph)


OUTLIER = np.array([0.0, 0.0, 9.0, 0.0, np.nan, 0.5])[:, None]


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_an_invalid_level_inside_an_input_is_found_and_held(schedule: str) -> None:
    """The standard update loses precision to an outlier; nothing but the level inside can be wrong in an input."""
    system, settings = System(noisy(), ("seen",), OUTLIER), Settings("standard")
    run, truth = filtered(system, settings, schedule), system.truth(settings)
    assert held(run) == held(truth) == {"seen": 1, "state": 0}
    assert worst(deviations(run, truth))[0] < 1e-12
    assert (run.beliefs["precision"]["seen/volatility"] > 0.0).all()
    unheld = filtered(system, settings, "unrolled", hold=False)
    assert held(unheld)["seen"] > 0
    net, packing = network(system, settings)
    for drawn, data in ((None, padded(OUTLIER, packing)), (blueprint(packing), OUTLIER)):
        with double_precision():
            assert np.isnan(evidence(net.wiring, net.state, data, None, drawn=drawn, axes=SINGLE))


def test_a_level_inside_a_node_is_a_node(packed: Run) -> None:
    """A volatile node is a continuous one with a volatility parent, held predictions included."""
    identical(packed, filtered(written_out(SYSTEM), RELAXED), 1e-12)
    for graph in (noisy(), wild()):
        system, settings = System(graph, ("seen",), OUTLIER[2:]), Settings("standard")
        run, other = filtered(system, settings), filtered(written_out(system), settings)
        identical(run, other, 1e-12)
        assert sum(held(run).values()) == 1


@pytest.mark.slow
def test_filters_that_do_not_hold_agree_where_nothing_is_held(unrolled: Run) -> None:
    identical(filtered(SYSTEM, RELAXED, "unrolled", hold=False), unrolled, 1e-13)
    seen = replace(SYSTEM, data=np.nan_to_num(SYSTEM.data))
    identical(filtered(seen, RELAXED, "unrolled", complete=True, hold=False), filtered(seen, RELAXED), 1e-12)


def test_a_leaf_without_data_tells_its_parents_nothing() -> None:
    """Beside an input with two parents, whose exact update concerns all states."""
    graph = nx.MultiDiGraph()
    for name in ("hidden", "a", "b", "above"):
        graph.add_node(name, kind="continuous", tonic_volatility=-2.0, autoconnection=0.9)
    graph.add_node("seen", kind="continuous", precision=4.0)
    graph.add_edge("a", "seen", coupling="value")
    graph.add_edge("b", "seen", coupling="value")
    graph.add_edge("above", "hidden", coupling="volatility")
    system, settings = System(graph, ("seen",), np.linspace(-1.0, 1.0, 12)[:, None]), Settings("standard")
    truth = system.truth(settings)
    strict = filtered(system, settings, "unrolled", hold=False, complete=True)
    for run in (strict, filtered(system, settings, "unrolled"), filtered(system, settings)):
        assert worst(deviations(run, truth))[0] < 1e-12


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_an_input_may_equal_its_prediction(schedule: str) -> None:
    """Or be missing: there is no spread to explain then, and neither beliefs nor derivatives may break down."""
    graph = nx.MultiDiGraph()
    for name in ("seen", "state", "noise"):
        graph.add_node(name, kind="continuous")
    graph.add_edge("state", "seen", coupling="value")
    graph.add_edge("noise", "seen", coupling="volatility")
    system, settings = System(graph, ("seen",), OUTLIER), Settings("unbounded")
    assert worst(deviations(filtered(system, settings, schedule), system.truth(settings)))[0] < 1e-12
    net, packing = network(system, settings)
    drawn = blueprint(packing) if schedule == "unrolled" else None
    data = OUTLIER if drawn is not None else padded(OUTLIER, packing)

    def evidence(strength: jax.Array) -> jax.Array:
        wiring = replace(net.wiring, strength=strength)
        return passes.evidence(wiring, net.state, jnp.asarray(data), None, drawn, SINGLE)

    with double_precision():
        slope = np.asarray(jax.jit(jax.grad(evidence), compiler_options=QUICK)(jnp.asarray(net.wiring.strength)))
    assert np.isfinite(slope).all()
    assert (slope[packing.parent_mask] != 0.0).all()


# A graph in a capacity made for others


def beside(several: bool) -> System:
    """A state that sets another's volatility and drives a third through tanh, alone or together with another parent."""
    graph = nx.MultiDiGraph()
    for name in ("below", "a", "both"):
        graph.add_node(name, kind="continuous", tonic_volatility=-2.0, autoconnection=0.8)
    for name in ("u", "v", "w"):
        graph.add_node(name, kind="continuous", precision=4.0)
    graph.add_edge("below", "u", coupling="value")
    graph.add_edge("a", "v", coupling="value")
    graph.add_edge("both", "w", coupling="value", function="tanh")
    graph.add_edge("both", "below", coupling="value", function="tanh", strength=0.8)
    graph.add_edge("both", "a", coupling="volatility")
    if several:
        graph.add_edge("a", "below", coupling="value", strength=0.5)
    return System(graph, ("u", "v", "w"), np.random.default_rng(0).normal(size=(15, 3)))


@pytest.mark.parametrize("several", [True, False])
def test_parents_share_an_error_at_the_point_where_it_was_linearized(several: bool) -> None:
    """eHGF moves the point of its own precision; what other parents explain stays where predictions took it."""
    system, settings = beside(several), Settings(linearize="previous")
    truth = system.truth(settings)
    wide = replace(system.packing().capacity, traits=frozenset(TRAITS) - {layout.TANGLED})
    for run in (filtered(system, settings, "unrolled"), filtered(system, settings, at_least=wide)):
        assert worst(deviations(run, truth))[0] < 1e-12
