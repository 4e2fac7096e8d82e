"""How much of a graph 40 % missing values leave to be found: ours beside an oracle, and beside ours without gaps.

    .venv/bin/python experiments/missing/ceiling.py                  # 100 seeds
    .venv/bin/python experiments/missing/ceiling.py --seeds 0:3 --no-write

The oracle knows every coefficient but the one it judges, the noise included. It scores each lagged coefficient by the
likelihood of the observed values alone (a Kalman filter over three lags): one Newton step from 0 for that coefficient,
all others at their true values, gives its estimate and information, and from these the evidence that it is not 0. No
method that must learn the other coefficients from the same values can be expected to do better.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    mean_and_error,
    referee,
    score_row,
    seed_range,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)
from experiments.missing.run import FAMILIES, MAX_LAG, gapped

FAMILY = "40 % of values"
NODES, STEPS = 10, 500
BURN_IN = 20
METRICS = ("auroc", "auprc", "f1")
OURS, WHOLE, ORACLE = "sostruct", "sostruct, nothing missing", "oracle, all other coefficients known"


@jax.jit
def log_likelihood(weights: jax.Array, values: jax.Array, observed: jax.Array) -> jax.Array:
    """Of the observed values under `x_t = sum_l W_l x_(t - l) + N(0, 1)`, nats; `weights` [target, lag * cause]."""
    nodes, size = weights.shape
    step = jnp.zeros((size, size)).at[:nodes].set(weights).at[nodes:, : size - nodes].set(jnp.eye(size - nodes))
    noise = jnp.zeros((size, size)).at[:nodes, :nodes].set(jnp.eye(nodes))

    def filtered(carry: tuple[jax.Array, jax.Array], row: tuple[jax.Array, jax.Array]) -> tuple[object, jax.Array]:
        mean, covariance = carry
        value, seen = row
        spread = jnp.where(seen[:, None] & seen, covariance[:nodes, :nodes], 0.0) + jnp.diag(jnp.where(seen, 0.0, 1.0))
        error = jnp.where(seen, value - mean[:nodes], 0.0)
        factor = jnp.linalg.cholesky(spread)
        gain = jnp.where(seen, covariance[:, :nodes], 0.0)
        scaled = jax.scipy.linalg.cho_solve((factor, True), error)
        density = -error @ scaled / 2 - jnp.log(jnp.diag(factor)).sum()
        after = covariance - gain @ jax.scipy.linalg.cho_solve((factor, True), gain.T)
        ahead = step @ after @ step.T + noise
        return (step @ (mean + gain @ scaled), (ahead + ahead.T) / 2), density

    begin = (jnp.zeros(size), 4.0 * jnp.eye(size))
    _, densities = jax.lax.scan(filtered, begin, (values, observed))
    return densities[BURN_IN:].sum()


slope = jax.jit(jax.grad(log_likelihood))


@jax.jit
def information(weights: jax.Array, values: jax.Array, observed: jax.Array) -> jax.Array:
    """Minus the second derivative by every coefficient."""

    def one(place: jax.Array) -> jax.Array:
        unit = jnp.zeros(weights.size).at[place].set(1.0).reshape(weights.shape)
        bend = jax.jvp(lambda own: slope(own, values, observed), (weights,), (unit,))[1]
        return -bend.ravel()[place]

    return jax.lax.map(one, jnp.arange(weights.size), batch_size=20)


def oracle(coefficients: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Evidence for every ordered pair at any lag, nats [cause, effect]; coefficients are [lag, target, cause]."""
    lags, nodes, _ = coefficients.shape
    weights = coefficients.transpose(1, 0, 2).reshape(nodes, lags * nodes)
    observed = ~np.isnan(values)
    seen = np.where(observed, values - np.nanmean(values, axis=0), 0.0)
    known = np.maximum(np.asarray(information(weights, seen, observed)), 1e-3)
    estimate = weights.ravel() + np.asarray(slope(weights, seen, observed)).ravel() / known
    nats = (estimate**2 * known / 2 - np.log(known) / 2).reshape(nodes, lags, nodes)
    found: np.ndarray = np.logaddexp.reduce(nats, axis=1).T
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1100), help="FIRST:END, default 1000:1100")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    import sostruct as ss
    from sostruct.numerics import double_precision
    from sostruct.tasks import SparseVAR

    task = SparseVAR(nodes=NODES, steps=STEPS, max_lag=MAX_LAG)
    rows = []
    for seed in arguments.seeds:
        drawn, coefficients = task.load(seed), task.coefficients(seed)
        truth = coefficients.any(axis=0).T
        values = gapped(drawn.frame.to_numpy(), *FAMILIES[FAMILY], seed)
        with double_precision():
            best = oracle(coefficients, values)
        evidence = {ORACLE: (best, best > 0)}
        for method, table in ((OURS, values), (WHOLE, drawn.frame.to_numpy())):
            found = ss.discover(pd.DataFrame(table, columns=drawn.frame.columns), MAX_LAG)
            nats = found.summary.to_numpy()
            evidence[method] = (nats, nats > 0)
        for method, (nats, decided) in evidence.items():
            score = score_row(referee(truth, nats, decided))
            rows += [(method, seed, metric, score[metric]) for metric in METRICS]
        print(f"seed {seed}", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows, columns=["method", "seed", "metric", "value"])
    lines = []
    for method in (OURS, ORACLE, WHOLE):
        own = table[table["method"] == method]
        figures = {metric: own.loc[own["metric"] == metric, "value"] for metric in METRICS}
        line: dict[str, object] = {"method": method}
        line |= {metric.upper(): with_error(*mean_and_error(figures[metric]), 4) for metric in METRICS[:2]}
        line["F1"] = "" if method == ORACLE else with_error(*mean_and_error(figures["f1"]), 3)
        lines.append(line | {"least AUROC": f"{figures['auroc'].min():.3f}", "seeds": len(figures["auroc"])})
    page = [
        f"Sparse VARs p {NODES}, T {STEPS}, {FAMILY} missing. The oracle judges every coefficient by the likelihood of "
        "the observed values with all other coefficients at their true values; it ranks, and decides nothing.",
        markdown_table(lines),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "missing_ceiling.csv", table)
        write_markdown(REFERENCE / "missing_ceiling.md", "What gaps leave to be found", page)


if __name__ == "__main__":
    main()
