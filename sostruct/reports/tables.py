"""A run folder read into tables.

Reports never see live objects: a page can be made again years later, on another machine, from the files alone. The
files are those that every run writes; reading checks that they are all there and names the ones that are not, so a run
that was killed half-way is recognized before anything is drawn. Names are read as text, whatever they look like ("NA",
"007", "true").
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import networkx as nx
import pandas as pd
from omegaconf import OmegaConf

from sostruct.errors import GraphError, RunError
from sostruct.graph import AbstractEdit, AddEdge, AddNode, Journal, RemoveEdge, RemoveNode, Rewire, describe, read_graph

REQUIRED: Final = (
    "config.yaml",
    "environment.json",
    "edges.csv",
    "scores.csv",
    "summary.csv",
    "graph.json",
    "journal.jsonl",
    "signals.csv",
    "metrics.json",
)
"""The files a run must have written before a report can be made of it."""

EDGE_COLUMNS: Final = ("cause", "effect", "lag", "weight", "weight_sd", "nats", "probability")
SIGNAL_COLUMNS: Final = ("epoch", "node", "surprise", "expected", "reducible")

_Content = TypeVar("_Content")


@dataclass(frozen=True, slots=True)
class RunTables:
    """What a finished run left in its folder.

    Attributes:
        folder: where the files are.
        config_text: `config.yaml` as it stands.
        config: the same, parsed; interpolations are left unresolved.
        environment: versions, seed, device, threads, commit, command, and what the task says of itself.
        metrics: scores and counts by name; groups may nest.
        edges: the found edges: cause, effect, lag, weight (data units), weight_sd, nats, probability.
        summary: cause x effect, nats over all lags together.
        signals: epoch, node, surprise, expected, reducible; nats.
        journal: epoch, target, kind ("add", "prune", "rewire", "tune"), edit (in words), nats, accepted, reason.
        graph: the found graph with its annotations.
        truth: the known graph, if there is one.
    """

    folder: Path
    config_text: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: Mapping[str, Any]
    edges: pd.DataFrame
    summary: pd.DataFrame
    signals: pd.DataFrame
    journal: pd.DataFrame
    graph: nx.MultiDiGraph
    truth: nx.MultiDiGraph | None

    def scores(self) -> pd.DataFrame:
        """Every candidate edge, with the columns of `edges`; read when asked, for there may be millions."""
        return read_file(self.folder / "scores.csv", _edge_table)


def read_run(folder: Path) -> RunTables:
    """Read the files of a run.

    Args:
        folder: what a run wrote, e.g. `results/discover/2025-01-31_12-00-00-a1b2`.

    Raises:
        RunError: it is no folder, files are missing (the message lists them), or a file is damaged.
    """
    if not folder.is_dir():
        raise RunError(
            f"Cannot read the run {str(folder)!r}. This is because it is not a folder. Try the folder of a run."
        )
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        unfinished = len(missing) < len(REQUIRED)
        why = f"it lacks {', '.join(missing)}" + (", so the run did not finish" if unfinished else "")
        remedy = f"sostruct run.resume={folder}" if unfinished else "the folder of a run"
        raise RunError(f"Cannot report on {str(folder)!r}. This is because {why}. Try {remedy}")
    environment = read_file(folder / "environment.json", json_object)
    config_text = read_file(folder / "config.yaml", _text)
    return RunTables(
        folder=folder,
        config_text=config_text,
        config=read_file(folder / "config.yaml", settings_of),
        environment=environment,
        metrics=read_file(folder / "metrics.json", json_object),
        edges=read_file(folder / "edges.csv", _edge_table),
        summary=read_file(folder / "summary.csv", _matrix),
        signals=read_file(folder / "signals.csv", signal_table),
        journal=journal_table(Journal.read(folder / "journal.jsonl")),
        graph=read_file(folder / "graph.json", read_graph),
        truth=_truth(folder / "truth.json", environment),
    )


def journal_table(journal: Journal) -> pd.DataFrame:
    """The journal as a table, with the kind of every edit beside its description."""
    entries = journal.entries
    return pd.DataFrame(
        {
            "epoch": pd.Series([entry.epoch for entry in entries], dtype="int64"),
            "target": pd.Series([entry.target for entry in entries], dtype="object"),
            "kind": pd.Series([kind_of(entry.edits) for entry in entries], dtype="object"),
            "edit": pd.Series([describe(entry.edit) for entry in entries], dtype="object"),
            "nats": pd.Series([entry.nats for entry in entries], dtype="float64"),
            "accepted": pd.Series([entry.accepted for entry in entries], dtype="bool"),
            "reason": pd.Series([entry.reason for entry in entries], dtype="object"),
        }
    )


def kind_of(edits: Sequence[AbstractEdit]) -> str:
    """Whether edits that stand or fall together add, prune, rewire (both) or tune (parameters alone)."""
    adds = any(isinstance(edit, AddEdge | AddNode | Rewire) for edit in edits)
    prunes = any(isinstance(edit, RemoveEdge | RemoveNode | Rewire) for edit in edits)
    return {(True, True): "rewire", (True, False): "add", (False, True): "prune"}.get((adds, prunes), "tune")


def read_file(path: Path, parse: Callable[[Path], _Content]) -> _Content:
    """Parse one file, saying which file and what is wrong with it if it cannot be."""
    try:
        return parse(path)
    except GraphError as error:  # says already which file it cannot read, and why
        raise RunError(str(error)) from error
    except (OSError, ValueError) as error:
        raise RunError(
            f"Cannot read {str(path)!r}. This is because {str(error).strip() or type(error).__name__}. "
            f"Try the file as the run wrote it."
        ) from error


def _text(path: Path) -> str:
    return path.read_bytes().decode()


def json_object(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object; ValueError where it does not."""
    content = json.loads(_text(path))
    if not isinstance(content, dict):
        raise ValueError("it does not hold a JSON object")
    return content


def settings_of(path: Path) -> dict[str, Any]:
    """A file of settings, interpolations unresolved; ValueError where it is not YAML."""
    try:
        content = OmegaConf.to_container(OmegaConf.create(_text(path)), resolve=False)
    except Exception as error:  # PyYAML's errors and OmegaConf's have no base of their own in common
        raise ValueError(f"it is not YAML: {error}") from error
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def _table(path: Path, columns: Sequence[str], names: Sequence[str], counts: Sequence[str]) -> pd.DataFrame:
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
    lacking = [column for column in columns if column not in header]
    if lacking:
        raise ValueError(f"it has no column {', '.join(lacking)}")
    numbers = [column for column in columns if column not in names]
    frame = pd.read_csv(
        path,
        usecols=list(columns),
        dtype={**dict.fromkeys(names, "object"), **dict.fromkeys(counts, "int64")},
        keep_default_na=False,
        na_values={column: ["", "nan", "NaN"] for column in numbers if column not in counts},
    )
    floats = [column for column in numbers if column not in counts]
    return frame[list(columns)].astype(dict.fromkeys(floats, "float64"))


def _edge_table(path: Path) -> pd.DataFrame:
    return _table(path, EDGE_COLUMNS, ("cause", "effect"), ("lag",))


def signal_table(path: Path) -> pd.DataFrame:
    """`signals.csv`: epoch, node, surprise, expected, reducible; ValueError where a column or number is not there."""
    return _table(path, SIGNAL_COLUMNS, ("node",), ("epoch",))


def _matrix(path: Path) -> pd.DataFrame:
    """Cause x effect; the first column holds the causes."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        effects = next(rows, [""])[1:]
        body = [row for row in rows if row]
    if any(len(row) != len(effects) + 1 for row in body):
        raise ValueError(f"its rows do not all have {len(effects)} numbers")
    values = [[float(cell) if cell else math.nan for cell in row[1:]] for row in body]
    return pd.DataFrame(values, index=[row[0] for row in body], columns=effects, dtype="float64")


def _truth(path: Path, environment: Mapping[str, Any]) -> nx.MultiDiGraph | None:
    if not path.is_file():
        return None
    truth = read_file(path, read_graph)
    task = environment.get("task")
    if isinstance(task, Mapping) and "truth_lags" in task:
        truth.graph["truth_lags"] = bool(task["truth_lags"])
    return truth
