"""Runs one package on one series, in its own environment, and writes its result as the package has it.

    experiments/peers/.venv/bin/python experiments/converters/native.py tigramite IN.npz OUT.npz

IN has `series` [time, node], `names`, `max_lag` and, as `ours_...`, a found graph in the package's format. OUT has the
package's own result, and what the package itself says in words of our arrays (`read`), as "cause effect lag" lines.
tigramite is GPL-3: it is run here as a program of its own.
"""

from __future__ import annotations

import re
import sys
import warnings

import numpy as np


def tigramite(series, names, max_lag, ours):
    """PCMCI+ with partial correlation; our graph through its own reader of parents."""
    from tigramite.data_processing import DataFrame
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    search = PCMCI(dataframe=DataFrame(series, var_names=list(names)), cond_ind_test=ParCorr(), verbosity=0)
    found = search.run_pcmciplus(tau_min=0, tau_max=max_lag, pc_alpha=0.01)
    parents = search.return_parents_dict(
        graph=ours["graph"], val_matrix=ours["val_matrix"], include_lagzero_parents=True
    )
    read = [f"{names[cause]} {names[effect]} {-lag}" for effect, own in parents.items() for cause, lag in own]
    return {name: found[name] for name in ("graph", "val_matrix", "p_matrix")} | {"read": read}


def lingam(series, names, max_lag, ours):
    """VARLiNGAM, pruned; our matrices through the equation that they are the coefficients of."""
    import lingam as package

    model = package.VARLiNGAM(lags=max_lag, criterion=None, prune=True)
    model.fit(series)
    matrices = np.asarray(model.adjacency_matrices_)
    # residuals of its own matrices by x(t) = sum B_tau x(t - tau) + e(t) are its own, if this is what they mean
    left = residuals(series, matrices)
    own = np.asarray(model.residuals_) @ (np.eye(len(names)) - matrices[0]).T
    gap = float(np.abs(np.var(left, axis=0) / np.var(own, axis=0) - 1).max())
    ratio = np.var(residuals(series, ours["matrices"]), axis=0) / np.var(left, axis=0)
    read = [f"{names[c]} {names[e]} {lag}" for lag, e, c in np.argwhere(ours["matrices"])]
    return {"matrices": matrices, "gap": gap, "ratio": ratio, "read": read}


def residuals(series, matrices):
    lags = len(matrices) - 1
    left = series[lags:].copy()
    for lag, matrix in enumerate(matrices):
        left -= series[lags - lag : len(series) - lag] @ matrix.T
    return left


def causal_learn(series, names, max_lag, ours):
    """PC on lagged columns, the past before the present; our graph through its own list of edges."""
    from causallearn.graph.GeneralGraph import GeneralGraph
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.search.ConstraintBased.PC import pc
    from causallearn.search.FCMBased.lingam import VARLiNGAM
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    columns = [f"{name}(t-{lag})" if lag else f"{name}(t)" for lag in range(max_lag + 1) for name in names]
    data = np.concatenate([series[max_lag - lag : len(series) - lag] for lag in range(max_lag + 1)], axis=1)
    knowledge = BackgroundKnowledge()
    for number, column in enumerate(columns):
        knowledge.add_node_to_tier(GraphNode(column), max_lag - number // len(names))
    found = pc(data, 0.01, "fisherz", show_progress=False, node_names=columns, background_knowledge=knowledge)
    graph = GeneralGraph([GraphNode(str(name)) for name in ours["names"]])
    graph.graph = ours["matrix"]
    read = []
    for edge in graph.get_graph_edges():
        cause, lag, effect = re.fullmatch(r"(\w+)\(t(?:-(\d+))?\) --> (\w+)\(t\)", str(edge)).groups()
        read.append(f"{cause} {effect} {lag or 0}")
    model = VARLiNGAM(lags=max_lag, prune=True)
    model.fit(series)
    return {
        "matrix": found.G.graph,
        "names": found.G.get_node_names(),
        "matrices": np.asarray(model.adjacency_matrices_),
        "read": read,
    }


def main() -> None:
    package, source, target = sys.argv[1:]
    with np.load(source, allow_pickle=False) as archive:
        content = {name: archive[name] for name in archive.files}
    ours = {name.removeprefix("ours_"): content[name] for name in content if name.startswith("ours_")}
    run = {"tigramite": tigramite, "lingam": lingam, "causal_learn": causal_learn}[package]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(content["series"], content["names"].tolist(), int(content["max_lag"]), ours)
    np.savez(target, allow_pickle=False, **{name: np.asarray(value) for name, value in result.items()})


if __name__ == "__main__":
    main()
