"""Draws against posteriors by quadrature on a grid, against fits of parts of the data, and against chains that fail."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import warnings

import jax
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.stats

import sostruct as ss
from sostruct.networks.hgf.generative.posterior import drawn_from
from sostruct.networks.hgf.inference import nuts
from sostruct.networks.hgf.inference.chains import Chains, Sampling
from sostruct.networks.hgf.inference.draws import ENOUGH, R_HAT
from sostruct.networks.hgf.inference.extras import extra
from sostruct.networks.hgf.inference.pointwise import log_likelihoods
from sostruct.numerics import double_precision

VOLATILITY = ss.priors.Normal(-2.0, 1.0)
NOISE = ss.priors.LogNormal(math.log(4.0), 0.7)
PRIORS = {"x": {"tonic_volatility": VOLATILITY}, "u": {"precision": NOISE}}
FEW = {"draws": 300, "warmup": 200}


def level(**more: float) -> ss.HGF:
    """A local level: its filter is exact, and so is its evidence."""
    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous", precision=4.0)
    graph.add_node("x", kind="continuous", tonic_volatility=-2.0, **more)
    graph.add_edge("x", "u")
    return ss.HGF(graph)


def series(seed: int, length: int = 25) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.cumsum(0.4 * generator.normal(size=length)) + 0.5 * generator.normal(size=length)


@pytest.fixture(scope="module")
def both() -> ss.Draws:
    """Two subjects of unequal length, one of them with missing values."""
    return quietly(level(), {"long": series(0), "gaps": gaps()}, priors=PRIORS, **FEW)


def gaps() -> np.ndarray:
    found = series(1, 18)
    found[[3, 4, 9]] = np.nan
    return found


def quietly(network: ss.HGF, *given: object, **named: object) -> ss.Draws:
    """A short run, whatever it says of itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ss.FitWarning)
        return network.fit(*given, method="nuts", **named)


def grid(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Volatilities, log precisions and their posterior probabilities [volatility, log precision]."""
    volatilities, logs = np.linspace(-7.0, 2.5, 70), np.linspace(-1.5, 4.5, 60)

    def evidence(volatility: jax.Array, log_precision: jax.Array) -> jax.Array:
        values = {"x": {"tonic_volatility": volatility}, "u": {"precision": jax.numpy.exp(log_precision)}}
        return level().with_parameters(values).log_evidence(seen)

    with double_precision():
        over = jax.vmap(jax.vmap(evidence, (None, 0)), (0, None))
        nats = np.asarray(jax.jit(over)(jax.numpy.asarray(volatilities), jax.numpy.asarray(logs)))
    nats = nats + scipy.stats.norm(-2.0, 1.0).logpdf(volatilities)[:, None]
    nats = nats + scipy.stats.norm(math.log(4.0), 0.7).logpdf(logs)
    chance = np.exp(nats - nats.max())
    return volatilities, logs, chance / chance.sum()


@pytest.mark.parametrize("subject", ["long", "gaps"])
def test_two_parameters_are_drawn_as_a_grid_says(both: ss.Draws, subject: str) -> None:
    volatilities, logs, chance = grid(series(0) if subject == "long" else gaps())
    drawn = both.chains.points[both.subjects.index(subject)].reshape(-1, 2)
    least = both.ess.loc[subject].to_numpy().min()
    means, sds = [], []
    for axis, (points, own) in enumerate(((volatilities, chance.sum(1)), (logs, chance.sum(0)))):
        mean = float(points @ own)
        sd = math.sqrt(float((points - mean) ** 2 @ own))
        assert drawn[:, axis].mean() == pytest.approx(mean, abs=4 * sd / math.sqrt(least))
        assert drawn[:, axis].std() == pytest.approx(sd, rel=4 / math.sqrt(least))
        below = float(own[points < mean - sd].sum())
        assert (drawn[:, axis] < mean - sd).mean() == pytest.approx(below, abs=4 * 0.4 / math.sqrt(least))
        means.append(mean)
        sds.append(sd)
    together = np.einsum("i,j,ij->", (volatilities - means[0]) / sds[0], (logs - means[1]) / sds[1], chance)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(together, abs=4 / math.sqrt(least))


def test_numbers_are_those_of_the_draws(both: ss.Draws) -> None:
    drawn = both.samples("gaps")["u", "precision"]
    assert len(drawn) == 4 * 300
    np.testing.assert_allclose(drawn, np.exp(both.chains.points[1, ..., 1].ravel()))
    table = both.frame(0.8).loc[("gaps", "u", "precision")]
    assert table["mean"] == pytest.approx(drawn.mean()) == both.parameters.loc["gaps", ("u", "precision")]
    assert table["sd"] == pytest.approx(drawn.std()) == both.sd.loc["gaps", ("u", "precision")]
    assert both.median.loc["gaps", ("u", "precision")] == pytest.approx(drawn.median())
    assert tuple(table[["lower", "upper"]]) == pytest.approx(tuple(np.quantile(drawn, [0.1, 0.9])))
    assert list(table.index[4:]) == ["r_hat", "ess_bulk", "ess_tail"]
    whole = both.samples()
    assert whole.index.names == ["subject", "chain", "draw"]
    pd.testing.assert_frame_equal(whole.loc["gaps"], both.samples("gaps"))
    fitted = both.network("gaps").graph.nodes["u"]["precision"]
    assert fitted == pytest.approx(drawn.mean())
    assert len(both.beliefs("gaps").frame("mean")) == 18
    assert repr(both).startswith("Draws (nuts) of 2 subjects: x tonic_volatility, u precision; 4 x 300 draws; ")
    assert "4 chains of 300 draws after 200 of warmup" in both.summary()
    with pytest.raises(ss.ConfigError, match="Laplace"):
        _ = both.log_evidence
    with pytest.raises(ss.ConfigError, match="between 0 and 1"):
        both.intervals(90)


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["long", "gaps"])
def test_a_subject_alone_is_drawn_the_same_way(both: ss.Draws, subject: str) -> None:
    """Others, and padding, change nothing but the numbers that are drawn."""
    alone = quietly(level(), series(0) if subject == "long" else gaps(), priors=PRIORS, **FEW)
    for place in alone.parameters.index:
        errors = [
            sd / math.sqrt(ess)
            for sd, ess in (
                (alone.sd[place], alone.ess.loc[place, "bulk"]),
                (both.sd.loc[subject, place], both.ess.loc[(subject, *place), "bulk"]),
            )
        ]
        assert alone.parameters[place] == pytest.approx(
            both.parameters.loc[subject, place], abs=4 * math.hypot(*errors)
        )


def test_keys_and_compilation() -> None:
    """One key, one result; other numbers of everything compile nothing."""
    one = quietly(level(), series(0), priors=PRIORS, key=jax.random.key(3), **FEW)
    made = nuts._block._cached._cache_size(), nuts._started._cached._cache_size()
    again = quietly(level(), series(0), priors=PRIORS, key=jax.random.key(3), **FEW)
    np.testing.assert_array_equal(one.values, again.values)
    longer = quietly(level(), series(0), priors=PRIORS, key=jax.random.key(3), draws=310, warmup=200)
    np.testing.assert_array_equal(longer.values[:, :, :300], one.values)
    priors = {"x": {"tonic_volatility": ss.priors.Normal(-3.0, 2.0)}, "u": {"precision": ss.priors.LogNormal(0.0, 1.0)}}
    other = quietly(level(mean=0.5), series(2), priors=priors, key=jax.random.key(4), warmup=120, acceptance=0.9)
    assert (nuts._block._cached._cache_size(), nuts._started._cached._cache_size()) == made
    assert not np.allclose(one.values, other.values[:, :, :300])


def standard() -> ss.HGF:
    """A network whose beliefs break down where volatility is large."""
    return ss.HGF(ss.binary_hgf(levels=3, omega=(-2.0, 0.0)), update="standard")


@pytest.mark.slow
def test_where_beliefs_break_down_nothing_is_drawn_and_the_rest_is_drawn_right() -> None:
    """A posterior that is cut off near its top, beside its integral on a grid."""
    seen, prior = np.repeat([1.0, 0.0], 4), ss.priors.Normal(2.5, 1.0)
    found = quietly(standard(), seen, priors={"x2": {"tonic_volatility": prior}}, draws=600, warmup=300)
    points = np.linspace(-3.0, 7.0, 4001)

    def joint(volatility: jax.Array) -> jax.Array:
        own = standard().with_parameters({"x2": {"tonic_volatility": volatility}})
        return own.log_evidence(seen) + prior.log_density(volatility)

    with double_precision():
        nats = np.asarray(jax.jit(jax.vmap(joint))(jax.numpy.asarray(points)))
    wall = points[np.isnan(nats)].min()
    chance = np.where(np.isnan(nats), 0.0, np.exp(nats - np.nanmax(nats)))
    assert chance[points < wall][-1] > 0.5
    assert chance[points > wall].max() < 1e-6
    chance /= chance.sum()
    drawn, least = found.values.ravel(), found.ess.to_numpy().min()
    mean = float(points @ chance)
    sd = math.sqrt(float((points - mean) ** 2 @ chance))
    assert least > 100
    assert drawn.mean() == pytest.approx(mean, abs=4 * sd / math.sqrt(least))
    assert drawn.std() == pytest.approx(sd, rel=4 / math.sqrt(least))
    near = float(chance[points > wall - 0.3].sum())
    assert (drawn > wall - 0.3).mean() == pytest.approx(near, abs=4 * math.sqrt(near * (1 - near) / least))
    assert wall - 0.05 < drawn.max() < wall
    assert found.breakdowns > 0
    assert found.divergences == 0
    assert "cut off where beliefs break down" in found.reason


@pytest.mark.slow
def test_a_posterior_in_pieces_is_not_taken_for_one() -> None:
    """Beliefs that break down here and there leave islands, between which no trajectory finds its way."""
    seen = (np.random.default_rng(5).random(25) < np.where(np.arange(25) < 12, 0.9, 0.1)).astype(float)
    priors = {"x3": {"tonic_volatility": ss.priors.Normal(0.0, 1.5)}}
    with pytest.warns(ss.FitWarning, match="chains disagree"):
        found = standard().fit(seen, priors=priors, method="nuts", draws=300, warmup=300)
    assert found.breakdowns > 100


def test_chains_that_fail_are_not_silent(both: ss.Draws) -> None:
    with pytest.warns(ss.FitWarning, match=r"chains disagree|effective draws"):
        level().fit(series(0), priors=PRIORS, method="nuts", draws=20, warmup=40)

    def reason(**changed: object) -> str:
        found = dataclasses.replace(both, chains=both.chains._replace(**changed))
        assert not found.converged["gaps"]
        assert found.reason["gaps"] in found.summary()
        return str(found.reason["gaps"])

    apart = both.chains.points + 3.0 * np.eye(4)[0][None, :, None, None] * np.array([1.0, 0.0])
    assert "chains disagree on x tonic_volatility (R-hat 1." in reason(points=apart)
    assert "12 of 1200" not in reason(points=apart)
    many = np.random.default_rng(0).normal(size=both.chains.points.shape)
    diverged = np.zeros_like(both.chains.divergent)
    diverged[:, 0, :12] = True
    assert "12 of 1200 transitions diverged" in reason(points=many, divergent=diverged)
    assert "cut off" in reason(points=many, broken=np.ones_like(diverged))
    # every half of every chain holds the same values, so that chains agree, and there are 200 of them
    halves = scipy.stats.norm.ppf((np.arange(25) + 0.5) / 25)
    generator = np.random.default_rng(1)
    points = np.stack([generator.permutation(halves) for _ in range(2 * 4 * 2 * 2)]).reshape(2, 4, 2, 2, 25)
    few = both.chains._make(numbers[:, :, :50] if numbers.ndim > 2 else numbers for numbers in both.chains)
    few = few._replace(points=np.moveaxis(points, 2, 4).reshape(2, 4, 2, 50).swapaxes(2, 3))
    short = dataclasses.replace(both, chains=few)
    assert short.r_hat.to_numpy().max() < 1.01
    assert short.reason["gaps"].endswith(" effective draws")
    assert (R_HAT, ENOUGH) == (1.01, 100)


def test_what_arviz_gets(both: ss.Draws) -> None:
    arviz = extra("arviz", "test")
    found = both.to_arviz(prior=50)
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data", "prior"} <= set(found.groups())
    np.testing.assert_array_equal(found.posterior["x.tonic_volatility"].sel(subject="gaps"), both.values[1, ..., 0])
    assert found.prior["u.precision"].shape == (1, 50, 2)
    assert found.sample_stats["diverging"].dims == ("chain", "draw", "subject")
    observed = found.observed_data["inputs"]
    assert observed.shape == (25 + 15, 1), "what is missing, and padding, is left out"
    np.testing.assert_array_equal(observed[25:, 0], gaps()[~np.isnan(gaps())])
    assert list(found.observed_data["step"].values[25:30]) == [0, 1, 2, 5, 6]
    own = found.log_likelihood["inputs"].sel(chain=2, draw=5).values
    for number, subject in enumerate(both.subjects):
        volatility, precision = both.values[number, 2, 5]
        at = level().with_parameters({"x": {"tonic_volatility": volatility}, "u": {"precision": precision}})
        expected = at.filter(series(0) if subject == "long" else gaps()).log_evidence
        assert own[found.log_likelihood["subject"].values == subject].sum() == pytest.approx(expected, rel=1e-9)
    loo = arviz.loo(found)
    assert np.isfinite(loo.elpd_loo)
    assert 1.0 < loo.p_loo < 6.0, "four parameters, two of each subject"


def test_the_log_likelihood_of_every_response() -> None:
    network = ss.HGF(ss.binary_hgf(levels=2))
    seen = (np.random.default_rng(0).random(30) < 0.7).astype(float)
    done = seen.copy()
    done[[2, 20]] = np.nan
    priors = {"x2": {"tonic_volatility": ss.priors.Normal(-2.0, 1.0)}}
    found = quietly(network, seen, done, priors, "unit_square_sigmoid", draws=20, warmup=20, chains=2)
    subject = jax.tree.map(lambda numbers: numbers[0], found.mode.panel.arrays())
    points = found.chains.points[0].reshape(-1, 2)
    terms = log_likelihoods(found.model, subject, points)
    chance = found.mode.base.with_parameters({"x2": {"tonic_volatility": points[7, 0]}}).filter(seen)
    mh = chance.frame("expected_mean")["u"].to_numpy()
    odds = math.exp(points[7, 1]) * np.log(mh / (1 - mh))
    expected = -np.log1p(np.exp(np.where(done == 1.0, -odds, odds)))
    there = ~np.isnan(done)
    np.testing.assert_allclose(terms[7, there], expected[there], rtol=1e-9)
    exported = found.to_arviz()
    assert exported.log_likelihood["responses"].shape == (2, 20, 28)
    assert "subject" not in exported.posterior.coords


def test_settings_that_are_refused() -> None:
    for named, why in (
        ({"draws": 0}, "draws=0.*at least 4"),
        ({"warmup": 5}, "warmup=5.*at least 20"),
        ({"chains": True}, "chains=True"),
        ({"acceptance": 1.0}, "acceptance=1.0.*between 0 and 1"),
        ({"thin": 2}, "thin=2.*'draws', 'warmup', 'chains'"),
    ):
        with pytest.raises(ss.ConfigError, match=why):
            level().fit(series(0), priors=PRIORS, method="nuts", **named)
    with pytest.raises(ss.ConfigError, match="only a sampler"):
        level().fit(series(0), priors=PRIORS, draws=100)


@pytest.mark.parametrize("library", ["blackjax", "arviz"])
def test_what_is_not_installed_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ss.ConfigError, match=rf"{library} is not installed. Try `pip install 'sostruct\[bayes\]'`"):
        level().fit(series(0), priors=PRIORS, method="nuts")


def test_one_chain_cannot_tell(both: ss.Draws) -> None:
    one = Chains(*(numbers[:1, :1] for numbers in both.chains))
    mode = level().fit(series(0), priors=PRIORS)
    found = dataclasses.replace(both, mode=mode, sampling=Sampling(chains=1, **FEW), chains=one)
    assert "one chain cannot show" in found.reason
    assert found.converged is False
    assert found.r_hat.isna().all()


def test_a_bar_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    quietly(level(), series(0), priors=PRIORS, **FEW)
    assert capsys.readouterr() == ("", "")
    quietly(level(), series(0), priors=PRIORS, progress=True, **FEW)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "drawing" in shown.err


def test_nothing_of_the_extra_is_imported_before_it_is_wanted() -> None:
    program = (
        "import sys, numpy as np, sostruct as ss\n"
        "network = ss.HGF(ss.binary_hgf(levels=2))\n"
        "network.fit(np.array([1.0, 0.0, 1.0]), priors={'x2': {'mean': ss.priors.Normal()}}, starts=1)\n"
        "print({'blackjax', 'numpyro', 'arviz', 'matplotlib'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_predictive_checks_take_draws(both: ss.Draws) -> None:
    """Each of a subject's draws once, before any of them again."""
    every = both.values[1].reshape(-1, 2)
    networks, acted = drawn_from(both, len(every) + 5, jax.random.key(0), "gaps")
    found = [dict(one.topology.node("x").parameters)["tonic_volatility"] for one in networks]
    column = [free.name for free in both.mode.free].index("tonic_volatility")
    np.testing.assert_allclose(sorted(found[: len(every)]), sorted(every[:, column]))
    assert acted == {}
    check = ss.predictive_check(both, subject="gaps", draws=40, key=jax.random.key(1))
    assert len(check.replicated) == 40
    assert check.frame()["p"].min() > 0.01
