"""The errors an epoch reports: their sums against plain numpy, and what missing structure does to them."""

import jax
import networkx as nx
import numpy as np
import pytest

from sostruct.networks.hgf.network import HGF
from sostruct.numerics import double_precision
from sostruct.surprise import ERROR_MEMORY, ERROR_STRIDE, ErrorSignals, Signals
from tests.networks.hgf.schedules import PAIRS, Settings, System, example, filtered

KEY = jax.random.key(0)


def network(graph: nx.MultiDiGraph, **settings: object) -> HGF:
    return HGF(graph, schedule="packed", **settings)


def reported(system: System, settings: Settings) -> tuple[HGF, Signals]:
    own = HGF(
        system.graph,
        inputs=system.inputs,
        update=settings.update,
        mean_field=settings.mean_field,
        carry=settings.carry,
        linearize=settings.linearize,
        assimilate=settings.assimilate,
        schedule="packed",
    )
    return own, own.epoch(own.prepare(system.data, system.time_steps), key=KEY)[1]


@pytest.mark.parametrize("settings", PAIRS[:2], ids=str)
def test_sums_are_those_of_the_trajectory(settings: Settings) -> None:
    system = example(43)
    run = filtered(system, settings)
    own, signals = reported(system, settings)
    errors = signals.errors
    assert errors is not None
    gaussian = {name: system.graph.nodes[name]["kind"] != "binary" for name in system.inputs}
    columns = {}
    for name in own.nodes:
        of = {quantity: run.beliefs[quantity][name] for quantity in run.beliefs}
        error, sharp = of["mean"] - of["expected_mean"], of["expected_precision"]
        news = (error != 0.0) | (system.graph.nodes[name]["kind"] == "constant")
        with np.errstate(invalid="ignore"):
            z = np.where(error != 0.0, error * np.sqrt(sharp), 0.0)
            misfit = np.where(error != 0.0, sharp / of["precision"] + sharp * error**2 - 1.0, 0.0)
        if name in system.inputs:
            misfit = 2.0 * (run.marginal[name] - run.entropy[name])
            if gaussian[name]:
                z = np.where(news, np.sign(error) * np.sqrt(np.maximum(misfit + 1.0, 0.0)), 0.0)
        columns[name] = z, misfit, news
    for place, name in enumerate(own.nodes):
        z, misfit, news = columns[name]
        pairs = news[1:] & news[:-1]
        wanted = {
            "value": z.sum(),
            "value_squared": (z**2).sum(),
            "value_lagged": (z[1:] * z[:-1]).sum(),
            "volatility": misfit.sum(),
            "volatility_squared": (misfit**2).sum(),
            "volatility_lagged": (misfit[1:] * misfit[:-1]).sum(),
            "count": news.sum(),
            "pairs": pairs.sum(),
        }
        for quantity, number in wanted.items():
            found = float(getattr(errors, quantity)[place])
            assert found == pytest.approx(number, rel=1e-7, abs=1e-8), f"{quantity} of {name}"
        for kept, series in ((errors.smooth_value, z), (errors.smooth_volatility, misfit)):
            smooth, own_kept = 0.0, []
            for step, number in enumerate(series):
                smooth += (number - smooth) / ERROR_MEMORY
                if step % ERROR_STRIDE == ERROR_STRIDE - 1 or step == len(series) - 1:
                    own_kept.append(smooth)
            np.testing.assert_allclose(kept[:, place], own_kept, rtol=1e-7, atol=1e-9, err_msg=name)


def test_volatility_errors_are_twice_the_excess() -> None:
    system = example(60, missing=0.1)
    _, signals = reported(system, PAIRS[0])
    np.testing.assert_allclose(signals.errors.volatility, 2.0 * np.asarray(signals.excess), rtol=1e-9, atol=1e-9)


def bare(columns: int, **parameters: float) -> nx.MultiDiGraph:
    """Inputs of noise variance .25, each with a state of its own."""
    graph = nx.MultiDiGraph()
    for number in range(columns):
        graph.add_node(f"x{number}", kind="continuous", precision=4.0)
        graph.add_node(f"s{number}", kind="continuous", **parameters)
        graph.add_edge(f"s{number}", f"x{number}", coupling="value", strength=1.0)
    return graph


def walks(seed: int, steps: int, columns: int, drift: float = 0.0, volatile: float = 0.0) -> np.ndarray:
    """Noisy random walks of unit steps; they may share a drift and a log variance, both slow."""
    rng = np.random.default_rng(seed)
    slow = np.zeros((2, steps))
    for step in range(1, steps):
        slow[:, step] = 0.95 * slow[:, step - 1] + np.sqrt(1 - 0.95**2) * rng.normal(size=2)
    size = np.exp(0.5 * volatile * slow[0] - 0.25 * volatile**2)
    moves = drift * slow[1][:, None] + size[:, None] * rng.normal(size=(steps, columns))
    return np.cumsum(moves, 0) + 0.5 * rng.normal(size=(steps, columns))


def errors_of(values: np.ndarray) -> tuple[dict[str, int], ErrorSignals]:
    own = network(bare(values.shape[1], tonic_volatility=0.0))
    signals = own.epoch(own.prepare(values), key=KEY)[1]
    assert signals.errors is not None
    return {name: place for place, name in enumerate(own.nodes)}, signals.errors


def test_a_filter_of_its_own_data_has_no_pattern() -> None:
    place, errors = errors_of(walks(0, 4000, 3))
    for name in ("s0", "s1", "x2"):
        assert abs(errors.value_autocorrelation[place[name]]) < 0.06
        assert abs(errors.volatility_autocorrelation[place[name]]) < 0.06
        assert abs(errors.mean_volatility[place[name]]) < 0.12
    assert abs(errors.value_correlation[place["s0"], place["s1"]]) < 0.2
    assert abs(errors.volatility_correlation[place["s0"], place["s1"]]) < 0.2


def test_a_missing_drift_shows_in_value_errors() -> None:
    place, errors = errors_of(walks(1, 4000, 2, drift=0.7))
    assert errors.value_autocorrelation[place["s0"]] > 0.15
    assert errors.value_correlation[place["s0"], place["s1"]] > 0.4


def test_a_missing_volatility_shows_in_volatility_errors() -> None:
    place, errors = errors_of(walks(2, 4000, 2, volatile=1.0))
    assert errors.volatility_autocorrelation[place["s0"]] > 0.08
    assert errors.volatility_correlation[place["s0"], place["s1"]] > 0.3
    assert abs(errors.value_correlation[place["s0"], place["s1"]]) < 0.25


def test_correlations_are_symmetric_and_products_their_scale() -> None:
    _, errors = errors_of(walks(3, 200, 2))
    for products, correlation in (
        (errors.value_products, errors.value_correlation),
        (errors.volatility_products, errors.volatility_correlation),
    ):
        np.testing.assert_array_equal(products, products.T)
        np.testing.assert_allclose(np.diagonal(correlation), 1.0, rtol=1e-12)
        assert (np.diagonal(products) > 0.0).all()


def test_excess_is_as_uncertain_as_its_error_says() -> None:
    own = network(bare(40, tonic_volatility=0.0))
    signals = own.epoch(own.prepare(walks(4, 500, 40)), key=KEY)[1]
    inputs = [place for place, name in enumerate(own.nodes) if name.startswith("x")]
    scores = (np.asarray(signals.excess) / signals.excess_error)[inputs]
    assert abs(scores.mean()) < 0.5
    assert 0.75 < scores.std() < 1.3


def test_excess_that_comes_in_bursts_is_less_certain() -> None:
    own = network(bare(40, tonic_volatility=0.0))
    signals = own.epoch(own.prepare(walks(5, 2000, 40, volatile=1.0)), key=KEY)[1]
    errors = signals.errors
    count = np.asarray(errors.count)
    plain = 0.5 * np.sqrt(np.asarray(errors.volatility_squared) - count * errors.mean_volatility**2)
    assert (signals.excess_error > 1.05 * plain).mean() > 0.7


def test_nodes_without_news_have_no_errors() -> None:
    own = network(bare(2, tonic_volatility=0.0))
    values = walks(6, 50, 2)
    values[:, 1] = np.nan
    signals = own.epoch(own.prepare(values), key=KEY)[1]
    place = own.nodes.index("s1")
    for numbers in (signals.excess_error, signals.errors.mean_value, signals.errors.value_autocorrelation):
        assert numbers[place] == 0.0
    assert not signals.errors.value_correlation[place].any()


def test_prices_do_not_pay_for_errors() -> None:
    """A counterfactual wants the evidence alone: the compiler drops the sums and what is kept for pairs."""
    own = network(bare(2, tonic_volatility=0.0))
    data = own.prepare(walks(7, 55, 2))
    kept = f"{55 // ERROR_STRIDE},{own.packed.capacity.slots}"
    with double_precision(True):
        whole = jax.jit(lambda packed: packed.epoch(data, key=KEY)[1])
        price = jax.jit(lambda packed: packed.epoch(data, key=KEY)[1].evidence)
        assert f"[{kept}]" in whole.lower(own.packed).compile().as_text()
        assert f"[{kept}]" not in price.lower(own.packed).compile().as_text()
