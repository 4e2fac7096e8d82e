"""What the first lines of a report say, worked out from the tables of a run.

The task, the size, the scores and the one-sentence finding. Whether data are simulated is stated by the run and never
guessed; a run that does not say is reported as not saying.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import pandas as pd

from sostruct.graph.layering import leaves
from sostruct.reports.links import Comparison, Verdict
from sostruct.reports.tables import RunTables
from sostruct.reports.typography import minus


class Recorded(Protocol):
    """Anything that holds what a run wrote in environment.json."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """The content of the file; empty where there is none."""


def task_facts(tables: Recorded) -> Mapping[str, Any]:
    """What the run wrote about its task: name, description, provenance, simulated, rows, variables."""
    task = tables.environment.get("task")
    return task if isinstance(task, Mapping) else {}


def task_name(tables: RunTables) -> str:
    """The task's name; else the class its settings name; else the folder's name."""
    settings = tables.config.get("task")
    settings = settings if isinstance(settings, Mapping) else {}
    target = str(settings.get("_target_", "")).rpartition(".")[2]
    return str(task_facts(tables).get("name") or settings.get("name") or target or tables.folder.name)


def provenance(tables: Recorded) -> str:
    """Where the data come from, in the run's own words; empty where it does not say."""
    return str(task_facts(tables).get("provenance") or "").strip()


def simulated(tables: Recorded) -> bool | None:
    """Whether a program generated the data, by "simulated" or else by the provenance; None where neither is there."""
    stated = task_facts(tables).get("simulated")
    if isinstance(stated, bool):
        return stated
    origin = provenance(tables).lower()
    return any(word in origin for word in ("simulated", "synthetic")) if origin else None


def command(tables: Recorded) -> str | None:
    """The command line that made the run; None for a run started from Python."""
    given = tables.environment.get("command")
    return given if isinstance(given, str) and given else None


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested groups as dotted names, in the order they were written."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def metric(tables: RunTables, name: str) -> float | None:
    """A score for the headline: of the summary graph if the scores are grouped by view; None if it is not there."""
    summary = tables.metrics.get("summary")
    for group in (summary if isinstance(summary, Mapping) else {}, tables.metrics):
        value = group.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def inputs(tables: RunTables) -> tuple[str, ...]:
    """The observed nodes of a belief network, as the run recorded them, or else as its first graph shows them."""
    if "observed" in tables.nodes:
        return tuple(tables.nodes.loc[tables.nodes["observed"].astype(bool), "node"])
    return leaves(tables.history.start)


def observed_signals(tables: RunTables) -> pd.DataFrame:
    """The rows of signals.csv whose surprise adds up to that of the data: of a belief network those of its inputs."""
    if not tables.belief:
        return tables.signals
    return tables.signals[tables.signals["node"].isin(inputs(tables))]


def believes(tables: RunTables) -> bool:
    """Whether the run recorded what its nodes believed."""
    return tables.belief and {"mean", "variance"} <= set(tables.signals.columns)


def growth(tables: RunTables) -> str:
    """What became of a belief network, in a sentence or two."""
    start, end = tables.history.start, tables.history.final
    grown = [name for name in end.names if name not in start]
    gone = [name for name in start.names if name not in end]
    old, new = ({edge.key for edge in graph.edges} for graph in (start, end))
    accepted = int(tables.journal["accepted"].sum())
    if not accepted:
        return f"No edit was made: the graph stays as it was, with {_count(len(new), 'edge')}."
    what = "hidden node" if tables.components is None else "component"
    changes = [f"grew {_count(len(grown), what)} ({_some(grown)})"] if grown else []
    changes += [f"gained {_count(len(new - old), 'edge')}"] if new - old else []
    changes += [f"lost {_count(len(gone), 'node')} ({_some(gone)})"] if gone else []
    changes += [f"lost {_count(len(old - new), 'edge')}"] if old - new else []
    outcome = f"The network {_listed(changes)}" if changes else "Parameters alone were changed"
    sentence = f"{outcome}, in {_count(accepted, 'accepted edit')}."
    before, after = (metric(tables, f"heldout_surprise_per_step{end}") for end in ("_before", ""))
    if after is None:
        return sentence
    fell = "" if before is None else f", {minus(f'{before:.3f}')} before"
    return f"{sentence} Data it had not seen surprise it by {minus(f'{after:.3f}')} nats per step{fell}."


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def finding(compared: Comparison) -> str:
    """What was found, in a sentence or two."""
    found = list(compared.found.values())
    across = [link for link in found if not link.own_past]
    if not found:
        return f"No link reached the evidence it needs: the {_count(len(compared.names), 'variable')} stay apart."
    if compared.true is None:
        strongest = (across or found)[0]
        own = len(found) - len(across)
        return (
            f"{_count(len(across), 'link')} between different variables and {own} from a variable's own past were "
            f"found among {_count(len(compared.names), 'variable')}. The strongest is {strongest.source} → "
            f"{strongest.target}" + ("." if math.isnan(strongest.nats) else f", with {strongest.nats:,.1f} nats.")
        )
    judged = [verdict for (source, target), verdict in compared.judged.items() if source != target]
    hits, later = judged.count(Verdict.HIT), judged.count(Verdict.OTHER_LAG)
    missed, false = judged.count(Verdict.MISSED), judged.count(Verdict.FALSE)
    true = hits + later + missed
    first = "All" if not missed and true else f"{hits + later} of"
    lag = f", {later} of them at another lag" if later else ""
    rest = (
        "No link is false." if not false else f"{false} of the {_count(len(across), 'link')} found {_are(false)} false."
    )
    return f"{first} {_count(true, 'true link')} between different variables were found{lag}. {rest}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
