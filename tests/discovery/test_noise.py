"""Which noise a series is said to have, and what knowing it does to the graph."""

import numpy as np
import pytest

import sostruct as ss
from sostruct.discovery.noise import KINDS, fitted
from sostruct.discovery.volatility import changing, volatility
from sostruct.errors import ConfigError
from sostruct.tasks import SparseVAR

ROWS = 400


def bursts(seed: int, series: int = 3, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Noise that is five times as strong every other hundred rows, and its log variance."""
    rng = np.random.default_rng(seed)
    log_variance = np.where((np.arange(rows) // 100) % 2 == 1, 2 * np.log(5.0), 0.0)[:, None] * np.ones(series)
    return rng.normal(size=(rows, series)) * np.exp(log_variance / 2), log_variance


def driven(noise: np.ndarray, strength: float = 0.25) -> np.ndarray:
    """x -> y -> z at lag 1."""
    matrix = 0.3 * np.eye(3) + strength * np.eye(3, k=1)
    values = np.zeros_like(noise)
    for row in range(1, len(noise)):
        values[row] = values[row - 1] @ matrix + noise[row]
    return values


def test_gaussian_noise_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    assert all(fitted(rng.normal(size=(ROWS, 10)), "auto").alike for _ in range(20))


@pytest.mark.parametrize("kind", ["student", "volatile"])
def test_each_kind_is_recognized_series_by_series(kind: str) -> None:
    rng = np.random.default_rng(1)
    strange = rng.standard_t(3, (ROWS, 2)) if kind == "student" else bursts(1, 2)[0]
    found = fitted(np.concatenate([strange, rng.normal(size=(ROWS, 2))], axis=1), "auto")
    assert [KINDS[number] for number in found.noise.kind] == [kind, kind, "gaussian", "gaussian"]
    np.testing.assert_array_equal(found.rows[:, 2:], 1.0)
    np.testing.assert_array_equal(found.share[2:], 1.0)


def test_predicted_volatility_follows_the_bursts_and_not_the_row() -> None:
    values, truth = bursts(2)
    found = volatility(values)
    assert np.corrcoef(found.weighing.ravel(), truth.ravel())[0, 1] > 0.85
    assert (found.evidence > 50 - 0.5 * ROWS * (np.log(2 * np.pi * np.mean(values**2, axis=0)) + 1)).all()
    moved = values.copy()
    moved[250, 0] *= 1.5
    other = volatility(moved)
    np.testing.assert_allclose(other.predicted[:250, 0] - found.predicted[:250, 0], 0.0, atol=0.1)
    assert changing(values).all()


def test_outliers_are_no_burst() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(ROWS, 3))
    values[rng.random(values.shape) < 0.01] *= 12
    found = fitted(values, "auto")
    assert {KINDS[number] for number in found.noise.kind} <= {"student", "gaussian"}


@pytest.mark.parametrize("kind", ["student", "volatile"])
def test_weights_show_more_of_the_graph(kind: str) -> None:
    nats: dict[str, list[float]] = {"gaussian": [], "auto": []}
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_t(2.5, (ROWS, 3))
        if kind == "volatile":  # each series in its own time: of bursts that all share, nothing is gained
            noise = np.stack([np.roll(own, 67 * place) for place, own in enumerate(bursts(seed)[0].T)], axis=1)
        values = driven(noise, 0.15)
        for setting, found in nats.items():
            scores = ss.discover(values, 2, noise=setting, contemporaneous=False, probabilities=False).scores
            prices = scores.set_index(["cause", "effect", "lag"])["nats"]
            found += [prices["x0", "x1", 1], prices["x1", "x2", 1]]
    gained = np.array(nats["auto"]) - np.array(nats["gaussian"])
    assert gained.mean() > 2.5
    assert (gained > 0).mean() >= 0.7


def test_gaussian_systems_are_found_as_before() -> None:
    task = SparseVAR(nodes=6, steps=300)
    for seed in range(4):
        frame = task.load(seed).frame
        one, two = (ss.discover(frame, noise=noise).scores for noise in ("gaussian", "auto"))
        assert one.equals(two)


@pytest.mark.parametrize(
    ("settings", "said"), [({"noise": "cauchy"}, "one of auto"), ({"noise": "student"}, "missing")]
)
def test_refusals(settings: dict, said: str) -> None:
    values = driven(bursts(0)[0])
    values[5, 1] = np.nan
    with pytest.raises(ConfigError, match=said):
        ss.CausalDiscovery(**settings).check(values)


def test_every_kind_can_be_asked_for() -> None:
    values = driven(np.random.default_rng(4).normal(size=(300, 3)))
    for noise in ("student", "volatile"):
        found = ss.discover(values, noise=noise)
        assert {("x0", "x1"), ("x1", "x2")} <= set(found.edges[["cause", "effect"]].itertuples(index=False, name=None))
