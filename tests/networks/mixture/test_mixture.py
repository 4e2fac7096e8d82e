"""The mixture: its epoch against plain Python, its edits against its graph."""

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge, RemoveNode, SetParameters, Topology, apply, invert
from sostruct.networks import base
from sostruct.networks.mixture.moves import absorb, begin, birth, births, death, merge, merges, split
from sostruct.networks.mixture.network import MixtureNetwork

from .reference import Mixture, Seen, Settings

KEY = jax.random.key(0)
NAMES = ("y", "x")
"""Not in the canonical order, on purpose."""

PLACES = ((0.0, 0.0), (4.0, -3.0), (-5.0, 2.0))


def points(count: int = 120, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.array(PLACES)[generator.integers(3, size=count)] + generator.normal(size=(count, 2))


def grown(places=PLACES, **settings: float) -> MixtureNetwork:
    network = MixtureNetwork.bare(NAMES, spread=[6.0, 5.0], noise=0.8, components=0, **settings)
    for place in places:
        network = network.edited(birth(network.topology, NAMES, place), key=KEY)
    return network


def epoch(network: MixtureNetwork, values: np.ndarray):
    return network.epoch(network.prepare(values), key=KEY)


def reference(places=PLACES, **changes: float) -> Mixture:
    settings = Settings([0.0, 0.0], [1 / 0.64, 1 / 0.64], [6.0, 5.0], **changes)
    return Mixture(settings, [1.0] * len(places), [[Seen(1.0, value) for value in place] for place in places])


FADING = {"keep": float(np.exp(-1 / 20)), "concentration": 2.5, "freedom": 3.0}


@pytest.mark.parametrize(
    ("settings", "changes"), [({}, {}), ({"memory": 20.0, "concentration": 2.5, "freedom": 3.0}, FADING)]
)
def test_an_epoch_is_the_chinese_restaurant_step_by_step(settings, changes) -> None:
    values = points(60)
    values[3, 0] = values[17, 1] = np.nan
    values[20] = np.nan
    expected = reference(**changes)
    for row in values.tolist():
        expected.step(row)
    network, signals = epoch(grown(**settings), values)
    np.testing.assert_allclose(signals.gains.log_density, expected.densities, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(signals.gains.share, expected.shares, rtol=1e-9)
    state = network.packed.state
    np.testing.assert_allclose(np.asarray(state.weight)[:3], expected.weights, rtol=1e-10)
    for part, name in (("seen", "count"), ("mean", "mean"), ("square", "square")):
        wanted = [[getattr(own, name) for own in component] for component in expected.seen]
        np.testing.assert_allclose(np.asarray(getattr(state, part))[:3], wanted, rtol=1e-9)
    charge = float(signals.evidence) - expected.evidence
    assert charge == pytest.approx(float(np.asarray(signals.gains.charge).sum()), rel=1e-9)


def test_surprise_adds_up_and_is_about_what_is_expected() -> None:
    values = points(2000)
    network, signals = epoch(grown(), values)
    rows = dict(zip(network.nodes, range(5), strict=True))
    inputs = [rows["x"], rows["y"]]
    assert float(np.asarray(signals.surprise)[inputs].sum()) == pytest.approx(
        -float(np.asarray(signals.gains.log_density).sum())
    )
    assert np.abs(np.asarray(signals.excess)).max() < 150.0, "the mixture is right, so nothing is far from expected"
    _, astray = epoch(MixtureNetwork.bare(NAMES, spread=5.0, noise=0.1, freedom=100.0), values)
    assert np.abs(np.asarray(astray.excess)).max() > 500.0
    np.testing.assert_array_equal(np.asarray(signals.count)[inputs], 2000.0)


def test_the_evidence_does_not_depend_on_the_order_of_components() -> None:
    values = points()
    prices = [float(epoch(grown(order), values)[1].evidence) for order in (PLACES, PLACES[::-1])]
    assert prices[0] == pytest.approx(prices[1], rel=1e-12)


def test_an_epoch_continues_and_a_reset_begins_again() -> None:
    values = points()
    whole, _ = epoch(grown(), values)
    half, first = epoch(grown(), values[:50])
    rest, second = epoch(half, values[50:])
    np.testing.assert_allclose(rest.packed.state.mean, whole.packed.state.mean, rtol=1e-12)
    again, third = epoch(rest.begun(), values[:50])
    assert float(third.evidence) == float(first.evidence)
    np.testing.assert_array_equal(again.packed.state.square, half.packed.state.square)
    assert not np.asarray(second.gains.charge).any(), "a place is paid for once"


def test_untouched_components_keep_what_they_have_seen_bit_for_bit() -> None:
    believed, _ = epoch(grown(), points())
    state = believed.packed.state
    for edits in (
        birth(believed.topology, NAMES, (9.0, 9.0)),
        death("component_2"),
        begin("component_2", NAMES, (1.0, 1.0)),
        split("component_2", believed.topology, NAMES, [(1.0, 1.0), (2.0, 2.0)]),
        merge("component_2", "component_3", NAMES, (0.0, 0.0)),
        (SetParameters("x", {"precision": 9.0}),),
    ):
        edited = believed.edited(edits, key=KEY)
        kept = (
            {"component_1"}
            if edits[0] == RemoveNode("component_2") and len(edits) > 1
            else {"component_1", "component_3"}
        )
        for name in kept:
            old, new = believed.components.index(name), edited.components.index(name)
            for part in ("weight", "seen", "mean", "square"):
                before = np.asarray(getattr(state, part))[old]
                np.testing.assert_array_equal(np.asarray(getattr(edited.packed.state, part))[new], before)


def test_a_component_that_is_new_predicts_what_nobody_predicts_until_it_is_reached() -> None:
    """A component far away leaves the density of points to the others, but for its share of the labels."""
    believed, _ = epoch(grown(), points())
    far = believed.edited(birth(believed.topology, NAMES, (1e5, 1e5)), key=KEY)
    n = float(np.asarray(believed.packed.state.weight).sum()) + 1.0
    before, after = (network.log_density(points(20, 3)) for network in (believed, far))
    np.testing.assert_allclose(after, before - np.log((n + 1.0) / n), rtol=1e-9)


def test_a_merge_pools_what_two_have_seen() -> None:
    values = points(90)
    believed, _ = epoch(grown(PLACES[:2]), values)
    merged = believed.edited(merge("component_2", "component_1", NAMES, (1.0, 2.0)), key=KEY)
    assert merged.components == ("component_1",)
    state, before = merged.packed.state, believed.packed.state
    assert float(state.weight[0]) == pytest.approx(float(np.asarray(before.weight).sum()))
    n, m = np.asarray(before.seen)[:2], np.asarray(before.mean)[:2]
    np.testing.assert_allclose(state.mean[0], (n * m).sum(axis=0) / n.sum(axis=0), rtol=1e-12)
    spread = np.asarray(before.square)[:2].sum(axis=0) + n.prod(axis=0) / n.sum(axis=0) * (m[0] - m[1]) ** 2
    np.testing.assert_allclose(state.square[0], spread, rtol=1e-12)
    assert merged.begun().packed.state.mean[0].tolist() == [1.0, 2.0]


def test_who_absorbs_another_takes_its_weight_and_keeps_its_place() -> None:
    believed, _ = epoch(grown(), points())
    after = believed.edited(absorb("component_2", "component_1", 1.0), key=KEY)
    assert after.components == ("component_1", "component_3")
    state, before = after.packed.state, believed.packed.state
    assert float(state.weight[0]) == float(np.asarray(before.weight)[:2].sum())
    for part in ("seen", "mean", "square"):
        np.testing.assert_array_equal(np.asarray(getattr(state, part))[0], np.asarray(getattr(before, part))[0])
    assert after.begun().packed.start.weight[0] == 1.0


def test_merges_are_read_back_from_a_batch() -> None:
    pooled, alone = merge("b", "a", NAMES, (0.0, 1.0)), absorb("d", "c", 1.0)
    assert merges([*pooled, *alone, RemoveNode("e"), SetParameters("x", {"precision": 2.0})]) == {
        "b": ("a", True),
        "d": ("c", False),
    }


def test_several_are_born_under_names_of_their_own() -> None:
    network = grown()
    after = network.edited(births(network.topology, NAMES, [(1.0, 1.0), (2.0, 2.0)]), key=KEY)
    assert after.components == tuple(f"component_{number}" for number in range(1, 6))


def test_duplicates_are_worth_merging_and_clusters_are_not() -> None:
    values = points(600)
    _, signals = epoch(grown((*PLACES, (0.2, 0.1))), values)
    merges = np.asarray(signals.gains.merge)
    assert merges[0, 3] > 0.0
    for one, other in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        assert merges[one, other] < -20.0


def test_what_is_forgotten_weighs_nothing() -> None:
    network, _ = epoch(grown(memory=10.0), np.repeat([PLACES[0]], 300, axis=0))
    weight = network.table()["weight"]
    assert weight["component_1"] == pytest.approx(1 / (1 - np.exp(-0.1)), rel=0.01)
    assert weight["component_2"] < 1e-6


def test_edits_within_a_capacity_do_not_retrace(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = eqx.debug.assert_max_traces(base._epoch.__wrapped__, max_traces=None)
    monkeypatch.setattr(base, "_epoch", jax.jit(counted))
    network = grown(())
    data = network.prepare(points(41))
    for number in range(8):
        network, _ = network.epoch(data, key=KEY)
        network = network.edited(birth(network.topology, NAMES, (float(number), 0.0)), key=KEY)
    network, _ = network.edited(merge("component_2", "component_1", NAMES, (0.0, 0.0)), key=KEY).epoch(data, key=KEY)
    network, _ = network.epoch(data, key=KEY)
    assert eqx.debug.get_num_traces(counted) == 1
    for place in ((9.0, 0.0), (9.0, 1.0)):
        network = network.edited(birth(network.topology, NAMES, place), key=KEY)
    assert network.packed.capacity.latent_width == 16
    believed, _ = network.epoch(data, key=KEY)
    assert eqx.debug.get_num_traces(counted) == 2
    assert len(believed.table()) == 9


def test_density_and_shares_are_probabilities() -> None:
    believed, _ = epoch(grown(), points())
    shares = believed.share(points(30, 1))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert shares.shape == (30, 4)
    grid = np.linspace(-60, 60, 601)
    cells = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    total = np.exp(believed.log_density(cells)).sum() * (grid[1] - grid[0]) ** 2
    assert total == pytest.approx(1.0, abs=0.01)


def test_a_table_is_read_by_name_and_sets_the_scale() -> None:
    frame = pd.DataFrame(points(), columns=list(NAMES))
    network = MixtureNetwork.suited(frame)
    swapped = network.prepare(frame[["x", "y"]])
    np.testing.assert_array_equal(swapped.values, frame.to_numpy())
    assert network.topology.node("y").parameters[1] == ("mean", pytest.approx(frame["y"].mean()))
    np.testing.assert_allclose(network.packed.prior.spread, frame.std(ddof=0))


def test_any_graph_of_a_mixture_will_do() -> None:
    network = grown()
    same = MixtureNetwork.of(network.graph, inputs=NAMES, spread=[6.0, 5.0])
    assert same.topology == network.topology
    values = points(30)
    assert float(epoch(same, values)[1].evidence) == float(epoch(network, values)[1].evidence)
    elsewhere = grown(PLACES[:1]).at_topology(network.topology)
    assert elsewhere.components == network.components


def test_draws_are_legal_and_differ() -> None:
    network = grown()
    one, other = (network.draw(key=jax.random.key(seed))[0] for seed in (1, 2))
    assert one.edit != other.edit
    assert np.isnan(one.nats)
    assert len(network.edited(one.edits, key=KEY).components) == 4


def test_any_sequence_of_moves_keeps_the_books() -> None:
    """Who stays has what it had, who merges has both, and undoing the edits undoes the graph."""
    generator = np.random.default_rng(0)
    network, values = grown(), points(20)
    for _ in range(150):
        names = network.components
        place = generator.normal(size=2) * 5.0
        two = generator.permutation(names)[:2].tolist()
        choices = [birth(network.topology, NAMES, place.tolist())]
        if len(names) > 1:
            choices += [death(two[0]), merge(*two, NAMES, place.tolist()), absorb(*two, 1.0)]
            choices += [split(two[0], network.topology, NAMES, [(0.0, 1.0), place.tolist()])]
        edits = choices[generator.integers(len(choices)) if len(names) < 12 else 1 + generator.integers(3)]
        before, old = network.table()["weight"], network.topology
        network = network.edited(edits, key=KEY)
        after = network.table()["weight"]
        same = [name for name in after.index if name in before.index and name not in two]
        assert (after[same] == before[same]).all()
        if edits in choices[2:4]:
            assert after.sum() == pytest.approx(before.sum())
        assert apply(network.topology, invert(old, edits)) == old
        if generator.random() < 0.2:
            network, signals = epoch(network, values)
            assert np.isfinite(float(signals.evidence))
            assert (np.asarray(network.packed.state.weight) >= 0.0).all()


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ([AddNode("z", "continuous")], "inputs of a mixture"),
        ([RemoveNode("x")], "inputs of a mixture"),
        ([AddNode("z", "component")], "component 'z' begins"),
        ([RemoveEdge("component_1", "x")], "component 'component_1' begins"),
        ([AddNode("z", "constant")], "kind 'constant'"),
        ([AddEdge(Edge("component_1", "x", "volatility"))], "acts on inputs"),
        ([AddEdge(Edge("x", "y"))], "acts on inputs"),
        ([AddEdge(Edge("component_1", "x", lag=1))], "acts on inputs"),
        ([SetParameters("component_1", {"count": -1.0})], "greater than zero"),
    ],
)
def test_graphs_that_are_no_mixtures_are_refused(edits, told: str) -> None:
    with pytest.raises(GraphError, match=told):
        grown().edited(edits, key=KEY)


def test_settings_and_data_out_of_range_are_refused() -> None:
    for setting, value in (
        ("concentration", 0.0),
        ("freedom", 2.0),
        ("memory", 1.0),
        ("spread", -1.0),
        ("noise", [1.0, 0.0]),
        ("center", [1.0, 2.0, 3.0]),
    ):
        with pytest.raises(ConfigError, match=setting):
            MixtureNetwork.bare(NAMES, **{setting: value})
    network = grown()
    for data, told in (
        (np.zeros((3, 3)), r"shape \(3, 3\)"),
        (np.zeros((0, 2)), "shape"),
        (np.array([[1.0, np.inf]]), "row 0 is infinite"),
        (pd.DataFrame({"x": [1.0]}), "no column 'y'"),
        ([["a", "b"]], "not all are numbers"),
    ):
        with pytest.raises(DataError, match=told):
            network.prepare(data)
    with pytest.raises(GraphError, match="inputs"):
        MixtureNetwork.of(network.graph, inputs=("x",))
    with pytest.raises(GraphError, match="inputs"):
        MixtureNetwork.of(Topology((), ()))
