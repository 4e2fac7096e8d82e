"""VARLiNGAM with its effects within a step, run by the peers' environment: reads series, writes adjacency matrices.

    experiments/peers/.venv/bin/python experiments/peers/varlingam_within.py IN.npz OUT.npz MAX_LAG

The package's defaults: the number of lags by BIC up to MAX_LAG, pruned by adaptive lasso. Every array of OUT is
[lag, effect, cause], lag 0 first, zeros for lags that it did not choose.
"""

from __future__ import annotations

import sys
import warnings

import lingam
import numpy as np


def main() -> None:
    """One fit per array of the input."""
    source, target, max_lag = sys.argv[1], sys.argv[2], int(sys.argv[3])
    found = {}
    with np.load(source, allow_pickle=False) as archive:
        for name in archive.files:
            series = archive[name]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of lasso's convergence, on standard output of its users as well
                model = lingam.VARLiNGAM(lags=max_lag, prune=True)
                model.fit(series)
            matrices = np.zeros((max_lag + 1, series.shape[1], series.shape[1]))
            chosen = np.asarray(model.adjacency_matrices_)
            matrices[: len(chosen)] = chosen
            found[name] = matrices
    np.savez(target, allow_pickle=False, **found)


if __name__ == "__main__":
    main()
