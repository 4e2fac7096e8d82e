"""The closed forms of one component, against scipy and against their own definitions."""

import numpy as np
import pytest
from scipy import integrate

from sostruct.networks.mixture.conjugate import (
    Prior,
    Statistics,
    believe,
    log_density,
    log_partition,
    merge_price,
    nothing,
    seed_price,
)
from sostruct.numerics import double_precision

from .reference import Mixture, Seen, Settings, log_marginal

SETTINGS = Settings(center=[0.5, -1.0], precision=[4.0, 0.25], spread=[2.0, 5.0], freedom=3.5, concentration=0.7)


@pytest.fixture(autouse=True)
def _double():
    with double_precision():
        yield


def prior(**changes: float) -> Prior:
    values = {**vars(SETTINGS), **changes}
    return Prior(**{name: np.asarray(value, np.float64) for name, value in values.items()})


def statistics(*components: np.ndarray) -> Statistics:
    """What components have seen when each has had its own points [point, dim]."""
    count = np.array([len(points) for points in components], np.float64)
    return Statistics(
        weight=count,
        seen=np.repeat(count[:, None], 2, axis=1),
        mean=np.array([points.mean(axis=0) for points in components]),
        square=np.array([((points - points.mean(axis=0)) ** 2).sum(axis=0) for points in components]),
        overlap=np.zeros((len(count), len(count))),
        fresh=np.zeros(len(count), bool),
    )


def marginal(points: np.ndarray) -> float:
    return sum(log_marginal(SETTINGS, dim, points[:, dim].tolist()) for dim in range(2))


POINTS = np.random.default_rng(0).normal([1.0, -2.0], [0.4, 3.0], size=(7, 2))


def test_the_predictive_is_scipys_student_t() -> None:
    own = statistics(POINTS)
    belief = believe(prior(), own.seen, own.mean, own.square)
    got = np.asarray(log_density(belief, np.array([0.3, 4.0])))[0]
    for dim, value in enumerate((0.3, 4.0)):
        student = Mixture(SETTINGS, [], []).predictive(dim, Seen(7.0, own.mean[0, dim], own.square[0, dim]))
        assert got[dim] == pytest.approx(student.logpdf(value), rel=1e-12)
        assert float(belief.variance[0, dim]) == pytest.approx(student.var(), rel=1e-12)
        assert float(belief.mean[0, dim]) == pytest.approx(student.mean(), rel=1e-12)


def test_having_seen_nothing_is_the_prior() -> None:
    belief = nothing(prior())
    np.testing.assert_allclose(belief.mean, SETTINGS.center)
    noise, spread = 1 / np.array(SETTINGS.precision), np.array(SETTINGS.spread)
    np.testing.assert_allclose(belief.scale, noise + spread**2)


def test_the_marginal_is_the_product_of_the_predictives() -> None:
    own = statistics(POINTS)
    whole = log_partition(believe(prior(), own.seen, own.mean, own.square))[0] - log_partition(nothing(prior()))
    closed = float(whole.sum()) - 7 * np.log(2 * np.pi)
    assert closed == pytest.approx(marginal(POINTS), rel=1e-12)


def test_the_marginal_of_a_point_integrates_to_one() -> None:
    student = Mixture(SETTINGS, [], []).predictive(0, Seen(0.0, 0.0))
    belief = nothing(prior())
    total, _ = integrate.quad(lambda x: float(np.exp(log_density(belief, np.array([x, 0.0]))[0])), -np.inf, np.inf)
    assert total == pytest.approx(1.0, rel=1e-6)
    assert float(np.exp(log_density(belief, np.array([0.5, 0.0]))[0])) == pytest.approx(student.pdf(0.5))


def test_a_merge_is_worth_its_marginals_and_its_labels() -> None:
    one, other = POINTS[:3], POINTS[3:]
    prices = np.asarray(merge_price(prior(), statistics(one, other)))
    points = marginal(POINTS) - marginal(one) - marginal(other)
    # the Chinese restaurant: one table of 7 instead of tables of 3 and 4, lgamma(n) = log (n - 1)!
    labels = np.log(720.0) - np.log(2.0) - np.log(6.0) - np.log(0.7)
    assert prices[0, 1] == pytest.approx(points + labels, rel=1e-12)
    assert prices[1, 0] == pytest.approx(prices[0, 1], rel=1e-12)


def test_doubt_about_labels_is_no_reason_to_merge() -> None:
    own = statistics(POINTS[:3], POINTS[3:])
    doubtful = Statistics(**{**vars(own), "overlap": np.array([[0.0, 2.5], [2.5, 0.0]])})
    change = np.asarray(merge_price(prior(), doubtful)) - np.asarray(merge_price(prior(), own))
    assert change[0, 1] == pytest.approx(-2.5)


def test_a_seed_pays_for_its_place() -> None:
    place = np.array([[1.5, 3.0]])
    price = float(seed_price(prior(), np.ones(1), place)[0])
    again = sum(log_marginal(SETTINGS, dim, [place[0, dim]] * 2) for dim in range(2))
    once = sum(log_marginal(SETTINGS, dim, [place[0, dim]]) for dim in range(2))
    assert price == pytest.approx(once - (again - once), rel=1e-12)
    assert price < 0.0


def test_the_price_of_a_place_has_no_units() -> None:
    scaled = Prior(
        center=np.array(SETTINGS.center) * 1000.0,
        precision=np.array(SETTINGS.precision) / 1e6,
        spread=np.array(SETTINGS.spread) * 1000.0,
        concentration=np.asarray(0.7),
        freedom=np.asarray(3.5),
        keep=np.asarray(1.0),
    )
    place = np.array([[1.5, 3.0]])
    assert float(seed_price(scaled, np.ones(1), place * 1000.0)[0]) == pytest.approx(
        float(seed_price(prior(), np.ones(1), place)[0]), rel=1e-12
    )
