"""What the first lines of a report say, worked out from the tables of a run.

The task, the size, the scores and the one-sentence finding. Whether data are simulated is stated by the run and never
guessed; a run that does not say is reported as not saying.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from sostruct.reports.links import Comparison, Verdict
from sostruct.reports.tables import RunTables


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
