"""What is said of noise that is not Gaussian, and that everything done with a result knows of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.discovery.noise import reweighted
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.volatility import _piecewise, predictions, volatility
from sostruct.errors import ConfigError
from sostruct.networks.lagged import weighted as limits
from sostruct.networks.lagged.fixed_point import Search, searched
from sostruct.networks.lagged.moments import less
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.settling import settled

ROWS, AFTER = 500, 300
NAMES = ["calm", "heavy", "stormy", "plain"]


def series(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """calm -> heavy -> stormy -> plain at lag 1, noise as their names say, and the true sd of the stormy one."""
    rng = np.random.default_rng(seed)
    rows = ROWS + AFTER
    noise = rng.normal(size=(rows, 4))
    noise[:, 1] = rng.standard_t(3.0, rows)
    storm = np.where(np.arange(rows) // 80 % 2 == 1, 6.0, 1.0)
    noise[:, 2] *= storm
    matrix = 0.3 * np.eye(4) + 0.4 * np.eye(4, k=1)
    values = np.zeros_like(noise)
    for row in range(1, rows):
        values[row] = values[row - 1] @ matrix + noise[row]
    return pd.DataFrame(values + 10.0, columns=NAMES), storm


@pytest.fixture(scope="module")
def both():
    frame, storm = series(0)
    seen = frame.iloc[:ROWS]
    settings = {"contemporaneous": False, "functions": "linear"}
    found = {noise: ss.discover(seen, 2, noise=noise, **settings) for noise in ("auto", "gaussian")}
    return seen, frame.iloc[ROWS:].reset_index(drop=True), storm[2:ROWS], found


def test_every_series_has_its_kind_tails_and_strength(both) -> None:
    _, _, storm, found = both
    noise = found["auto"].noise
    assert noise["kind"].to_dict() == {
        "calm": "gaussian",
        "heavy": "student",
        "stormy": "volatile",
        "plain": "gaussian",
    }
    assert noise.loc["heavy", "student_nats"] > 10
    assert noise.loc["stormy", "volatile_nats"] > noise.loc["stormy", "student_nats"] > 0
    assert noise.loc["heavy", "freedom"] == pytest.approx(3.0, rel=0.35)
    assert np.isinf(noise.loc[["calm", "plain"], "freedom"]).all()
    assert noise.loc["heavy", "sd"] == pytest.approx(np.sqrt(3.0), rel=0.2)
    assert noise.loc["stormy", "sd"] == pytest.approx(np.sqrt(np.mean(storm**2)), rel=0.2)
    assert noise.loc["calm", ["sd_quiet", "sd_strong"]].tolist() == [noise.loc["calm", "sd"]] * 2
    assert noise.loc["heavy", "rows"] == pytest.approx((ROWS - 2) * 4 / 6, rel=0.1)
    volatility = found["auto"].volatility
    assert len(volatility) == ROWS - 2
    np.testing.assert_allclose(np.sqrt((volatility**2).mean()), noise["sd"], rtol=1e-12)
    assert np.corrcoef(np.log(volatility["stormy"]), np.log(storm))[0, 1] > 0.85
    strong, weak = (np.median(volatility["stormy"][storm == level]) for level in (6.0, 1.0))
    assert strong / weak == pytest.approx(6.0, rel=0.4)


def test_where_rows_count_alike_the_tables_say_so(both) -> None:
    found = both[3]["gaussian"]
    assert set(found.noise["kind"]) == {"gaussian"}
    assert found.noise[["student_nats", "volatile_nats"]].isna().all(axis=None)
    assert found.noise["sd"].tolist() == found.posterior.noise_sd.tolist()
    assert len(found.volatility) == 1


def test_weights_are_nearer_to_the_truth_and_know_how_near() -> None:
    """Over seeds: smaller errors than with rows alike, of the size that their standard deviations say."""
    errors, doubts = {"auto": [], "gaussian": []}, []
    for seed in range(8):
        frame, _ = series(seed)
        for noise, own in errors.items():
            scores = ss.discover(frame, 1, noise=noise, functions="linear", contemporaneous=False, probabilities=False)
            edges = scores.scores.set_index(["cause", "effect"]).loc[[("calm", "heavy"), ("heavy", "stormy")]]
            own += (edges["weight"] - 0.4).tolist()
            doubts += (((edges["weight"] - 0.4) / edges["weight_sd"]) ** 2).tolist() if noise == "auto" else []
    assert np.mean(np.square(errors["auto"])) < 0.6 * np.mean(np.square(errors["gaussian"]))
    assert 0.4 < np.mean(doubts) < 2.0  # mean of 16 squares of standard normals


def test_doubt_by_slot_is_that_of_the_weights(both) -> None:
    """What forecasts and interventions draw from, against what the tables say: sd_j^2 A^-1 over the columns' scales."""
    found = both[3]["auto"]
    posterior = found.posterior
    edges = found.edges.set_index(["effect", "cause", "lag"])
    for target, slots in enumerate(posterior.slots):
        for place in np.flatnonzero(slots >= 0):
            cause, lag = posterior.terms.links[slots[place]]
            spread = posterior.noise_sd[target] * np.sqrt(posterior.inverse[target, place, place])
            spread /= posterior.term_scale[target, slots[place]]
            assert spread == pytest.approx(edges.loc[(NAMES[target], cause, lag), "weight_sd"], rel=1e-9)
            weight = edges.loc[(NAMES[target], cause, lag), "weight"]
            assert posterior.coefficient[target, place] == pytest.approx(weight, rel=1e-9)


def test_explanations_price_by_each_series_own_statistics(both) -> None:
    found = both[3]["auto"]
    for edge in found.scores.itertuples():
        told = found.explain(edge.cause, edge.effect, edge.lag)
        assert told.nats == pytest.approx(edge.nats, abs=1e-6)
        assert told.more_rows.set_index("rows")["nats"].iloc[2] == pytest.approx(edge.nats, abs=1e-6)


def test_predictions_have_the_tails_of_the_noise(both) -> None:
    _, after, _, found = both
    ahead = {noise: one.predict(after) for noise, one in found.items()}
    gained = ahead["auto"].log_score - ahead["gaussian"].log_score
    assert gained["heavy"] > 0.02
    assert gained["stormy"] > 0.02
    np.testing.assert_allclose(gained["calm"], 0.0, atol=0.01)
    np.testing.assert_allclose(ahead["auto"].sd["stormy"].mean(), found["auto"].noise.loc["stormy", "sd"], rtol=0.02)


def test_courses_have_the_noise_that_was_found(both) -> None:
    found = both[3]["auto"]
    result = found.intervene({"calm": 10.0}, 1, against={"calm": 11.0}, samples=20_000)
    np.testing.assert_allclose(result.sd["stormy"].iloc[0], found.noise.loc["stormy", "sd"], rtol=0.1)
    np.testing.assert_allclose(result.mean["plain"].iloc[0], 10.0, atol=0.7)
    spread = ((result.upper - result.lower) / result.sd).iloc[0]
    assert spread["heavy"] < 0.95 * spread["plain"]


def test_files_keep_all_of_it(both, tmp_path: Path) -> None:
    found = both[3]["auto"]
    buffer = io.BytesIO()
    found.posterior.save(buffer)
    (tmp_path / "posterior.npz").write_bytes(buffer.getvalue())
    again = ss.Discovery(Posterior.load(tmp_path / "posterior.npz"), found.journal, found.history, found.settled)
    pd.testing.assert_frame_equal(again.noise, found.noise)
    pd.testing.assert_frame_equal(again.volatility, found.volatility)
    assert repr(again.explain("heavy", "stormy")) == repr(found.explain("heavy", "stormy"))


def test_resamples_keep_the_weights(both) -> None:
    """Every row drawn once is the search itself; and strong edges are in all resamples."""
    seen, _, _, found = both
    values = seen.to_numpy()
    network = reweighted(Search(values, LaggedNetwork.bare(NAMES, 2)), "auto")[0].network
    weights = network.weights
    assert weights is not None
    once = network.weighted(weights.drawn(np.ones(ROWS - 2, np.int64)))
    data = once.prepare(values)
    end = settled(network, [data, data])
    there, _ = searched(network, network.prepare(values))
    for number in (0, 1):
        np.testing.assert_array_equal(end.mask[number].sum(axis=1), np.asarray(there.packed.mask).sum(axis=1))
        for target in range(4):
            own = end.mask[number][target]
            order = np.asarray(there.packed.mask)[target]
            np.testing.assert_array_equal(
                end.active[number][target][own], np.sort(np.asarray(there.packed.active)[target][order])
            )
    stable = ss.stability(seen, 2, resamples=5, contemporaneous=False, functions="linear")
    pd.testing.assert_frame_equal(stable.edges.drop(columns="frequency"), found["auto"].edges)
    assert (stable.edges["frequency"][found["auto"].edges["nats"] > 40] == 1).all()


def test_filters_begin_anew_at_every_realization() -> None:
    rng = np.random.default_rng(1)
    left = rng.normal(size=(90, 2)) * np.repeat([1.0, 5.0, 1.0], [30, 40, 20])[:, None]
    pieces = [left[:30], left[30:70], left[70:]]
    np.testing.assert_allclose(
        _piecewise(left, (30, 40, 20)), np.concatenate([predictions(piece) for piece in pieces]), rtol=1e-9, atol=1e-12
    )


def test_nothing_is_known_at_the_ends_of_realizations() -> None:
    """Before the first row of each, and after the last, the prediction is that of the prior."""
    rng = np.random.default_rng(2)
    left = rng.normal(size=(90, 1)) * np.repeat([1.0, 5.0], 45)[:, None]
    found = volatility(left, (30, 60))
    backward = 2 * found.weighing - found.predicted
    assert found.predicted[0, 0] == pytest.approx(found.predicted[30, 0], abs=1e-12)
    assert backward[29, 0] == pytest.approx(backward[89, 0], abs=1e-12)
    assert abs(backward[59, 0] - backward[89, 0]) > 0.1


def test_realizations_and_seasons_are_weighted_too(both) -> None:
    seen, _, _, found = both
    halves = [seen.iloc[:260], seen.iloc[260:].reset_index(drop=True)]
    together = ss.discover(halves, 2, contemporaneous=False, functions="linear")
    assert together.noise["kind"].tolist() == found["auto"].noise["kind"].tolist()
    assert len(together.volatility) == ROWS - 4
    wave = seen.add(3 * np.sin(2 * np.pi * np.arange(ROWS) / 12), axis=0)
    seasonal = ss.discover(wave, 2, season=12, contemporaneous=False, functions="linear")
    assert seasonal.noise["kind"].tolist() == found["auto"].noise["kind"].tolist()


def test_rows_spent_on_a_season_count_for_no_series(both) -> None:
    values = both[0].to_numpy()
    network = reweighted(Search(values, LaggedNetwork.bare(NAMES, 2)), "auto")[0].network
    data = network.prepare(values)
    fewer = less(data, 40)
    np.testing.assert_allclose(fewer.count, np.asarray(data.count) - 40)
    share = np.asarray(fewer.count) / np.asarray(data.count)
    for target in range(4):
        np.testing.assert_allclose(fewer.gram[target], np.asarray(data.gram)[target] * share[target])
        np.testing.assert_allclose(fewer.cross[target], np.asarray(data.cross)[target] * share[target])


def test_what_cannot_be_weighted(both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gaps, large systems and streams: left alone where the data decide, refused where the user does."""
    seen = both[0].copy()
    seen.iloc[40:60, 1] = np.nan
    gaps = ss.discover(seen, 2)
    assert set(gaps.noise["kind"]) == {"gaussian"}
    with pytest.raises(ConfigError, match="on a stream"):
        ss.StreamingDiscovery(noise="student")
    monkeypatch.setattr(limits, "MOST_NUMBERS", 10.0)
    with pytest.raises(ConfigError, match=r"4 series and max_lag=2.*noise='auto'"):
        ss.discover(both[0], 2, noise="volatile")
    assert set(ss.discover(both[0], 2, functions="linear").noise["kind"]) == {"gaussian"}


def test_curves_are_not_taken_for_outliers_nor_outliers_for_curves() -> None:
    rng = np.random.default_rng(3)
    straight = np.zeros((300, 4))
    noise = rng.standard_t(2.5, straight.shape)
    for row in range(1, 300):
        straight[row] = straight[row - 1] @ (0.3 * np.eye(4) + 0.4 * np.eye(4, k=1)) + noise[row]
    assert set(ss.discover(straight, 2, probabilities=False).edges["function"]) == {"line"}
    bent = rng.normal(size=(300, 2))
    bent[1:, 1] = np.abs(bent[:-1, 0]) * 2 + 0.3 * rng.standard_t(4, 299)
    found = ss.discover(bent, 1)
    assert "curve" in found.edges["function"].iloc[0]
    weighed = ss.discover(bent, 1, noise="student", functions="curved")
    assert set(weighed.noise["kind"]) == {"student"}
    assert ("x0", "x1") in set(weighed.edges[["cause", "effect"]].itertuples(index=False, name=None))
    assert np.isfinite(weighed.predict(bent, 3).mean.to_numpy()).all()
