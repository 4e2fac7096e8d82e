"""Random edits through the live controller: whatever they are, the network stays what a belief network must be.

`experiments/structure_cost` runs ten thousand of the sequences of `wild.py`; here are some of them.
"""

from collections import Counter

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.graph import AddNode, RemoveEdge
from sostruct.networks.hgf.network import HGF
from tests.control.test_history import filter_of
from tests.control.wild import Outcome, broken, sequence, unreachable

KEY = jax.random.key(0)
BATCH = 25


@pytest.mark.parametrize("first", range(0, 2 * BATCH, BATCH))
def test_random_edits_keep_every_invariant(first: int) -> None:
    found = [sequence(seed) for seed in range(first, first + BATCH)]
    assert [what for one in found for what in one.broken] == []
    assert_varied(found)


def assert_varied(found: list[Outcome]) -> None:
    """The sequences do many different things."""
    edits, refused = sum((one.edits for one in found), Counter()), sum((one.refused for one in found), Counter())
    assert edits.keys() == {"AddNode", "AddEdge", "RemoveNode", "RemoveEdge", "Rewire", "SetParameters"}
    assert refused.total() > BATCH
    assert len(refused) > 4
    assert sum(one.epochs for one in found) > 2 * BATCH
    assert sum(one.capacities for one in found) > 0


def test_the_same_sequence_is_the_same() -> None:
    assert sequence(3) == sequence(3)


def network() -> HGF:
    return filter_of("a", "b")


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (lambda packed: packed.wiring.strength, "the packed edges are not the graph's"),
        (lambda packed: packed.wiring.parameters["precision"], "precision of a is not the graph's"),
        (lambda packed: packed.state.beliefs["mean"], "a mean is no belief"),
        (lambda packed: packed.state.beliefs["precision"], "a precision is no belief"),
    ],
)
def test_what_is_broken_is_found(spoilt, told: str) -> None:
    whole = network()
    assert list(broken(whole)) == []
    packed = eqx.tree_at(spoilt, whole.packed, np.asarray(spoilt(whole.packed)) * np.nan)
    assert told in list(broken(whole.with_packed(packed)))


def test_graphs_that_are_not_packed_are_found() -> None:
    small = network()
    large = small.edited([AddNode("new", "continuous")], key=KEY)
    mixed = small._with(topology=large.topology)
    assert "the slots are not those of the nodes" in list(broken(mixed))
    cut = large.edited([RemoveEdge("a_state", "a")], key=KEY)
    assert "the packed children are not the graph's" in list(broken(large._with(topology=cut.topology)))


def test_what_is_cut_off_is_found() -> None:
    whole = network()
    assert list(unreachable(whole)) == []
    cut = whole.edited([RemoveEdge("a_state", "a")], key=KEY)
    assert set(unreachable(cut)) == {"the input a has no value parent", "a_state reaches no input"}
