"""How `run.py` measures and reports: jobs in fresh processes, their answers as rows, goals, and tables."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common import ROOT, child_environment, markdown_table

Row = dict[str, Any]
Answer = dict[str, Any]
PEER = ROOT / "experiments" / "peers" / "pyhgf_filter.py"
PEER_PYTHON = ROOT / "experiments" / "peers" / ".venv_pyhgf" / "bin" / "python"
WORKER = ROOT / "experiments" / "hgf_speed" / "worker.py"


@dataclass(frozen=True, slots=True)
class Size:
    """How large everything is."""

    steps: int = 10_000
    tree_steps: int = 1000
    trees: tuple[int, ...] = (10, 50, 200, 600)
    peer_trees: tuple[int, ...] = (10, 50)
    set_steps: int = 1000
    sets: int = 1000
    edits: tuple[int, ...] = (10, 50, 200)
    population: int = 64
    random_edits: int = 50
    repeats: int = 30
    rounds: int = 5


QUICK = Size(500, 100, (10, 50), (10,), 100, 50, (10,), 4, 10, 3, 2)


@dataclass
class Laboratory:
    """Runs jobs, each in a fresh process, and remembers their answers."""

    folder: Path
    size: Size
    limit: float
    peers: bool
    answers: dict[str, Answer] = field(default_factory=dict)
    peer_versions: dict[str, str] = field(default_factory=dict)

    def ours(self, task: str, flag: bool, **job: Any) -> Answer:
        """An answer of `worker.py`."""
        return self._ask(
            [sys.executable, WORKER], {"task": task, "loop_flag": flag, "repeats": self.size.repeats} | job
        )

    def peer(self, task: str, **job: Any) -> Answer:
        """An answer of `pyhgf_filter.py`, or why there is none."""
        if not self.peers:
            return {"failed": "not run"}
        answer = self._ask([PEER_PYTHON, PEER], {"task": task, "repeats": self.size.repeats} | job)
        self.peer_versions |= answer.get("versions", {})
        return answer

    def data(self, name: str, **arrays: np.ndarray) -> str:
        """Arrays in a file that jobs can name."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            np.savez(path, allow_pickle=False, **arrays)
        return str(path)

    def trajectories(self, name: str) -> str:
        """A file for beliefs."""
        return str(self.folder / f"beliefs_{name}.npz")

    def _ask(self, program: Sequence[Path | str], job: Mapping[str, Any]) -> Answer:
        key = json.dumps([str(program[-1]), job], sort_keys=True)
        if key not in self.answers:
            say(f"{Path(program[-1]).stem}: {job['task']}, " + _brief(job))
            self.answers[key] = self._run(program, job)
            if failed := self.answers[key].get("failed"):
                say(f"  {failed}")
        return self.answers[key]

    def _run(self, program: Sequence[Path | str], job: Mapping[str, Any]) -> Answer:
        source, target = self.folder / "job.json", self.folder / "answer.json"
        source.write_text(json.dumps(job), encoding="utf-8")
        target.unlink(missing_ok=True)
        command = [str(part) for part in (*program, source, target)]
        environment = child_environment(JAX_ENABLE_COMPILATION_CACHE="false")
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, timeout=self.limit, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"not finished in {self.limit:.0f} s"}
        if done.returncode or not target.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return {"failed": f"exit code {done.returncode}: {last}"}
        answer: Answer = json.loads(target.read_text(encoding="utf-8"))
        return {"failed": answer["refused"]} if "refused" in answer else answer


@dataclass
class Section:
    """What a section found: tables under their captions, and goals."""

    title: str
    notes: str
    tables: list[tuple[str, list[Row]]] = field(default_factory=list)
    goals: list[Row] = field(default_factory=list)

    def written(self) -> list[tuple[str, list[Row]]]:
        """The tables that have rows."""
        return [(caption, rows) for caption, rows in self.tables if rows]

    def goal(
        self, what: str, goal: str, reached: float | None, met: Callable[[float], bool] | None = None, unit: str = ""
    ) -> None:
        """Adds a goal, or a number to know beside the goals; `reached` is None where a measurement is missing."""
        shown = "not measured" if reached is None else f"{reached:.3g}{unit}"
        verdict = "" if met is None else "?" if reached is None else "yes" if met(reached) else "no"
        self.goals.append({"what": what, "goal": goal, "reached": shown, "met": verdict})


def _brief(job: Mapping[str, Any]) -> str:
    nodes = f"{len(job['graph']['nodes'])} nodes" if "graph" in job else ""
    parts = [nodes, *(f"{key} {job[key]}" for key in ("loop_flag", "x64", "options") if key in job)]
    return ", ".join(part for part in parts if part)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def at(answer: Mapping[str, Any], *path: str) -> Any:
    """A value inside an answer, or None."""
    found: Any = answer
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def median(answer: Mapping[str, Any], *path: str, prefix: str = "") -> float | None:
    """Median seconds of all calls but the first."""
    inner = at(answer, *path) if path else answer
    repeated, second = at(inner or {}, f"{prefix}repeated"), at(inner or {}, f"{prefix}second")
    if repeated is None:
        return None
    return statistics.median([*([] if second is None else [second]), *repeated])


def fastest(answer: Mapping[str, Any], *path: str, prefix: str = "") -> float | None:
    """Least seconds of all calls but the first."""
    inner = at(answer, *path) if path else answer
    repeated = at(inner or {}, f"{prefix}repeated")
    return None if repeated is None else min(repeated)


def typical(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    """The median over rounds of the ratio of two measurements, which stood next to each other in every round."""
    found = [a / b for a, b in pairs if a is not None and b is not None]
    return statistics.median(found) if len(found) == len(pairs) else None


def scaled(value: float | None, factor: float) -> float | None:
    """A value in another unit."""
    return None if value is None else value * factor


def ratio(a: float | None, b: float | None) -> float | None:
    """a / b, where both are known."""
    return None if a is None or b is None else a / b


def calls(method: str, answer: Mapping[str, Any], *path: str, prefix: str = "") -> Row:
    """A method's calls as a row: first in seconds, the rest in milliseconds, or why there are none."""
    inner = at(answer, *path) if path else answer
    return {
        "method": method,
        "first_s": at(inner or {}, f"{prefix}first"),
        "second_ms": scaled(at(inner or {}, f"{prefix}second"), 1e3),
        "median_ms": scaled(median(answer, *path, prefix=prefix), 1e3),
        "fastest_ms": scaled(fastest(answer, *path, prefix=prefix), 1e3),
        "note": answer.get("failed", ""),
    }


def farthest(one: str, other: str) -> float | None:
    """The largest relative difference between two files of beliefs (absolute below 1)."""
    if not (Path(one).exists() and Path(other).exists()):
        return None
    with np.load(one) as a, np.load(other) as b:
        names = [name for name in a.files if name in b.files]
        return max(float(np.max(np.abs(a[name] - b[name]) / np.maximum(1.0, np.abs(b[name])))) for name in names)


def shown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table with three significant digits; columns that hold nothing are left out."""
    columns = [key for key in rows[0] if any(row[key] not in (None, "") for row in rows)]
    return markdown_table([{key: _cell(row[key]) for key in columns} for row in rows])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def long_table(name: str, section: Section) -> list[Row]:
    """Every number of a section as one line: where it stands, what it is, its value."""
    lines = []
    for caption, rows in section.tables:
        for row in rows:
            words = {key: value for key, value in row.items() if isinstance(value, str) or key in ("nodes", "seed")}
            case = "; ".join(str(value) for key, value in words.items() if value != "" and key != "note")
            for key, value in row.items():
                if key not in words and value is not None:
                    line = {"section": name, "table": caption.rstrip("."), "case": case}
                    lines.append(line | {"quantity": key, "value": float(value)})
    return lines
