"""Tables of the adaptation experiment, from its lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from experiments.adaptation.learners import CHUNK, LEARNERS, LIMIT, PACE
from experiments.common import markdown_table, mean_and_error, versions, versions_line, with_error, write_markdown

WITHIN = (100, 200, 300)
AHEAD = (100, 200, 300)
TOLD = 30
CHANGES = ("first regime", "change", "return")
MOST_STEPS, LEAST_WORTH = 200, 0.1
Row = dict[str, str]


def report(table: Path, target: Path) -> None:
    """Writes the page from the lines that are there."""
    lines = pd.read_csv(table, comment="#", dtype={"seed": str})
    kinds = list(dict.fromkeys(lines["kind"]))
    parts = [
        f"Series whose belief graph changes and changes back, in chunks of {CHUNK} rows, {LIMIT} rows remembered "
        "(`sostruct.tasks.RegimeSwitch`). Learners start from bare inputs with parameters wrong by up to two log units."
    ]
    for title, rows, note in (
        (
            "How fast does it follow?",
            [row for kind in kinds for row in following(lines, kind)],
            f"Rows from the change to the end of the chunk after which the graph first equals the regime's (edge F1 of "
            f"1, hidden nodes matched); *parents*: until all of its hidden edges are there, whatever else is. Goal: "
            f"within {MOST_STEPS} rows. *equal since*: share of the regime's later chunks with the right graph.",
        ),
        (
            "Surprise, nats per step before a chunk is seen",
            [row for kind in kinds for row in surprises(lines, kind)],
            "*parameters*: bare inputs whose parameters follow. *fixed*: the first regime's graph with true parameters "
            "throughout. *late*: the true graph of the regime before. *oracle*: each regime's graph with true "
            "parameters from its first row. Mean over seeds, with "
            "standard error.",
        ),
        (
            "Beside the controls",
            [row for kind in kinds for row in controlled(lines, kind)],
            f"On the series that all three followed. *every*: the best-scored addition every {PACE} chunks, whatever "
            "its price. *random*: one drawn uniformly instead, fitted likewise. Their parameters follow as "
            "those of growth by residuals. *equal*: share of all chunks with the regime's graph.",
        ),
        (
            "What can be known by then?",
            [row for kind in kinds for row in known(lines, kind)],
            "Nats by which the regime's true graph with true parameters is ahead of that of the regime before, from "
            "the change on. Who does not know the graphs has to win more than this by: its own choice among "
            "graphs, and the price of a regime.",
        ),
        (
            "What is a change worth?",
            [worth(lines, kind) for kind in kinds],
            f"Nats per step that the second regime's graph is ahead of the first's in the second regime, by seed. Goal "
            f"of the task: at least {LEAST_WORTH:g}.",
        ),
        ("What it takes", [cost(lines, kind) for kind in kinds], "Of growth by residuals, compilation included."),
    ):
        parts += [f"## {title}", markdown_table(rows) if rows else "Nothing.", note]
    parts.append(versions_line(versions(("jax", "equinox", "numpy"))))
    write_markdown(target, "Adaptation to a graph that changes", parts)


def delays(own: pd.DataFrame, regime: int, column: str) -> np.ndarray:
    """By seed, rows from the change until a column is 1 for the first time; infinite where it never is."""
    found = []
    for _, seed in own[own["regime"] == regime].groupby("seed"):
        start = seed["rows"].min() - CHUNK
        right = seed.loc[seed[column] == 1.0, "rows"]
        found.append(float(right.min() - start) if len(right) else np.inf)
    return np.array(found)


def following(lines: pd.DataFrame, kind: str) -> list[Row]:
    """A row per regime of growth by residuals."""
    own = lines[(lines["kind"] == kind) & (lines["rule"] == "residual")]
    rows = []
    for regime, name in enumerate(CHANGES):
        if not (own["regime"] == regime).any():
            continue
        equal, there = delays(own, regime, "f1"), delays(own, regime, "parents")
        since = []
        for _, seed in own[own["regime"] == regime].groupby("seed"):
            right = seed["f1"].to_numpy() == 1.0
            since.append(float(right[int(right.argmax()) :].mean()) if right.any() else 0.0)
        rows.append(
            {
                "parent": kind,
                "from": name,
                "seeds": str(len(equal)),
                "rows until equal, median": _number(float(np.median(equal))),
                "slowest": _number(float(equal.max())),
                **{f"within {rows}": _share(equal <= rows) for rows in WITHIN},
                "ever": _share(np.isfinite(equal)),
                "rows until parents, median": _number(float(np.median(there))),
                **{f"parents within {rows}": _share(there <= rows) for rows in WITHIN},
                "equal since": f"{np.mean(since):.2f}",
                "edits": f"{own[own['regime'] == regime].groupby('seed')['edits'].sum().mean():.1f}",
            }
        )
    return rows


def controlled(lines: pd.DataFrame, kind: str) -> list[Row]:
    """A row per learner whose graph changes, on the series that all of them followed."""
    rows = []
    changing = lines[(lines["kind"] == kind) & lines["rule"].isin(("residual", "every", "random"))]
    shared = changing.groupby("seed")["rule"].transform("nunique") == changing["rule"].nunique()
    for rule, own in changing[shared].groupby("rule", sort=False):
        after = np.concatenate([delays(own, regime, "f1") for regime in (1, 2)])
        seeds = own.groupby("seed")
        rows.append(
            {
                "parent": kind,
                "rule": str(rule),
                "seeds": str(own["seed"].nunique()),
                f"changes followed within {MOST_STEPS}": _share(after <= MOST_STEPS),
                "equal": f"{(own['f1'] == 1.0).mean():.2f}",
                "edge F1": f"{own['f1'].mean():.3f}",
                "hidden F1": f"{own['hidden_f1'].mean():.3f}",
                "surprise": with_error(*mean_and_error(seeds["surprise"].mean())),
                "edits": f"{seeds['edits'].sum().mean():.1f}",
            }
        )
    return rows


def surprises(lines: pd.DataFrame, kind: str) -> list[Row]:
    """Mean surprise by regime, and right after changes."""
    rows = []
    for rule in LEARNERS:
        own = lines[(lines["kind"] == kind) & (lines["rule"] == rule)]
        if not len(own):
            continue
        row = {"parent": kind, "learner": rule, "seeds": str(own["seed"].nunique())}
        for regime, name in enumerate(CHANGES):
            mine = own[own["regime"] == regime]
            start = mine["rows"].min() - CHUNK
            for part, some in (("first 300", mine["rows"] <= start + 300), ("later", mine["rows"] > start + 300)):
                means = mine[some].groupby("seed")["surprise"].mean()
                row[f"{name}: {part}"] = with_error(*mean_and_error(means)) if len(means) else ""
        rows.append(row)
    return rows


def known(lines: pd.DataFrame, kind: str) -> list[Row]:
    """How far ahead the right graph is, by rows after each change."""
    own = lines[lines["kind"] == kind].pivot_table(
        index=["seed", "regime", "rows"], columns="rule", values="surprise", aggfunc="mean"
    )
    if not {"late", "oracle"} <= set(own.columns):
        return []
    chunks = (CHUNK * (own["late"] - own["oracle"])).dropna()
    ahead = chunks.groupby(["seed", "regime"]).cumsum().reset_index(name="nats")
    rows = []
    for regime, name in list(enumerate(CHANGES))[1:]:
        mine = ahead[ahead["regime"] == regime]
        start = mine["rows"].min() - CHUNK
        row = {"parent": kind, "from": name, "seeds": str(mine["seed"].nunique())}
        for after in AHEAD:
            nats = mine.loc[mine["rows"] == start + after, "nats"]
            row[f"after {after} rows: median"] = f"{nats.median():.0f}"
            row[f"{after}: least"] = f"{nats.min():.0f}"
        grown = lines[(lines["kind"] == kind) & (lines["rule"] == "residual")]
        followed = delays(grown, regime, "f1") <= MOST_STEPS
        told = mine.loc[mine["rows"] == start + MOST_STEPS, "nats"].to_numpy() >= TOLD
        if len(followed) == len(told):
            row[f"followed within {MOST_STEPS}, of {TOLD} nats or more by then"] = _share(followed[told])
            row["of less"] = _share(followed[~told])
        rows.append(row)
    return rows


def worth(lines: pd.DataFrame, kind: str) -> Row:
    """How much the change matters."""
    own = lines[(lines["kind"] == kind) & (lines["regime"] == 1)]
    means = own.pivot_table(index="seed", columns="rule", values="surprise", aggfunc="mean")
    if not {"fixed", "oracle"} <= set(means.columns):
        return {"parent": kind, "median": "", "least": "", "seeds below": ""}
    ahead = (means["fixed"] - means["oracle"]).dropna()
    return {
        "parent": kind,
        "median": f"{ahead.median():.3f}",
        "least": f"{ahead.min():.3f}",
        "seeds below": f"{int((ahead < LEAST_WORTH).sum())} of {len(ahead)}",
    }


def cost(lines: pd.DataFrame, kind: str) -> Row:
    """Seconds per chunk and in all."""
    own = lines[(lines["kind"] == kind) & (lines["rule"] == "residual")]
    return {
        "parent": kind,
        "seconds per chunk, median": f"{own['seconds'].median():.2f}" if len(own) else "",
        "stream, median": f"{own.groupby('seed')['seconds'].sum().median():.0f}" if len(own) else "",
        "most rows remembered": str(int(own["remembered"].max())) if len(own) else "",
        "most nodes": str(int(own["nodes"].max())) if len(own) else "",
    }


def _share(right: np.ndarray) -> str:
    return f"{int(right.sum())} of {len(right)}"


def _number(value: float) -> str:
    return "never" if np.isinf(value) else f"{value:.0f}"
