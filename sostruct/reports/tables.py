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
from sostruct.graph import (
    AbstractEdit,
    AddConnections,
    AddEdge,
    AddNode,
    AddUnits,
    Journal,
    RemoveConnections,
    RemoveEdge,
    RemoveNode,
    RemoveUnits,
    Rewire,
    read_graph,
)
from sostruct.reports.edit_words import summary

JOURNAL: Final = "journal.jsonl"
NODES: Final = "nodes.csv"
COMPONENTS: Final = "components.csv"
POINTS: Final = "points.csv"
_EVERY: Final = ("config.yaml", "environment.json", "edges.csv")
_LAGGED: Final = ("scores.csv", "summary.csv")
_REST: Final = ("graph.json", JOURNAL, "signals.csv", "metrics.json")
REQUIRED: Final = (*_EVERY, *_LAGGED, *_REST)
"""The files a causal discovery must have written before a report can be made of it."""

REQUIRED_OF_BELIEFS: Final = (*_EVERY, NODES, *_REST)
"""The same for the structure of a belief network."""

EDGE_COLUMNS: Final = ("cause", "effect", "lag", "weight", "weight_sd", "nats", "probability")
BELIEF_EDGE_COLUMNS: Final = ("source", "target", "coupling", "strength")
SIGNAL_COLUMNS: Final = ("epoch", "node", "surprise", "expected", "reducible")
BELIEF_COLUMNS: Final = ("error", "precision", "volatility_error", "autocorrelation", "mean", "variance")
"""Columns that signals.csv has for belief networks as well."""

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
        belief: whether this is a belief network or a mixture; else it is a causal discovery with lags.
        edges: the found edges: cause, effect, lag, weight (data units), weight_sd, nats, probability; of a belief
            network source, target, coupling, strength, function and connections (how many there are) if recorded, and
            nats, NaN where not.
        nodes: of a belief network: node, kind, observed if recorded, and parameters; else empty.
        summary: cause x effect, nats over all lags together; empty for a belief network.
        signals: epoch, node, surprise, expected, reducible, in nats; and those of `BELIEF_COLUMNS` that were recorded.
        history: the journal itself.
        journal: epoch, target, kind ("add", "prune", "rewire", "tune"), op, edit (in words), nats, accepted, reason,
            summary (the edit in few words).
        graph: the found graph with its annotations.
        truth: the known graph, if there is one.
        components: of a mixture: component, weight, and mean and sd in every input; else None.
        points: of a mixture whose run wrote where its rows are: component, and value in every input; else None.
    """

    folder: Path
    config_text: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: Mapping[str, Any]
    belief: bool
    edges: pd.DataFrame
    nodes: pd.DataFrame
    summary: pd.DataFrame
    signals: pd.DataFrame
    history: Journal
    journal: pd.DataFrame
    graph: nx.MultiDiGraph
    truth: nx.MultiDiGraph | None
    components: pd.DataFrame | None = None
    points: pd.DataFrame | None = None

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
    belief = is_belief(folder)
    required = REQUIRED_OF_BELIEFS if belief else REQUIRED
    missing = [name for name in required if not (folder / name).is_file()]
    if missing:
        unfinished = len(missing) < len(required)
        why = f"it lacks {', '.join(missing)}" + (", so the run did not finish" if unfinished else "")
        remedy = f"sostruct run.resume={folder}" if unfinished else "the folder of a run"
        raise RunError(f"Cannot report on {str(folder)!r}. This is because {why}. Try {remedy}")
    environment = read_file(folder / "environment.json", json_object)
    config_text = read_file(folder / "config.yaml", _text)
    history = Journal.read(folder / JOURNAL)
    return RunTables(
        folder=folder,
        config_text=config_text,
        config=read_file(folder / "config.yaml", settings_of),
        environment=environment,
        metrics=read_file(folder / "metrics.json", json_object),
        belief=belief,
        edges=read_file(folder / "edges.csv", _belief_edge_table if belief else _edge_table),
        nodes=read_file(folder / NODES, _node_table) if belief else pd.DataFrame(columns=["node", "kind"]),
        summary=pd.DataFrame() if belief else read_file(folder / "summary.csv", _matrix),
        signals=read_file(folder / "signals.csv", signal_table),
        history=history,
        journal=journal_table(history),
        graph=read_file(folder / "graph.json", read_graph),
        truth=_truth(folder / "truth.json", environment),
        components=read_file(folder / COMPONENTS, _component_table) if (folder / COMPONENTS).is_file() else None,
        points=read_file(folder / POINTS, _point_table) if (folder / POINTS).is_file() else None,
    )


def is_belief(folder: Path) -> bool:
    """Whether a folder is that of a belief network: it has a table of nodes, or its graph began with beliefs."""
    if (folder / NODES).is_file():
        return True
    try:
        with (folder / JOURNAL).open(encoding="utf-8") as file:
            nodes = json.loads(file.readline())["start"]["nodes"]
        return any(node["kind"] != "series" for node in nodes)
    except (OSError, ValueError, KeyError, TypeError):  # whoever reads the journal says what is wrong with it
        return False


def journal_table(journal: Journal) -> pd.DataFrame:
    """The journal as a table: as `Journal.frame`, with the kind of every decision and a summary of its edits."""
    table = journal.frame()
    kinds = pd.Series([kind_of(entry.edits) for entry in journal], dtype="object")
    table.insert(2, "kind", kinds)
    table["summary"] = pd.Series([summary(entry.edits) for entry in journal], dtype="object")
    return table


def kind_of(edits: Sequence[AbstractEdit]) -> str:
    """Whether edits that stand or fall together add, prune, rewire (both) or tune (parameters alone)."""
    adds = any(isinstance(edit, AddEdge | AddNode | AddUnits | AddConnections | Rewire) for edit in edits)
    prunes = any(isinstance(edit, RemoveEdge | RemoveNode | RemoveUnits | RemoveConnections | Rewire) for edit in edits)
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


def _table(
    path: Path, columns: Sequence[str], names: Sequence[str], counts: Sequence[str], optional: Sequence[str] = ()
) -> pd.DataFrame:
    header = _header(path)
    lacking = [column for column in columns if column not in header]
    if lacking:
        raise ValueError(f"it has no column {', '.join(lacking)}")
    columns = [*columns, *(column for column in optional if column in header)]
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
    return _table(path, EDGE_COLUMNS, ("cause", "effect", "function"), ("lag",), ("function",))


def _belief_edge_table(path: Path) -> pd.DataFrame:
    names = ("source", "target", "coupling", "function")
    table = _table(path, BELIEF_EDGE_COLUMNS, names, (), ("function", "nats", "connections"))
    return table if "nats" in table else table.assign(nats=math.nan)


def _node_table(path: Path) -> pd.DataFrame:
    """Node, kind, whether it is observed where the file says so, and whatever numbers the file has of them."""
    names = ("node", "kind", "observed")
    table = _table(path, names[:2], names, (), [name for name in dict.fromkeys(_header(path)) if name not in names[:2]])
    return table if "observed" not in table else table.assign(observed=table["observed"].str.lower() == "true")


def _component_table(path: Path) -> pd.DataFrame:
    """Component, weight, and whatever numbers the file has of each."""
    header = list(dict.fromkeys(_header(path)))
    return _table(path, ("component", "weight"), ("component",), (), header[2:])


def _point_table(path: Path) -> pd.DataFrame | None:
    """Component and whatever values the file has of each row; None where it has none."""
    values = [name for name in dict.fromkeys(_header(path)) if name.endswith(" value")]
    return _table(path, ("component",), ("component",), (), values) if values else None


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def signal_table(path: Path) -> pd.DataFrame:
    """`signals.csv`: `SIGNAL_COLUMNS` and those of `BELIEF_COLUMNS` that are there.

    A ValueError says which column is missing or what is no number.
    """
    return _table(path, SIGNAL_COLUMNS, ("node",), ("epoch",), BELIEF_COLUMNS)


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
