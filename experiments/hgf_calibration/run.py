"""Is a belief network as surprised as it expects to be? Excess surprise on data drawn from the network itself.

    .venv/bin/python experiments/hgf_calibration/run.py                    # every case, update and kind of uncertainty
    .venv/bin/python experiments/hgf_calibration/run.py --subjects 8 --no-write

Per case, series are drawn from the generative model with known parameters and filtered with the same graph and the same
parameters. Excess is observed minus expected surprise in nats per step: of the inputs, each under its own predictive
density; of the hidden states, D / 2. Zero is calibrated; the standard error is over independent series.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    mean_and_error,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)
from experiments.hgf_calibration.draw import draw

UPDATES = ("standard", "ehgf", "unbounded")
FIELDS = ("mean field", "relaxed")


@dataclass(frozen=True, slots=True)
class Case:
    """A graph and what it is there to show."""

    name: str
    nodes: dict[str, dict[str, Any]]
    edges: tuple[tuple[str, str, dict[str, Any]], ...]

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The graph in the project's schema."""
        graph = nx.MultiDiGraph()
        for name, node in self.nodes.items():
            graph.add_node(name, **node)
        for source, target, edge in self.edges:
            graph.add_edge(source, target, **edge)
        return graph

    @property
    def inputs(self) -> tuple[str, ...]:
        """Its leaves."""
        return tuple(sorted(name for name in self.nodes if name.startswith("u")))


def state(volatility: float, decay: float = 0.95, **more: Any) -> dict[str, Any]:
    """A continuous state that starts near where it stays."""
    return {"kind": "continuous", "tonic_volatility": volatility, "autoconnection": decay, "precision": 1.0, **more}


NOISY: dict[str, Any] = {"kind": "continuous", "precision": 4.0}
VALUE: dict[str, Any] = {}
VOLATILITY = {"coupling": "volatility"}


def value(strength: float, **more: Any) -> dict[str, Any]:
    """A value coupling."""
    return {"strength": strength, **more}


CASES = (
    Case("local level (1 level)", {"u": NOISY, "x1": state(-2.0)}, (("x1", "u", VALUE),)),
    Case(
        "value chain of 2",
        {"u": NOISY, "x1": state(-2.0, 0.8), "x2": state(-3.0)},
        (("x1", "u", VALUE), ("x2", "x1", value(0.5))),
    ),
    Case(
        "value chain of 3",
        {"u": NOISY, "x1": state(-2.0, 0.8), "x2": state(-3.0, 0.8), "x3": state(-3.0)},
        (("x1", "u", VALUE), ("x2", "x1", value(0.5)), ("x3", "x2", value(0.5))),
    ),
    Case(
        "volatility parent (2 levels)",
        {"u": NOISY, "x1": state(-2.0), "x2": state(-3.0)},
        (("x1", "u", VALUE), ("x2", "x1", VOLATILITY)),
    ),
    Case(
        "volatility chain (3 levels)",
        {"u": NOISY, "x1": state(-2.0), "x2": state(-3.0), "x3": state(-3.0)},
        (("x1", "u", VALUE), ("x2", "x1", VOLATILITY), ("x3", "x2", VOLATILITY)),
    ),
    Case(
        "strong volatility (3 levels)",
        {"u": {**NOISY, "precision": 100.0}, "x1": state(-3.0), "x2": state(-1.5), "x3": state(-2.0)},
        (("x1", "u", VALUE), ("x2", "x1", VOLATILITY), ("x3", "x2", VOLATILITY)),
    ),
    Case(
        "volatility parent of the noise",
        {"u": NOISY, "x1": state(-2.0), "v": state(-2.0)},
        (("x1", "u", VALUE), ("v", "u", VOLATILITY)),
    ),
    Case(
        "one volatility parent, two states",
        {"u1": NOISY, "u2": NOISY, "x1": state(-2.0), "x2": state(-2.0), "v": state(-2.0)},
        (
            ("x1", "u1", VALUE),
            ("x2", "u2", VALUE),
            ("v", "x1", VOLATILITY),
            ("v", "x2", {**VOLATILITY, "strength": 0.5}),
        ),
    ),
    Case(
        "two volatility parents",
        {"u": NOISY, "x1": state(-2.0), "v1": state(-2.0), "v2": state(-3.0, 0.8)},
        (("x1", "u", VALUE), ("v1", "x1", VOLATILITY), ("v2", "x1", VOLATILITY)),
    ),
    Case(
        "two inputs under one state",
        {"u1": NOISY, "u2": NOISY, "x1": state(-2.0)},
        (("x1", "u1", VALUE), ("x1", "u2", value(-0.6))),
    ),
    Case(
        "two states over one input",
        {"u": NOISY, "x1": state(-2.0, 0.95), "x2": state(-1.0, 0.3)},
        (("x1", "u", VALUE), ("x2", "u", VALUE)),
    ),
    Case(
        "two value parents of one state",
        {"u": NOISY, "x1": state(-2.0, 0.5), "x2": state(-2.0, 0.95), "x3": state(-2.0, 0.3)},
        (("x1", "u", VALUE), ("x2", "x1", value(0.5)), ("x3", "x1", value(0.5))),
    ),
    Case(
        "tanh coupling",
        {"u": NOISY, "x1": state(-2.0, 0.5), "x2": state(-1.0, 0.9)},
        (("x1", "u", VALUE), ("x2", "x1", value(1.0, function="tanh"))),
    ),
    Case(
        "constant bias",
        {"u": NOISY, "x1": state(-2.0, 0.9), "c": {"kind": "constant"}},
        (("x1", "u", VALUE), ("c", "x1", value(0.3))),
    ),
    Case("binary, 2 levels", {"u": {"kind": "binary"}, "x1": state(-1.0)}, (("x1", "u", VALUE),)),
    Case(
        "binary, 3 levels",
        {"u": {"kind": "binary"}, "x1": state(-2.0), "x2": state(-2.0)},
        (("x1", "u", VALUE), ("x2", "x1", VOLATILITY)),
    ),
    Case(
        "volatile state",
        {
            "u": NOISY,
            "x1": state(-2.0, kind="volatile", volatility_tonic_volatility=-2.0, volatility_autoconnection=0.95),
        },
        (("x1", "u", VALUE),),
    ),
    Case(
        "volatile input",
        {
            "u": {**NOISY, "kind": "volatile", "volatility_tonic_volatility": -2.0, "volatility_autoconnection": 0.95},
            "x1": state(-2.0),
        },
        (("x1", "u", VALUE),),
    ),
)


def measure(case: Case, series: np.ndarray, update: str, field: str) -> dict[str, Any]:
    """Excess of the inputs and of every hidden state, per step, and surprise per step."""
    import sostruct as ss

    network = ss.HGF(case.graph, inputs=case.inputs, update=update, mean_field=field == "mean field")
    beliefs = network.filter(series, strict=False)
    excess = beliefs.excess
    by_subject = excess.groupby(level=0).mean()
    held = int(beliefs.held.sum())
    inputs = mean_and_error(by_subject[list(case.inputs)].sum(axis=1))
    surprise = mean_and_error(np.asarray(beliefs.surprise).mean(axis=1))
    row: dict[str, Any] = {
        "case": case.name,
        "update": update,
        "uncertainty": field,
        "surprise": surprise[0],
        "surprise_error": surprise[1],
        "excess": inputs[0],
        "excess_error": inputs[1],
        "held_share": held / excess.size,
    }
    states = [name for name in case.nodes if name not in case.inputs and case.nodes[name]["kind"] != "constant"]
    found = {name: mean_and_error(by_subject[name]) for name in states}
    row["states"] = "; ".join(f"{name} {cell(*found[name], 3)}" for name in states)
    return row


def cell(mean: float, error: float, digits: int) -> str:
    """An excess with its error; in scientific notation once the filter has run away."""
    return f"{mean:+.1e} ± {error:.1e}" if abs(mean) + error > 1000.0 else with_error(mean, error, digits, sign=True)


def main() -> None:
    """Draws, filters, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=64, help="independent series per case (64)")
    parser.add_argument("--steps", type=int, default=500, help="steps per series (500)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--cases", default="", help="only cases whose name contains this")
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    choice = parser.parse_args()
    rows = []
    for number, case in enumerate(CASES):
        if choice.cases not in case.name:
            continue
        series = draw(case.graph, case.inputs, choice.subjects, choice.steps, choice.seed * 1000 + number)
        rows += [measure(case, series, update, field) for update in UPDATES for field in FIELDS]
        print(f"{case.name}: done", flush=True)
    table = pd.DataFrame(rows)
    readable = [
        {
            "case": row["case"],
            "update": row["update"],
            "uncertainty": row["uncertainty"],
            "surprise": f"{row['surprise']:.4f}",
            "excess of inputs": cell(row["excess"], row["excess_error"], 4),
            "excess of states": row["states"],
            "held": f"{row['held_share']:.2%}" if row["held_share"] else "",
        }
        for row in rows
    ]
    page = [
        f"{choice.subjects} series of {choice.steps} steps per case, drawn from the network that filters them. Nats "
        "per step, ± standard error over series. `surprise`: joint, of all inputs. `held`: share of node-steps at "
        "which an invalid posterior was replaced by the prediction.",
        markdown_table(readable),
        versions_line(versions(("jax", "equinox", "numpy"))),
    ]
    if choice.no_write:
        print("\n\n".join(page))
        return
    write_markdown(REFERENCE / "hgf_calibration.md", "Calibration of the belief networks", page)
    write_csv(REFERENCE / "hgf_calibration.csv", table)


if __name__ == "__main__":
    main()
