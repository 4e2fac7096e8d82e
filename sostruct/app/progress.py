"""What a sweep looks like while it runs and when it is over: a live table on a terminal, lines elsewhere.

Jobs run in other processes, so everything is read from their folders.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sostruct.app.jobs import FAILED, LOCK
from sostruct.app.sweep import Sweep
from sostruct.control.finished import DONE

_EVERY = 0.5
_RECENT = 8


@final
class Watch:
    """The jobs of a sweep as their folders show them, since now."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.names = sweep, sorted(set(sweep.names))
        self._began, self._since = time.time(), time.monotonic()
        self.earlier = {name for name in self.names if (sweep.folder / name / DONE).exists()}

    def state(self, name: str) -> str:
        """ "done", "failed", "running" or "waiting"."""
        folder = self.sweep.folder / name
        with suppress(OSError):
            if (folder / FAILED).stat().st_mtime >= self._began - 1.0:
                return "failed"
        if (folder / DONE).exists():
            return "done"
        with suppress(OSError):
            if (folder / LOCK).stat().st_mtime >= self._began - 1.0:
                return "running"
        return "waiting"

    def states(self) -> dict[str, str]:
        """Of every job."""
        return {name: self.state(name) for name in self.names}

    def seconds_left(self, counts: Counter[str]) -> float | None:
        """As long as what is left will take at the pace so far; None before the first job is over."""
        over = counts["done"] + counts["failed"] - len(self.earlier)
        left = counts["running"] + counts["waiting"]
        return None if over < 1 else (time.monotonic() - self._since) / over * left

    def failures(self) -> dict[str, str]:
        """What stopped the jobs that are not done."""
        found = {}
        for name in self.names:
            if self.state(name) == "done":
                continue
            try:
                told = str(json.loads((self.sweep.folder / name / FAILED).read_text("utf-8"))["error"])
            except (OSError, ValueError, KeyError):
                told = "it has not finished; another process may be running it"
            found[name] = told
        return found


@contextmanager
def shown(watch: Watch, *, wanted: bool) -> Iterator[None]:
    """A live table on a terminal while the sweep runs; one line per finished job where there is none."""
    console, over = Console(stderr=True), threading.Event()
    if not wanted:
        yield
        return
    follow = _table if console.is_terminal else _lines
    thread = threading.Thread(target=follow, args=(watch, console, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _table(watch: Watch, console: Console, over: threading.Event) -> None:
    with Live(_drawn(watch), console=console, refresh_per_second=4, transient=True) as live:
        while not over.wait(_EVERY):
            live.update(_drawn(watch))


def _lines(watch: Watch, console: Console, over: threading.Event) -> None:
    told = set(watch.earlier)
    if told:
        console.print(f"{len(told)} of {len(watch.names)} jobs were finished before", soft_wrap=True)
    while True:
        last = over.wait(_EVERY)
        states = watch.states()
        for name, state in states.items():
            if state in ("done", "failed") and name not in told:
                told.add(name)
                console.print(
                    f"{len(told)}/{len(watch.names)} {state}: {name}", soft_wrap=True, markup=False, highlight=False
                )
        if last:
            return


def _drawn(watch: Watch) -> Group:
    states = watch.states()
    counts = Counter(states.values())
    left = watch.seconds_left(counts)
    table = Table(box=None, pad_edge=False)
    for name in ("done", "running", "waiting", "failed", "time left"):
        table.add_column(name, justify="right")
    table.add_row(
        *(str(counts[state]) for state in ("done", "running", "waiting", "failed")),
        "?" if left is None else time.strftime("%H:%M:%S", time.gmtime(left)),
    )
    bar = ProgressBar(total=len(states), completed=counts["done"] + counts["failed"], width=40)
    now = [name for name, state in states.items() if state == "running"][:_RECENT]
    return Group(table, bar, *(Text(f"  {name}", style="dim") for name in now))


def summary(watch: Watch) -> dict[str, str]:
    """Says how the sweep ended, and returns the jobs that are not done with what stopped them."""
    failed = watch.failures()
    done = len(watch.names) - len(failed)
    kept = f", {len(watch.earlier)} of them before" if watch.earlier else ""
    console = Console(emoji=False)
    console.print(
        f"{done} of {len(watch.names)} jobs are done{kept}: {watch.sweep.folder}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    for name, told in failed.items():
        sys.stderr.write(f"not done: {name}: {told}\n")
    return failed
