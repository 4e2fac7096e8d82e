"""Real series: held-out log density of grown networks beside classic filters, ARIMA and GARCH.

bash experiments/peers/install_series.sh
.venv/bin/python experiments/real_series/run.py
.venv/bin/python experiments/real_series/run.py --series nile --no-peers --no-write
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sostruct as ss
from experiments.common import (
    CACHE,
    REFERENCE,
    ROOT,
    child_environment,
    markdown_table,
    mean_and_error,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)
from experiments.real_series.samples import SAMPLES, Sample
from sostruct.growth.accept import PositiveEvidence
from sostruct.growth.residual import Residual
from sostruct.growth.rule import GrowthRule
from sostruct.growth.trigger import Every

PEERS = ROOT / "experiments" / "peers"


@final
@dataclass(frozen=True)
class Forecasts:
    """What a method made of a sample.

    Attributes:
        scores: log density of every row held out, nats [row].
        model: what was fitted, in words.
        seconds: learning and scoring.
        trained: log evidence of the rows shown, nats; nan where it is not comparable.
    """

    scores: np.ndarray
    model: str
    seconds: float
    trained: float = math.nan


def main() -> None:
    """Everything, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", nargs="+", choices=list(SAMPLES), default=list(SAMPLES))
    parser.add_argument("--no-peers", action="store_true", help="without ARIMA, GARCH and VAR")
    parser.add_argument("--no-write", action="store_true", help="leave results/reference/ as it is")
    choice = parser.parse_args()
    jax.config.update("jax_compilation_cache_dir", str(CACHE / "jax"))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]
    parts = [
        "Mean log density of a held-out row given all rows before it, nats, higher is better; in the last columns the "
        "grown network minus the method: mean with its standard error over rows, and the sum in nats."
    ]
    found_versions = versions(("jax", "equinox", "numpy", "pandas"))
    lines: list[dict[str, Any]] = []
    for name in choice.series:
        sample = SAMPLES[name]()
        found = {
            "grown": grown(sample, growth=True),
            "bare": grown(sample, growth=False),
            "HGF, 2 levels": classic(sample, 2),
            "HGF, 3 levels": classic(sample, 3),
            "HGF, 3 levels, unbounded": classic(sample, 3, "unbounded"),
        }
        if not choice.no_peers:
            peers, peer_versions = asked(sample)
            found |= peers
            found_versions |= {name: peer_versions[name] for name in ("statsmodels", "arch")}
        own = [_line(sample, method, one, found["grown"]) for method, one in found.items()]
        shown = [{key: text for key, text in line.items() if key != "series"} for line in own]
        table = markdown_table(shown)
        print(f"{sample.name}\n{table}\n", flush=True)
        parts += [f"## {sample.name}: {len(sample.shown)} rows shown, {len(sample.heldout)} held out", table]
        lines += [_numbers(sample, method, one, found["grown"]) for method, one in found.items()]
    if not choice.no_write:
        parts.append(versions_line(found_versions))
        write_markdown(REFERENCE / "real_series.md", "Real series", parts)
        write_csv(REFERENCE / "real_series.csv", pd.DataFrame(lines))


def grown(sample: Sample, *, growth: bool) -> Forecasts:
    """The default estimator; without growth, its start with fitted parameters."""
    begun = time.perf_counter()
    rule = GrowthRule(Every(1), Residual() if growth else Residual(moves=("parameters",)), PositiveEvidence())
    learned = ss.StructureLearning(growth=rule).fit(sample.shown).result_
    scores = -np.asarray(learned.filter(sample.heldout).surprise, np.float64)
    words = _described(learned)
    return Forecasts(scores, words, time.perf_counter() - begun, learned.log_evidence)


def classic(sample: Sample, levels: int, update: str = "ehgf") -> Forecasts:
    """The literature's filter of each series, noise and tonic volatilities at the maximum of their evidence.

    Six fits from other starts, of which the best evidence counts.
    """
    begun = time.perf_counter()
    rule = GrowthRule(Every(1), Residual(moves=("parameters",)), PositiveEvidence())
    total, trained, words = np.zeros(len(sample.heldout)), 0.0, []
    for column in sample.shown.columns:
        shown = sample.shown[[column]].rename(columns={column: "u"})
        ahead = sample.heldout[[column]].rename(columns={column: "u"})
        size = float(np.std(np.diff(shown["u"])))
        best: Any = None
        for noise in (0.3, 1.0):
            for above in (-6.0, -3.0, -1.0):
                start = ss.continuous_hgf(
                    levels,
                    mu_0=(float(shown["u"].iloc[0]), *(0.0,) * (levels - 1)),
                    sigma_0=((3.0 * size) ** 2, *(0.1,) * (levels - 1)),
                    omega=(2.0 * math.log(size) - 1.0, *(above,) * (levels - 1)),
                    pi_u=1.0 / (noise * size) ** 2,
                )
                learned = ss.StructureLearning(start=start, growth=rule, update=update).fit(shown).result_
                if math.isfinite(learned.log_evidence) and (best is None or learned.log_evidence > best.log_evidence):
                    best = learned
        trained += best.log_evidence
        beliefs = best.filter(ahead)
        total -= np.asarray(beliefs.surprise, np.float64)
        nodes = [dict(best.network.topology.node(f"x{level}").parameters) for level in range(1, levels + 1)]
        omegas = [own["tonic_volatility"] for own in nodes]
        words.append("omega " + ", ".join(f"{omega:.1f}" for omega in omegas))
    return Forecasts(total, "; ".join(words), time.perf_counter() - begun, trained)


def asked(sample: Sample) -> tuple[dict[str, Forecasts], dict[str, str]]:
    """The peers' answers, kept until series or program change."""
    python = PEERS / ".venv_series" / "bin" / "python"
    both = pd.concat([sample.shown, sample.heldout])
    rows = {str(name): both[name].tolist() for name in both.columns}
    job = json.dumps({"series": {"own": {"rows": rows, "shown": len(sample.shown), "most_lags": sample.most_lags}}})
    digest = hashlib.sha256(job.encode())
    for name in ("forecast.py", "requirements_series.txt"):
        digest.update((PEERS / name).read_bytes())
    kept = CACHE / "peers" / f"forecast_{digest.hexdigest()[:32]}.json"
    if not kept.exists():
        if not python.exists():
            raise SystemExit(
                "Cannot run the peers. This is because experiments/peers/.venv_series does not exist. Try `bash "
                "experiments/peers/install_series.sh`, or --no-peers."
            )
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "job.json"), Path(folder, "answer.json")
            source.write_text(job, encoding="utf-8")
            command = [str(python), str(PEERS / "forecast.py"), str(source), str(target)]
            subprocess.run(command, check=True, cwd=ROOT, env=child_environment(OMP_NUM_THREADS="1"))
            kept.write_text(target.read_text(encoding="utf-8"), encoding="utf-8")
    answer = json.loads(kept.read_text(encoding="utf-8"))
    found = {
        method: Forecasts(np.asarray(one["scores"]), one["model"], one["seconds"])
        for method, one in answer["scores"]["own"].items()
    }
    return found, answer["versions"]


def _described(learned: ss.Structure) -> str:
    """What a graph has that a bare one has not."""
    topology = learned.network.topology
    words = [
        f"{edge.source} -> {edge.target} ({edge.coupling})"
        for edge in topology.edges
        if edge.source != f"{edge.target}_state"
    ]
    for node in topology.nodes:
        own = dict(node.parameters)
        if node.name in learned.inputs or not any(one.target in learned.inputs for one in topology.children(node.name)):
            continue
        words += [f"{node.name} autoconnection {own['autoconnection']:.2f}"] if own["autoconnection"] != 1.0 else []
        words += [f"{node.name} tonic drift {own['tonic_drift']:.2g}"] if own["tonic_drift"] != 0.0 else []
    return "; ".join(words) or "no edits"


def _numbers(sample: Sample, method: str, one: Forecasts, ours: Forecasts) -> dict[str, Any]:
    difference = ours.scores - one.scores
    mean, error = mean_and_error(difference)
    return {
        "series": sample.name,
        "method": method,
        "per step": float(one.scores.mean()),
        "grown minus": mean,
        "error": error,
        "nats": float(difference.sum()),
        "trained": one.trained,
        "seconds": one.seconds,
        "model": one.model,
    }


def _line(sample: Sample, method: str, one: Forecasts, ours: Forecasts) -> dict[str, str]:
    numbers = _numbers(sample, method, one, ours)
    same = method == "grown"
    return {
        "series": sample.name,
        "method": method,
        "log density per row": f"{numbers['per step']:.4f}",
        "grown minus it": "" if same else with_error(numbers["grown minus"], numbers["error"], sign=True),
        "nats": "" if same else f"{numbers['nats']:+.1f}",
        "evidence of the rows shown": "" if math.isnan(one.trained) else f"{one.trained:.1f}",
        "seconds": f"{one.seconds:.1f}",
        "model": one.model,
    }


if __name__ == "__main__":
    main()
