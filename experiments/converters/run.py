"""Formats of other packages, read and written: each package runs on one structural VAR, and the edges must agree.

    .venv/bin/python experiments/converters/run.py

The system has effects at lags 0, 1 and 2 so strong that every package finds most of it. What a package found, read by
our converter, is compared with the known graph; what we found, written by our converter, is read by the package itself
and compared with our graph. A convention that was misunderstood (cause and effect exchanged, lags shifted) fails both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    ROOT,
    child_environment,
    markdown_table,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)

NAMES = ["a", "b", "c", "d"]
MAX_LAG = 2
EDGES = [("a", "a", 1, 0.5), ("a", "b", 1, 0.8), ("b", "c", 0, 0.7), ("c", "d", 2, -0.8), ("d", "d", 1, 0.4)]
PEERS = Path("experiments", "peers")
PROGRAMS = {"tigramite": ".venv", "lingam": ".venv", "causal_learn": ".venv_causal_learn"}
INSTALL = {".venv": "install.sh", ".venv_causal_learn": "install_causal_learn.sh"}


def system(steps: int, seed: int) -> tuple[np.ndarray, nx.MultiDiGraph]:
    """A structural VAR with Laplace noise, and its graph."""
    rng = np.random.default_rng(seed)
    noise = rng.laplace(size=(steps + 100, len(NAMES)))
    values = np.zeros_like(noise)
    for step in range(MAX_LAG, len(values)):
        for name in range(len(NAMES)):  # the order of names is an order of effects within the step
            values[step, name] = noise[step, name]
            for cause, effect, lag, weight in EDGES:
                if NAMES[name] == effect:
                    values[step, name] += weight * values[step - lag, NAMES.index(cause)]
    truth = nx.MultiDiGraph()
    truth.add_nodes_from(NAMES)
    for cause, effect, lag, _ in EDGES:
        truth.add_edge(cause, effect, lag=lag)
    return values[100:], truth


def native(package: str, content: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a package makes of a series, as it has it."""
    venv = PROGRAMS[package]
    python = ROOT / PEERS / venv / "bin" / "python"
    if not python.exists():
        raise SystemExit(
            f"Cannot run {package}. This is because {PEERS / venv} does not exist. Try `bash {PEERS / INSTALL[venv]}`."
        )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, allow_pickle=False, **content)
        program = ROOT / "experiments" / "converters" / "native.py"
        done = subprocess.run(
            [python, program, package, source, target], cwd=ROOT, env=child_environment(), check=False
        )
        if done.returncode:
            raise SystemExit(f"{package} ended with exit code {done.returncode}; its own message is above.")
        with np.load(target, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def edges_of(graph: nx.MultiDiGraph) -> set[str]:
    """Directed edges as "cause effect lag"."""
    return {
        f"{cause} {effect} {data['lag']}"
        for cause, effect, data in graph.edges(data=True)
        if data.get("mark", "directed") == "directed"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    import sostruct as ss

    values, truth = system(arguments.steps, arguments.seed)
    found = ss.discover(pd.DataFrame(values, columns=NAMES), MAX_LAG)
    base = {"series": values, "names": np.array(NAMES), "max_lag": np.array(MAX_LAG)}
    tigramite, endpoint, matrices = found.to_tigramite(), found.to_causal_learn(), found.to_lingam()
    written = {
        "tigramite": {"ours_graph": tigramite["graph"], "ours_val_matrix": tigramite["val_matrix"]},
        "lingam": {"ours_matrices": matrices},
        "causal_learn": {"ours_matrix": endpoint.matrix, "ours_names": np.array(endpoint.names)},
    }
    results = {package: native(package, base | own) for package, own in written.items()}
    graphs = {
        "tigramite, PCMCI+": ss.from_tigramite(results["tigramite"], NAMES),
        "lingam, VARLiNGAM": ss.from_lingam(results["lingam"]["matrices"], NAMES),
        "causal-learn, PC on lagged columns": ss.from_causal_learn(
            results["causal_learn"]["matrix"], results["causal_learn"]["names"].tolist()
        ),
        "causal-learn, VARLiNGAM": ss.from_lingam(results["causal_learn"]["matrices"], NAMES),
    }
    known, ours = edges_of(truth), edges_of(found.graph)
    rows = []
    for name, graph in graphs.items():
        own = edges_of(graph)
        reversed_ = {" ".join((edge.split()[1], edge.split()[0], edge.split()[2])) for edge in own}
        difference = ss.compare(found, graph)
        rows.append(
            {
                "package": name,
                "true edges read": f"{len(own & known)} of {len(known)}",
                "others": len(own - known),
                "true edges if read the other way round": len(reversed_ & known),
                "shared with ours": difference.shared,
            }
        )
    back = [
        {
            "package": package,
            "our edges": len(ours),
            "as the package reads them": len(set(result["read"].tolist()) & ours),
            "others": len(set(result["read"].tolist()) - ours),
        }
        for package, result in results.items()
    ]
    gap, ratio = float(results["lingam"]["gap"]), results["lingam"]["ratio"]
    passed = all(row["true edges read"] == f"{len(known)} of {len(known)}" for row in rows)
    passed &= all(row["our edges"] == row["as the package reads them"] and not row["others"] for row in back)
    page = [
        f"A structural VAR of {len(NAMES)} series, T {arguments.steps}, seed {arguments.seed}, {len(known)} edges at "
        "lags 0 to 2. What each package finds, read by `ss.from_...`:",
        markdown_table(rows),
        "What is found here, written by `found.to_...` and read by the package itself (tigramite's "
        "`return_parents_dict`, causal-learn's `get_graph_edges`; lingam has no reader, its own equation is used):",
        markdown_table(back),
        f"lingam's matrices leave the residuals that lingam says they leave (largest gap in variance {gap:.1e}); ours, "
        f"in its format, leave {np.round(ratio, 3).tolist()} times their variance.",
        f"All agree: {'yes' if passed else 'no'}.",
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "converters.csv", pd.DataFrame(rows))
        write_markdown(REFERENCE / "converters.md", "Formats of other packages, read and written", page)
    if not passed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
