"""The signals of a run as plain columns: nodes that change, beliefs, exact floats."""

from pathlib import Path

import jax
import networkx as nx
import numpy as np
import pytest

from sostruct.control.controller import Controller
from sostruct.control.history import BELIEF_COLUMNS, COLUMNS, SignalHistory
from sostruct.control.recorder import SIGNALS
from sostruct.control.run import run
from sostruct.graph import AddEdge, AddNode, Edge, RemoveNode
from sostruct.growth.catalogue import all_rules
from sostruct.networks.hgf.network import HGF
from sostruct.networks.lagged.network import LaggedNetwork
from tests.networks.reference import series

KEY = jax.random.key(0)


def filter_of(*columns: str) -> HGF:
    graph = nx.MultiDiGraph()
    for name in columns:
        graph.add_node(name, kind="continuous", precision=2.0)
        graph.add_node(f"{name}_state", kind="continuous", tonic_volatility=-1.0)
        graph.add_edge(f"{name}_state", name, coupling="value", strength=1.0)
    return HGF(graph, schedule="packed")


GROWN = (AddNode("volatility_1", "continuous"), AddEdge(Edge("volatility_1", "a_state", "volatility")))


def grown_and_pruned() -> tuple[SignalHistory, list[tuple[str, ...]], list[HGF]]:
    """Three epochs of a filter that gains a node and loses it."""
    network = filter_of("a", 'b, "quoted"')
    data = network.prepare(series(0, 2, 40))
    history, nodes, networks = SignalHistory(), [], []
    for edits in (GROWN, (RemoveNode("volatility_1"),), ()):
        network, signals = network.epoch(data, key=KEY)
        history.record(network.nodes, signals)
        nodes.append(network.nodes)
        networks.append(network)
        network = network.edited(edits, key=KEY) if edits else network
    return history, nodes, networks


def written(history: SignalHistory, path: Path) -> Path:
    path.write_text(history.header + "".join("".join(history.lines(epoch)) for epoch in range(len(history))), "utf-8")
    return path


def test_nodes_may_change_between_epochs(tmp_path: Path) -> None:
    history, nodes, _ = grown_and_pruned()
    assert len(nodes[0]) + 1 == len(nodes[1]) == len(nodes[2]) + 1
    again = SignalHistory.read(written(history, tmp_path / SIGNALS))
    for one in (history, again):
        assert one.columns == BELIEF_COLUMNS
        assert [one.nodes(epoch) for epoch in range(len(one))] == nodes
        frame = one.frame()
        assert tuple(frame.columns) == BELIEF_COLUMNS
        assert [tuple(rows["node"]) for _, rows in frame.groupby("epoch")] == nodes
    assert again.frame().equals(history.frame())
    assert [again.total(epoch) for epoch in range(3)] == [history.total(epoch) for epoch in range(3)]


def test_belief_columns_say_what_the_network_believes() -> None:
    history, nodes, networks = grown_and_pruned()
    frame = history.frame().set_index(["epoch", "node"])
    for epoch, network in enumerate(networks):
        for name in nodes[epoch]:
            slot = network.packing.slot[name]
            row = frame.loc[(epoch, name)]
            assert row["mean"] == float(network.state.beliefs["mean"][slot])
            assert row["variance"] == pytest.approx(1.0 / float(network.state.beliefs["precision"][slot]), rel=1e-15)
            assert row["volatility_error"] * 40 == pytest.approx(2.0 * (row["surprise"] - row["expected"]), abs=1e-9)
            assert row["error"] >= 0.0
            assert row["precision"] > 0.0
            assert abs(row["autocorrelation"]) < 1.5


def test_lagged_histories_keep_their_five_columns(tmp_path: Path) -> None:
    network = LaggedNetwork.bare(("a", "b"), 1)
    finished = run(network, series(1, 2, 60), Controller(all_rules["none"]()), folder=tmp_path)
    assert finished.history.columns == COLUMNS
    text = (tmp_path / SIGNALS).read_text("utf-8")
    first, *rows = text.splitlines()
    assert first == "epoch,node,surprise,expected,reducible"
    _, signals = network.epoch(finished.data, key=KEY)
    for place, row in enumerate(rows):
        numbers = (signals.surprise[place], signals.expected[place], signals.reducible[place])
        assert row == ",".join(["0", "ab"[place], *(repr(float(number)) for number in numbers)])


def test_a_belief_run_writes_what_it_remembers(tmp_path: Path) -> None:
    network = filter_of("a", "b")
    finished = run(network, series(2, 2, 40), Controller(all_rules["none"]()), folder=tmp_path)
    again = SignalHistory.read(tmp_path / SIGNALS, network.nodes)
    assert again.frame().equals(finished.history.frame())
    resumed = run(network, series(2, 2, 40), Controller(all_rules["none"]()), folder=tmp_path)
    assert resumed.history.frame().equals(finished.history.frame())


def test_an_empty_history_is_a_frame() -> None:
    assert tuple(SignalHistory().frame().columns) == COLUMNS
    assert len(SignalHistory().frame()) == 0


def test_epochs_with_and_without_beliefs_do_not_mix() -> None:
    history, _, _ = grown_and_pruned()
    network = LaggedNetwork.bare(("a", "b"), 1)
    _, signals = network.epoch(network.prepare(series(1, 2, 60)), key=KEY)
    with pytest.raises(ValueError, match="do not go into one history"):
        history.record(network.nodes, signals)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: ["epoch,node,surprise", *lines[1:]], "does not begin with"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "every node once"),
        (lambda lines: [line for line in lines if not line.startswith("1,")], "out of place at epoch 1"),
        (lambda lines: [*lines[:-1], lines[-1].rsplit(",", 1)[0]], "out of place at epoch 2"),
        (lambda lines: [*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",x"], "could not convert"),
        (lambda lines: [], "does not begin with"),
    ],
)
def test_files_that_nothing_wrote_are_refused(tmp_path: Path, spoil, told: str) -> None:
    history, _, _ = grown_and_pruned()
    path = written(history, tmp_path / SIGNALS)
    path.write_text("".join(f"{line}\n" for line in spoil(path.read_text("utf-8").splitlines())), "utf-8")
    with pytest.raises(ValueError, match=told):
        SignalHistory.read(path)


def test_a_reader_that_knows_the_nodes_insists_on_them(tmp_path: Path) -> None:
    history, nodes, _ = grown_and_pruned()
    with pytest.raises(ValueError, match="every node once"):
        SignalHistory.read(written(history, tmp_path / SIGNALS), nodes[0])


def test_floats_come_back_bit_for_bit(tmp_path: Path) -> None:
    history, nodes, _ = grown_and_pruned()
    values = np.array([[0.1, np.nan, np.inf, -0.0, 5e-324, 1 / 3, -np.inf, 1e308, 2.0]] * len(nodes[0]))
    history._add(BELIEF_COLUMNS, nodes[0], values)
    again = SignalHistory.read(written(history, tmp_path / SIGNALS))
    np.testing.assert_array_equal(again.frame().iloc[-len(values) :, 2:].to_numpy(float), values)
