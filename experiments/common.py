"""What all experiments share: one referee for every method, and tables that carry the command that made them."""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score  # type: ignore[import-untyped]

from sostruct.loops import native_loops

if TYPE_CHECKING:
    from matplotlib.figure import Figure

native_loops()

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference"
CACHE = ROOT / "results" / "cache"


@dataclass(frozen=True, slots=True)
class Score:
    """How well one graph answers "does i cause j?" over the off-diagonal pairs of a known truth."""

    auroc: float
    auprc: float
    f1: float
    shd: float


METRICS = ("auroc", "auprc", "f1", "shd")


def referee(truth: np.ndarray, evidence: np.ndarray, decision: np.ndarray) -> Score:
    """Scores one method on one series; all matrices are [cause, effect] and their diagonals are ignored.

    AUROC and AUPRC rank the pairs by `evidence`; F1 and SHD judge `decision`. SHD counts wrong pairs: every missing
    and every false edge is one (a reversed edge is two, since feedback i -> j -> i is a legitimate graph here).
    """
    pairs = ~np.eye(truth.shape[0], dtype=bool)
    actual, ranked, decided = truth[pairs].astype(bool), evidence[pairs], decision[pairs].astype(bool)
    if actual.all() or not actual.any():
        raise ValueError("Cannot score a graph against this truth. This is because it has all or no edges.")
    if not np.isfinite(ranked).all():
        raise ValueError("Cannot rank the pairs. This is because some evidence is not finite.")
    return Score(
        auroc=float(roc_auc_score(actual, ranked)),
        auprc=float(average_precision_score(actual, ranked)),
        f1=float(f1_score(actual, decided, zero_division=0.0)),
        shd=float(np.sum(actual != decided)),
    )


def score_row(score: Score) -> dict[str, float]:
    """A score as the columns of a table."""
    return dict(zip(METRICS, astuple(score), strict=True))


def mean_and_error(values: Iterable[float]) -> tuple[float, float]:
    """Mean and standard error of the mean (nan for a single value)."""
    array = np.asarray(list(values), dtype=np.float64)
    error = float(array.std(ddof=1) / np.sqrt(array.size)) if array.size > 1 else float("nan")
    return float(array.mean()), error


def with_error(mean: float, error: float, digits: int = 3, *, sign: bool = False) -> str:
    """`0.982 ± 0.004`."""
    text = f"{mean:+.{digits}f}" if sign else f"{mean:.{digits}f}"
    return text if np.isnan(error) else f"{text} ± {error:.{digits}f}"


def seed_range(text: str) -> range:
    """`1000:1020` as the seeds 1000 to 1019; a plain number is one seed."""
    start, _, stop = text.partition(":")
    try:
        seeds = range(int(start), int(stop) if stop else int(start) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"seeds are written FIRST:END, not {text!r}") from None
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} holds no seed")
    return seeds


def command_line() -> str:
    """The command that is running, as it would be typed in the repository's root."""
    script = Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix()
    return shlex.join([".venv/bin/python", script, *sys.argv[1:]])


def versions(packages: Sequence[str] = ("jax", "equinox", "numpy", "pandas", "scikit-learn")) -> dict[str, str]:
    """Versions of Python and of `packages`, and how many cores there were."""
    found = {name: importlib.metadata.version(name) for name in ("sostruct", *packages)}
    return {"python": platform.python_version(), "cores": str(os.cpu_count()), **found}


def versions_line(found: Mapping[str, str]) -> str:
    """Versions as one sentence under a table."""
    return "Versions: " + ", ".join(f"{name} {version}" for name, version in found.items()) + "."


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows with equal keys as a Markdown table, columns in the order of the first row."""
    columns = list(rows[0])
    cells = [[str(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(value.ljust(width) for value, width in zip(values, widths, strict=True)) + " |"

    return "\n".join([line(columns), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, cells)])


def write_markdown(path: Path, title: str, paragraphs: Sequence[str]) -> None:
    """A page whose first line is the command that makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join([f"`{command_line()}`", f"# {title}", *paragraphs])
    path.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """A table whose first line, a comment, is the command that makes it (read it with `comment="#"`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    path.write_text(f"# {command_line()}\n{body}", encoding="utf-8")


def write_svg(path: Path, figure: Figure) -> None:
    """A drawing that says which command made it, equal for equal input, and small: text is text, not outlines of its
    letters, coordinates are cut to two decimals (points), and nothing is indented."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "sostruct", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Description": command_line()})
    text = re.sub(r"<!--.*?-->", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = re.sub(r"font-family: [^;\"]+", "font-family: 'DejaVu Sans', sans-serif", text)
    short = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(?<=\d\.\d\d)\d+", "", tag.group(0)), text)
    path.write_text(short, encoding="utf-8")


def child_environment(**extra: str) -> dict[str, str]:
    """This environment for a measured child, without inherited tuning of numerical libraries.

    A comparison must not depend on what a shell happens to export: every method runs with its libraries' defaults. The
    number of threads (`OMP_NUM_THREADS`) is kept, since it applies to all methods alike.
    """
    tuning = ("OPENBLAS_", "MKL_", "JAX_", "XLA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(tuning)}
    return {**kept, **extra}
