"""Streams: the same graph as a batch, however rows arrive; alarms, regimes, deletion, files, refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.discovery.regimes import weighted
from sostruct.discovery.streaming import StreamingDiscovery
from sostruct.tasks.links import Links, simulate

NAMES = ["a", "b", "c", "d"]
ONE = Links(
    *map(np.array, ([0, 1, 2, 3, 0, 1], [0, 1, 2, 3, 1, 2], [1, 1, 1, 1, 2, 1], [0.3, 0.3, 0.3, 0.3, 0.8, 0.7]))
)
OTHER = Links(
    *map(np.array, ([0, 1, 2, 3, 3, 2], [0, 1, 2, 3, 0, 1], [1, 1, 1, 1, 1, 2], [-0.4, 0.3, 0.3, -0.4, 0.9, -0.9]))
)
THIRD = Links(
    *map(np.array, ([0, 1, 2, 3, 1, 3], [0, 1, 2, 3, 0, 2], [1, 1, 1, 1, 1, 1], [0.3, -0.4, -0.4, 0.3, 0.9, -0.9]))
)
FOURTH = Links(
    *map(np.array, ([0, 1, 2, 3, 2, 0], [0, 1, 2, 3, 0, 3], [1, 1, 1, 1, 2, 1], [0.3, 0.3, 0.3, 0.3, -0.9, 1.0]))
)


def rows(*parts: tuple[Links, int], seed: int = 0) -> np.ndarray:
    """Systems one after the other, each from where the one before it ended."""
    generator = np.random.default_rng(seed)
    found = np.zeros((3, 4))
    for links, steps in parts:
        noise = generator.standard_normal((steps, 4))
        alone = simulate(links, noise)
        past = np.zeros((steps + 3, 4))
        past[:3] = found[-3:]
        for step in range(3, steps + 3):  # what the past before the stretch adds
            np.add.at(past[step], links.effect, links.weight * past[step - links.lag, links.cause])
        found = np.concatenate([found, alone + past[3:]])
    return found[3:]


def fed(values: np.ndarray, size: int, **settings: object) -> StreamingDiscovery:
    stream = StreamingDiscovery(NAMES, **settings)
    for start in range(0, len(values), size):
        stream.observe(values[start : start + size])
    return stream


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return rows((ONE, 300)) + 5.0


@pytest.fixture(scope="module")
def changing() -> np.ndarray:
    return rows((ONE, 300), (OTHER, 300), (ONE, 300), seed=1)


def test_a_stretch_without_alarms_is_a_batch(plain):
    stream = StreamingDiscovery()
    frame = pd.DataFrame(plain, columns=NAMES)
    for start in range(0, 300, 70):
        update = stream.observe(frame[start : start + 70][NAMES[::-1]] if start else frame[:70])
        assert (update.first_row, update.regime, update.alarms, update.returns) == (start, 0, (), ())
    batch = ss.discover(frame, max_lag=3, functions="linear")
    pd.testing.assert_frame_equal(stream.edges, batch.edges, rtol=1e-8)
    pd.testing.assert_frame_equal(stream.found.summary_probability, batch.summary_probability, rtol=1e-8)
    assert set(stream.graph.edges) == set(batch.graph.edges)
    assert stream.found is stream.found


def test_chunks_do_not_matter(changing):
    whole, single = fed(changing, 900), fed(changing, 1)
    assert len(whole.alarms) == 2
    pd.testing.assert_frame_equal(whole.alarms, single.alarms)
    pd.testing.assert_frame_equal(whole.regimes, single.regimes)
    pd.testing.assert_frame_equal(whole.found.scores, single.found.scores, rtol=0, atol=0)


def test_changes_raise_alarms_and_a_regime_returns(changing):
    stream = StreamingDiscovery(NAMES)
    updates = [stream.observe(changing[start : start + 50]) for start in range(0, 900, 50)]
    alarms = [alarm for update in updates for alarm in update.alarms]
    assert [alarm.regime for alarm in alarms] == [1, 2]
    for alarm, change in zip(alarms, (300, 600), strict=True):
        assert change <= alarm.row <= change + 50
        assert abs(alarm.change - change) <= 20
        assert alarm.nodes
        assert set(alarm.nodes) <= set(NAMES)
    (returned,) = [entry for update in updates for entry in update.returns]
    assert (returned.regime, returned.instead_of) == (0, 2)
    assert updates[-1].regime == 0
    assert stream.alarms["returned"].tolist()[1] == 0
    assert stream.regimes["regime"].tolist() == [0, 1, 0]
    assert stream.found.posterior.count > 500
    for number, links in ((0, ONE), (1, OTHER)):
        true = {(NAMES[one], NAMES[two]) for one, two in zip(links.cause, links.effect, strict=True)}
        assert set(stream.regime(number).graph.edges()) == true


@pytest.mark.parametrize("tails", [None, 4.0])
def test_nothing_changes_and_there_is_no_alarm(tails):
    generator = np.random.default_rng(3)
    noise = generator.standard_normal((2000, 4)) if tails is None else generator.standard_t(tails, (2000, 4))
    assert fed(simulate(ONE, noise), 500).alarms.empty


def test_no_alarms_are_raised_where_none_are_wanted(changing):
    stream = fed(changing, 900, rows_per_false_alarm=None)
    assert stream.alarms.empty
    batch = ss.discover(pd.DataFrame(changing, columns=NAMES), functions="linear", contemporaneous=False)
    pd.testing.assert_frame_equal(stream.found.summary, batch.summary, rtol=1e-8)


@pytest.mark.parametrize("half_life", [None, 200.0])
def test_deletion_is_a_refit_without_the_rows(plain, half_life):
    stream = fed(plain[:250], 100, half_life=half_life)
    stream.forget(100, 119)
    stream.forget(110, 130)
    stream.forget(240, 249)
    stream.observe(plain[250:])
    left = np.array([row for row in range(3, 300) if not 100 <= row <= 133 and not 240 <= row <= 252])
    weight = np.ones(len(left)) if half_life is None else 0.5 ** ((299 - left) / half_life)
    centered = plain - plain[0]
    first, second = np.zeros(16), np.zeros((16, 16))
    for row, own in zip(left, weight, strict=True):
        part = weighted(centered[row - 3 : row + 1], 3, np.array([own]))
        first, second = first + part.first, second + part.second
    found = stream.engine.present.moments()
    np.testing.assert_allclose(found.count, weight.sum(), rtol=1e-10)
    np.testing.assert_allclose(found.first, first, atol=1e-8)
    np.testing.assert_allclose(found.second, second, rtol=1e-10, atol=1e-8)
    assert stream.alarms.empty


def test_deletion_of_the_end_is_as_if_it_had_not_been(plain):
    stream, shorter = fed(plain, 100), fed(plain[:200], 100)
    stream.forget(200, 299)
    pd.testing.assert_frame_equal(stream.found.scores, shorter.found.scores, rtol=1e-8)


def test_a_saved_stream_goes_on_bit_for_bit(changing, tmp_path):
    for place, cut in enumerate((2, 150, 310, 450, 650)):
        folder = tmp_path / str(place)
        fed(changing[:cut], 100).save(folder)
        again, through = StreamingDiscovery.load(folder), fed(changing[:cut], 100)
        for stream in (again, through):
            stream.observe(changing[cut:])
        again.save(folder)
        through.save(tmp_path / "through")
        assert (folder / "stream.json").read_bytes() == (tmp_path / "through" / "stream.json").read_bytes()
        assert len(list(folder.iterdir())) == 2
        pd.testing.assert_frame_equal(again.found.scores, through.found.scores, rtol=0, atol=0)


def test_regimes_beyond_the_bound_are_dropped_and_said_to_be(changing, tmp_path):
    stream = StreamingDiscovery(NAMES, most_regimes=1)
    updates = [stream.observe(changing[start : start + 50]) for start in range(0, 900, 50)]
    assert [number for update in updates for number in update.dropped] == [0]
    assert sum(len(update.returns) for update in updates) == 0
    assert list(stream.engine.library) == [1]
    first, second = (fed(changing[:450], 50).alarms["change"][0], stream.alarms["change"][1])
    table = stream.regimes
    assert table["regime"].tolist() == [0, 1, 2]
    assert table["kept"].tolist() == [False, True, True]
    assert table["first_row"].tolist() == [3, first, second]
    assert table["last_row"].tolist() == [first - 1, second - 1, 899]
    with pytest.raises(ss.ConfigError, match=r"regime 0.*most_regimes=1.*'1', '2'.*larger"):
        stream.regime(0)
    stream.save(tmp_path)
    again = StreamingDiscovery.load(tmp_path)
    pd.testing.assert_frame_equal(again.regimes, table)
    assert again.settings["most_regimes"] == 1


def test_what_was_there_last_is_kept():
    values = rows((ONE, 300), (OTHER, 300), (ONE, 300), (THIRD, 300), (FOURTH, 300), seed=1)
    stream, free = fed(values, 100, most_regimes=2), fed(values, 100, most_regimes=None)
    assert free.regimes["regime"].tolist() == stream.regimes["regime"].tolist() == [0, 1, 0, 3, 4]
    assert [entry.number for entry in stream.engine.dropped] == [1]
    assert sorted(stream.engine.library) == [0, 3]
    assert stream.regimes["kept"].tolist() == [True, False, True, True, True]
    assert sorted(free.engine.library) == [0, 1, 3]
    assert free.regimes["kept"].all()
    pd.testing.assert_frame_equal(stream.found.scores, free.found.scores, rtol=0, atol=0)


def test_streams_saved_before_there_was_a_bound_load(changing, tmp_path):
    fed(changing[:700], 100).save(tmp_path)
    plan = json.loads((tmp_path / "stream.json").read_text())
    del plan["settings"]["most_regimes"], plan["dropped"]
    (tmp_path / "stream.json").write_text(json.dumps(plan))
    again, through = StreamingDiscovery.load(tmp_path), fed(changing, 100)
    again.observe(changing[700:])
    assert again.settings["most_regimes"] == 50
    pd.testing.assert_frame_equal(again.regimes, through.regimes)
    pd.testing.assert_frame_equal(again.found.scores, through.found.scores, rtol=0, atol=0)


def test_a_stream_without_rows_is_saved_too(tmp_path):
    StreamingDiscovery(max_lag=2).save(tmp_path)
    assert StreamingDiscovery.load(tmp_path).settings["max_lag"] == 2
    assert "no rows" in repr(StreamingDiscovery.load(tmp_path))


def test_damaged_files_are_refused(plain, tmp_path):
    with pytest.raises(ss.RunError, match="Cannot read a stream"):
        StreamingDiscovery.load(tmp_path)
    fed(plain, 300).save(tmp_path)
    (arrays,) = tmp_path.glob("*.npz")
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(ss.RunError, match="other bytes"):
        StreamingDiscovery.load(tmp_path)


def test_memory_is_bounded_where_rows_are_not_kept():
    long = simulate(ONE, np.random.default_rng(0).standard_normal((3000, 4)))
    stream = fed(long, 100, keep=False, remembered=60)
    assert len(stream.engine.present.rows) <= 512
    kept = fed(long, 100, remembered=60)
    pd.testing.assert_frame_equal(stream.found.scores, kept.found.scores, rtol=0, atol=0)
    stream.forget(2990, 2999)
    kept.forget(2990, 2999)
    pd.testing.assert_frame_equal(stream.found.scores, kept.found.scores, rtol=0, atol=0)
    with pytest.raises(ss.DataError, match="only rows 2937 to 2999"):
        stream.forget(5, 10)


def test_what_cannot_be_observed_is_refused_and_changes_nothing(plain):
    stream = fed(plain[:100], 100)
    gap, huge = plain[:3].copy(), plain[:3].copy()
    gap[1, 2], huge[2, 0] = np.nan, np.inf
    for chunk, message in (
        (gap, "'c'.*missing in row 1 of the chunk, row 101 of the stream"),
        (huge, "'a'.*infinite in row 2"),
        (plain[:3, :3], "3 columns"),
        (plain[0], "1 dimensions"),
        (pd.DataFrame(plain[:3], columns=["a", "b", "c", "e"]), "'e'"),
        (pd.DataFrame({name: ["x"] for name in NAMES}), "only real numbers"),
    ):
        with pytest.raises(ss.DataError, match=message):
            stream.observe(chunk)
    assert stream.rows == 100
    stream.observe(plain[100:])
    pd.testing.assert_frame_equal(stream.found.scores, fed(plain, 300).found.scores, rtol=0, atol=0)


def test_questions_that_have_no_answer_are_refused(plain):
    stream = StreamingDiscovery()
    with pytest.raises(ss.DataError, match="no rows"):
        _ = stream.graph
    with pytest.raises(ss.DataError, match="no rows"):
        stream.forget(0, 1)
    with pytest.raises(ss.DataError, match="1 series"):
        stream.observe(plain[:, :1])
    stream.observe(plain[:10])
    with pytest.raises(ss.DataError, match="13 are needed"):
        _ = stream.edges
    with pytest.raises(ss.DataError, match="the stream has seen 10 rows"):
        stream.forget(5, 10)
    with pytest.raises(ss.ConfigError, match="regime 3"):
        stream.regime(3)
    constant = StreamingDiscovery()
    constant.observe(np.ones((50, 2)))
    with pytest.raises(ss.DataError, match="not varied"):
        _ = constant.found


@pytest.mark.parametrize(
    "settings",
    [
        {"half_life": 5.0},
        {"rows_per_false_alarm": 0.5},
        {"remembered": 0},
        {"most_regimes": 0},
        {"max_lag": 0},
        {"ridge": -1.0},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ss.ConfigError, match="Cannot"):
        StreamingDiscovery(NAMES, **settings)
