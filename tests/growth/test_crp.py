"""Growth by the Chinese restaurant: the right number of clusters, whatever there is to begin with."""

import json
import math
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.control.checkpoint import CHECKPOINT
from sostruct.control.controller import Controller
from sostruct.control.recorder import JOURNAL, SIGNALS, Recorder
from sostruct.control.run import Run, run
from sostruct.errors import ConfigError
from sostruct.graph import AddNode, RemoveNode
from sostruct.growth.catalogue import crp
from sostruct.growth.counterfactual import Pricing
from sostruct.growth.crp import CRP, places
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.mixture.moves import birth
from sostruct.networks.mixture.network import MixtureNetwork

KEY = jax.random.key(0)
CENTERS = np.array([[0.0, 0.0], [9.0, -4.0], [-7.0, 5.0], [3.0, 11.0], [-9.0, -8.0]])


def clusters(count: int, seed: int = 0, rows: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(count, size=rows)
    return pd.DataFrame(CENTERS[labels] + generator.normal(size=(rows, 2)), columns=["x", "y"]), labels


def grown(frame: pd.DataFrame, network: MixtureNetwork | None = None, **settings: object) -> Run:
    return run(network or MixtureNetwork.suited(frame), frame, Controller(crp()), epochs=40, **settings)


def priced(network: MixtureNetwork, frame: pd.DataFrame):
    """The scorer's candidates after an epoch of a network from its beginning."""
    start, data = network.begun(), network.prepare(frame)
    after, signals = start.epoch(data, key=KEY)

    pricing = Pricing(start, data, KEY)
    return CRP().score(after, signals, {}, evaluate=pricing, key=KEY)[0], pricing


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_number_of_clusters_is_found(count: int) -> None:
    frame, labels = clusters(count)
    finished = grown(frame)
    assert finished.settled
    assert len(finished.network.components) == count
    shares = finished.network.share(frame)
    found = shares.argmax(axis=1)
    assert len(set(zip(labels.tolist(), found.tolist(), strict=True))) <= count + 2, "clusters and components agree"
    assert shares[:, -1].max() < 0.5
    means = finished.network.table()[["x mean", "y mean"]].to_numpy()
    assert max(np.abs(means - center).sum(axis=1).min() for center in CENTERS[:count]) < 0.8


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_component_at_all_is_a_beginning_too(count: int) -> None:
    """One component alone would take the labels that the points of the others need: several are born together."""
    frame, _ = clusters(count)
    finished = grown(frame, MixtureNetwork.suited(frame, components=0))
    assert len(finished.network.components) == count


def test_duplicates_merge_and_idlers_die() -> None:
    frame, _ = clusters(2)
    network = MixtureNetwork.suited(frame, components=0)
    for place in (CENTERS[0], CENTERS[1], CENTERS[0] + 0.3, [25.0, 25.0]):
        network = network.edited(birth(network.topology, network.inputs, list(place)), key=KEY)
    finished = grown(frame, network)
    assert len(finished.network.components) == 2
    gone = [edit for entry in finished.journal if entry.accepted for edit in _edits(entry.edit)]
    assert sum(isinstance(edit, RemoveNode) for edit in gone) == 2


def test_every_edit_is_worth_what_it_was_priced_at() -> None:
    frame, _ = clusters(3)
    finished = grown(frame)
    network, data = MixtureNetwork.suited(frame), finished.data
    for entry in finished.journal:
        if not entry.accepted:
            continue
        before = network.begun().epoch(data, key=KEY)[1].evidence
        network = network.edited(_edits(entry.edit), key=KEY)
        after = network.begun().epoch(data, key=KEY)[1].evidence
        assert float(after - before) >= entry.nats - 1e-6
        assert float(after - before) <= entry.nats + math.log(40.0), "what is taken off is the choice alone"
    assert network.topology == finished.network.topology


def test_one_move_an_epoch() -> None:
    frame, _ = clusters(3)
    accepted = [entry.epoch for entry in grown(frame).journal if entry.accepted]
    assert accepted == sorted(set(accepted))
    candidates, _ = priced(MixtureNetwork.suited(frame), frame)
    assert all({"x", "y"} <= candidate.touches for candidate in candidates)
    prices = [candidate.nats for candidate in candidates]
    assert prices == sorted(prices, reverse=True)


def test_births_pay_for_the_choice() -> None:
    frame, _ = clusters(2)
    candidates, pricing = priced(MixtureNetwork.suited(frame), frame)
    births = [one for one in candidates if isinstance(one.edits[0], AddNode)]
    paid = pricing([one.edits for one in births]) - np.array([one.nats for one in births])
    others = sum(not isinstance(one.edits[0], RemoveNode) for one in candidates)
    np.testing.assert_allclose(paid, math.log(others))


def test_places_are_where_points_are_not_explained() -> None:
    frame, labels = clusters(2)
    network = MixtureNetwork.suited(frame)
    explained = np.where(labels == 0, 10.0, -30.0)
    first, *rest = places(network.packed.prior, frame.to_numpy(), explained, 3)
    assert np.abs(np.array(first) - CENTERS[1]).max() < 1.0
    assert all(np.abs(np.array(place) - CENTERS[0]).max() > 3.0 for place in rest)
    assert places(network.packed.prior, frame.to_numpy(), np.full(400, 30.0), 3) == []
    holes = frame.to_numpy().copy()
    holes[labels == 1, 0] = np.nan
    assert places(network.packed.prior, holes, explained, 3) == []


def test_a_stream_is_followed_chunk_by_chunk() -> None:
    """Births when a cluster appears, a death when it stays away; the others keep their names."""
    first, _ = clusters(2, seed=1, rows=300)
    more, _ = clusters(3, seed=2, rows=300)
    network = MixtureNetwork.suited(first, memory=100.0)
    rule, counts = crp(), []
    for frame in (first, more, first, first, first):
        for start in range(0, 300, 100):
            data = network.prepare(frame[start : start + 100])
            while True:
                after, signals = network.epoch(data, key=KEY)
                best = _best(rule, network, after, signals, data)
                if best is None:
                    break
                network = network.edited(best, key=KEY)
            network = after
        counts.append(len(network.components))
        names = {"component_1", "component_2"} & set(network.components)
        assert len(names) == 2
    assert counts[:2] == [2, 3]
    assert counts[-1] == 2


@pytest.mark.parametrize("survived", [0, 1])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, survived: int, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, _ = clusters(5)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = grown(frame, folder=whole, key=KEY)
    assert expected.epochs >= survived + 1
    done, record = 0, Recorder.record

    def dies(self: Recorder, *arguments: object) -> None:
        nonlocal done
        if done == survived:
            raise KeyboardInterrupt
        done += 1
        record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record", dies)
        with pytest.raises(KeyboardInterrupt):
            grown(frame, folder=broken, key=KEY)
    resumed = grown(frame, folder=broken, key=KEY)
    assert resumed.network.topology == expected.network.topology
    for name in (JOURNAL, SIGNALS, CHECKPOINT):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    assert resumed.journal.replay(resumed.epochs - 1) == resumed.network.topology


def test_states_are_json_and_the_rule_is_pure() -> None:
    frame, _ = clusters(2)
    one, other = (priced(MixtureNetwork.suited(frame), frame)[0] for _ in range(2))
    assert one == other
    state = crp().init(MixtureNetwork.suited(frame))
    assert json.loads(json.dumps(state)) == state


def test_other_networks_and_senseless_settings_are_refused() -> None:
    lagged = LaggedNetwork.bare(("a", "b"), 1)
    values = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ConfigError, match="only a mixture"):
        run(lagged, values, Controller(crp()), epochs=1)
    with pytest.raises(ConfigError, match="births"):
        CRP(births=-1)
    with pytest.raises(ConfigError, match="widths"):
        CRP(widths=(0.0,))
    assert priced_nothing() == ()


def priced_nothing():
    frame, _ = clusters(1, rows=20)
    network = MixtureNetwork.suited(frame)
    after, signals = network.epoch(network.prepare(frame), key=KEY)
    idle = CRP(births=0, splits=0, moves=0, merges=0, deaths=0, widths=())
    pricing = Pricing(network, network.prepare(frame), KEY)
    return idle.score(after, signals, {}, evaluate=pricing, key=KEY)[0]


def _edits(edit):
    return edit if isinstance(edit, tuple) else (edit,)


def _best(rule, network, after, signals, data):
    pricing = Pricing(network, data, KEY, running=True)
    proposals, _ = rule.propose(after, signals, rule.init(network), evaluate=pricing, key=KEY)
    wanted = [one for one in proposals if one.wanted]
    return wanted[0].edits if wanted else None
