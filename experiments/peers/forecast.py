"""One-step predictive log densities of ARIMA, GARCH and vector autoregressions, as a program of its own.

    experiments/peers/.venv_series/bin/python experiments/peers/forecast.py job.json answer.json

The job is {"series": {name: {"rows": {column: [...]}, "shown": rows to fit, "most_lags": largest order}}}. The answer
has, per series and method, "scores" [row after the shown], in nats and summed over columns, "model" in words and
"seconds". Every parameter comes from the rows shown, every order from Akaike's criterion on them (ARIMA
by the Bayesian one, too); beliefs, errors and variances run on through the rows that follow. Integration is by the KPSS
test at 5 percent, as in Hyndman & Khandakar 2008.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from arch import arch_model
from scipy import stats
from statsmodels.tsa.api import VAR
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.stattools import kpss

MOVING = range(4)
"""Orders of moving averages that are tried."""

Answer = dict[str, Any]


def integration(shown: np.ndarray) -> int:
    """0 where the test does not reject that a series stays around a level, else 1."""
    return int(kpss(shown, regression="c", nlags="auto")[1] < 0.05)


def arima(column: np.ndarray, shown: int, most: int) -> dict[str, tuple[np.ndarray, str]]:
    """ARIMA by maximum likelihood, with a constant (or, of differences, with and without a drift), by both criteria."""
    order = integration(column[:shown])
    best: dict[str, Any] = {}
    for lags, moving in itertools.product(range(most + 1), MOVING):
        for trend in ("c",) if order == 0 else ("n", "t"):
            try:
                found = ARIMA(column[:shown], order=(lags, order, moving), trend=trend).fit()
            except (ValueError, np.linalg.LinAlgError):
                continue
            for criterion, value in (("AIC", found.aic), ("BIC", found.bic)):
                if np.isfinite(value) and (criterion not in best or value < best[criterion][0]):
                    best[criterion] = (value, found, (lags, order, moving), trend)
    answers = {}
    for criterion, (_, found, orders, trend) in best.items():
        onward = found.append(column[shown:], refit=False)
        extra = " with drift" if trend == "t" else ""
        answers[f"ARIMA, {criterion}"] = (np.asarray(onward.llf_obs[shown:]), f"ARIMA{orders}{extra}")
    return answers


def garch(column: np.ndarray, shown: int, most: int, errors: str) -> tuple[np.ndarray, str]:
    """AR(p)-GARCH(1,1) of a series or of its differences, p by Akaike's criterion.

    The log density of a difference given the past is that of the value itself. Fits run in units of the sd of the rows
    shown, as arch advises.
    """
    order = integration(column[:shown])
    values = np.diff(column, n=order)
    unit = float(np.std(values[: shown - order]))
    values = values / unit
    split = shown - order
    best: Any = None
    for lags in range(most + 1):
        # equal rows for every order, or their criteria could not be compared
        model = arch_model(
            values[most - lags : split], mean="ARX", lags=lags, vol="GARCH", p=1, q=1, dist=errors, rescale=False
        )
        found = model.fit(disp="off", options={"maxiter": 1000})
        if best is None or found.aic < best[0]:
            best = (found.aic, lags)
    lags = best[1]
    settings: dict[str, Any] = {"mean": "ARX", "lags": lags, "vol": "GARCH", "p": 1, "q": 1, "dist": errors}
    fitted = arch_model(values[:split], rescale=False, **settings).fit(disp="off", options={"maxiter": 1000})
    whole = arch_model(values, rescale=False, **settings)
    variance, residuals = continued(whole, fitted, split)
    scaled = residuals / np.sqrt(variance)
    if errors == "normal":
        density = stats.norm.logpdf(scaled)
    else:
        freedom = float(fitted.params["nu"])
        size = np.sqrt(freedom / (freedom - 2.0))
        density = stats.t.logpdf(scaled * size, freedom) + np.log(size)
    scores = density - 0.5 * np.log(variance) - np.log(unit)
    what = "differences" if order else "levels"
    return np.asarray(scores[split:]), f"AR({lags})-GARCH(1,1), {errors}, {what}"


def continued(whole: Any, fitted: Any, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances and residuals of all rows with the parameters of the first, and from their first variance."""
    fixed = whole.fix(fitted.params)
    residuals = np.asarray(fixed.resid)
    variance = np.asarray(fitted.conditional_volatility) ** 2
    rise, shock, keep = (float(fitted.params[name]) for name in ("omega", "alpha[1]", "beta[1]"))
    found = np.full(len(residuals), np.nan)
    found[:split] = variance
    for row in range(split, len(residuals)):
        found[row] = rise + shock * residuals[row - 1] ** 2 + keep * found[row - 1]
    return found, residuals


def vector(rows: np.ndarray, shown: int, most: int) -> tuple[np.ndarray, str]:
    """A vector autoregression of all columns, its order by Akaike's criterion."""
    found = VAR(rows[:shown]).fit(maxlags=most, ic="aic")
    lags, size = found.k_ar, rows.shape[1]
    normal = stats.multivariate_normal(np.zeros(size), np.asarray(found.sigma_u))
    mean = np.tile(np.asarray(found.intercept), (len(rows) - shown, 1))
    for lag in range(lags):
        mean += rows[shown - lag - 1 : len(rows) - lag - 1] @ np.asarray(found.coefs[lag]).T
    return np.asarray(normal.logpdf(rows[shown:] - mean)), f"VAR({lags})"


def scored(job: Answer) -> dict[str, Answer]:
    """All methods on one job."""
    columns = {name: np.asarray(values, np.float64) for name, values in job["rows"].items()}
    shown, most = int(job["shown"]), int(job["most_lags"])
    methods: tuple[Callable[[np.ndarray], dict[str, tuple[np.ndarray, str]]], ...] = (
        lambda column: arima(column, shown, most),
        lambda column: {"GARCH, normal": garch(column, shown, most, "normal")},
        lambda column: {"GARCH, Student t": garch(column, shown, most, "t")},
    )
    found: dict[str, Answer] = {}
    for method in methods:
        begun = time.perf_counter()
        parts = [method(column) for column in columns.values()]
        seconds = time.perf_counter() - begun
        for name in parts[0]:
            found[name] = {
                "scores": np.sum([part[name][0] for part in parts], axis=0).tolist(),
                "model": "; ".join(part[name][1] for part in parts),
                "seconds": seconds,
            }
    if len(columns) > 1:
        begun = time.perf_counter()
        scores, what = vector(np.column_stack(list(columns.values())), shown, most)
        found["VAR"] = {"scores": scores.tolist(), "model": what, "seconds": time.perf_counter() - begun}
    return found


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: forecast.py job.json answer.json")
    source, target = map(Path, sys.argv[1:])
    warnings.filterwarnings("ignore")
    job = json.loads(source.read_text(encoding="utf-8"))
    answer: Answer = {name: scored(own) for name, own in job["series"].items()}
    versions = {package: version(package) for package in ("statsmodels", "arch", "numpy", "scipy")}
    target.write_text(json.dumps({"scores": answer, "versions": versions}), encoding="utf-8")


if __name__ == "__main__":
    main()
