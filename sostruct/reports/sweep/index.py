"""An index over a folder of results: every sweep and single run below it, newest first, with links to their pages."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sostruct.errors import RunError
from sostruct.graph import write_atomically
from sostruct.reports.document import document
from sostruct.reports.markup import Html, join, pairs, paragraph, section, table, tag, text
from sostruct.reports.markup import number as shown_number
from sostruct.reports.markup import variable as breakable
from sostruct.reports.sweep.findings import address
from sostruct.reports.sweep.jobs import (
    CONFIG,
    ENVIRONMENT,
    PAGE,
    Status,
    is_run,
    is_sweep,
    job_status,
    read_jobs,
    read_orders,
)
from sostruct.reports.typography import DASH

INDEX: Final = "index.html"
DEPTH: Final = 6

_SHOWN: Final = {
    Status.FINISHED: ("finished", "green"),
    Status.FAILED: ("failed", "vermilion"),
    Status.UNFINISHED: ("unfinished", "amber"),
    Status.MISSING: ("not begun", "muted"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the index.

    Attributes:
        path: folder, relative to the index.
        sweep: whether it is a sweep.
        date: when its first run began, as recorded; empty if it is not.
        command: as recorded; empty if it is not.
        status: what became of it; a sweep is finished when all its jobs are.
        words: the status in words.
        page: whether it has a report.
    """

    path: Path
    sweep: bool
    date: str
    command: str
    status: Status
    words: str
    page: bool


def is_collection(folder: Path) -> bool:
    """Whether there is a sweep or a run somewhere below a folder that is none itself."""
    return next(_below(folder, DEPTH), None) is not None


def write_index(folder: Path) -> Path:
    """Write `index.html` into a folder of sweeps and runs, such as `results/`.

    Damaged runs are listed as such and spoil nothing.

    Raises:
        RunError: there is no sweep and no run below the folder, or it cannot be written.
    """
    items = collect_items(folder)
    if not items:
        raise RunError(
            f"Cannot make an index of {str(folder)!r}. This is because there is no run and no sweep below it. Try "
            "results/, or the folder of a sweep or run."
        )
    path = folder / INDEX
    write_atomically(path, render_index(folder, items))
    return path


def collect_items(folder: Path) -> list[Item]:
    """Every sweep and run below a folder: newest first, those without a date last, by name within a date."""
    items = [_item(folder, path) for path in _below(folder, DEPTH)]
    named = sorted(items, key=lambda item: str(item.path))
    return sorted(named, key=lambda item: item.date, reverse=True)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        places = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return
    for path in places:
        if path.name.startswith("."):
            continue
        if is_sweep(path) or is_run(path):
            yield path
        elif depth > 1:
            yield from _below(path, depth - 1)


def _item(root: Path, path: Path) -> Item:
    relative, page = path.relative_to(root), (path / PAGE).is_file()
    if not is_sweep(path):
        about = _lenient(path / ENVIRONMENT)
        status = job_status(path)
        damaged = (path / ENVIRONMENT).is_file() and not about
        words = "damaged" if damaged else _SHOWN[status][0]
        status = Status.FAILED if damaged else status
        return Item(relative, False, _date(about), str(about.get("command") or ""), status, words, page)
    try:
        orders = read_orders(path)
        names = list(dict.fromkeys(name for order in orders for name in order.jobs))
        if not names:
            names = [job.name for job in read_jobs(path, orders)]
    except RunError:
        return Item(relative, True, "", "", Status.FAILED, "damaged", page)
    found = [job_status(path / name) for name in names]
    dates = [date for name in names if (date := _date(_lenient(path / name / ENVIRONMENT)))]
    command = "\n".join(dict.fromkeys(order.command for order in orders if order.command))
    finished, failed = found.count(Status.FINISHED), found.count(Status.FAILED)
    words = f"{finished:,} of {len(found):,} finished" + (f", {failed:,} failed" if failed else "")
    whole = Status.FINISHED if finished == len(found) else (Status.FAILED if failed else Status.UNFINISHED)
    return Item(relative, True, min(dates, default=""), command, whole, words, page)


def _lenient(path: Path) -> Mapping[str, Any]:
    """A JSON object, or an empty one where there is none or it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _date(about: Mapping[str, Any]) -> str:
    """When a run began, to the minute, as it wrote it down."""
    given = about.get("started")
    return given[:16].replace("T", " ") if isinstance(given, str) else ""


def render_index(folder: Path, items: list[Item]) -> str:
    """The page as text."""
    name = folder.resolve().name or str(folder)
    sweeps, runs = ([item for item in items if item.sweep is kind] for kind in (True, False))
    entries = {"sweeps": shown_number(len(sweeps)), "single runs": shown_number(len(runs))}
    lead = "Newest first; dates are UTC. A name leads to the report, where there is one."
    header = tag(
        "header",
        join(
            (
                paragraph("sostruct results", class_="kicker"),
                tag("h1", text(name)),
                paragraph(lead, class_="lede"),
                pairs(entries, "numbers"),
            )
        ),
    )
    parts = [section(title, _table(some)) for title, some in (("Sweeps", sweeps), ("Single runs", runs)) if some]
    footer = tag("footer", text("Made by sostruct-report from the files below this folder alone."))
    return document(f"{name} · sostruct", join((header, tag("main", join(parts)), footer)))


def _table(items: list[Item]) -> Html:
    columns = [("folder", "name"), ("began", ""), ("status", ""), ("command", "phrase")]
    return table(columns, [_row(item) for item in items], f"{len(items):,} in all")


def _row(item: Item) -> list[Html]:
    path = item.path.as_posix()
    name = breakable(path)
    if item.page:
        name = tag("a", name, href=address(f"{path}/{PAGE}"))
    mark = tag("span", text(item.words), class_="verdict", style=f"--mark: var(--{_SHOWN[item.status][1]})")
    return [name, text(item.date or DASH), mark, tag("code", text(item.command or DASH))]


def run_folders(folder: Path) -> Iterator[Path]:
    """Every folder with settings of a run: the folder itself, the jobs of a sweep, or what lies below a collection."""
    if (folder / CONFIG).is_file():
        yield folder
    elif is_sweep(folder):
        yield from sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
    elif folder.is_dir():
        for path in _below(folder, DEPTH):
            yield from run_folders(path)
