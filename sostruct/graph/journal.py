"""The history of a graph: every edit considered, taken or refused, with its price and reason.

Design note. A journal is append-only and starts from one topology, so any moment of a run is the start with the
accepted edits up to then applied. The accepted edits of an epoch are one batch, as the controller applied them. On disk
it is JSON lines, a header and then one entry a line: a run appends, a killed run is cut back to its last checkpoint,
and equal histories are equal bytes.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from sostruct.errors import GraphError, RunError
from sostruct.graph.edits import AbstractEdit, Edits, apply, describe, edit_from_dict, edit_to_dict, edits_of
from sostruct.graph.exporters import write_graph
from sostruct.graph.files import write_atomically
from sostruct.graph.records import decode
from sostruct.graph.topology import Topology

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

SCHEMA = 1
_FIELDS = ("epoch", "edit", "nats", "accepted", "reason", "target")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One decision.

    Args:
        epoch: when it was taken, 0 or more.
        edit: what was decided on: one edit, or a tuple of edits that stand or fall together.
        nats: its price; NaN for a control rule that has none.
        accepted: whether it was carried out.
        reason: why, for people.
        target: the node whose prediction it changes; "" where that says nothing.

    Raises:
        GraphError: the epoch is negative or no whole number, or the price is infinite.
    """

    epoch: int
    edit: Edits
    nats: float
    accepted: bool
    reason: str
    target: str = ""

    def __post_init__(self) -> None:
        try:
            epoch, nats = index(self.epoch), float(self.nats) + 0.0
        except (TypeError, ValueError):
            raise GraphError(
                f"Cannot record the decision to {describe(self.edit)}. This is because its epoch {self.epoch!r} or "
                f"its price {self.nats!r} is not a number. Try an int and a float."
            ) from None
        if epoch < 0 or math.isinf(nats):
            raise GraphError(
                f"Cannot record the decision to {describe(self.edit)}. This is because its epoch is {epoch} and its "
                f"price {nats} nats. Try an epoch of 0 or more and a finite price, or NaN for a rule without one."
            )
        if not isinstance(self.edit, AbstractEdit):
            object.__setattr__(self, "edit", tuple(self.edit))
        object.__setattr__(self, "epoch", epoch)
        object.__setattr__(self, "nats", nats)
        object.__setattr__(self, "accepted", bool(self.accepted))

    def _content(self) -> tuple[int, Edits, float | None, bool, str, str]:
        nats = None if math.isnan(self.nats) else self.nats
        return (self.epoch, self.edit, nats, self.accepted, self.reason, self.target)

    def __eq__(self, other: object) -> bool:
        return self._content() == other._content() if isinstance(other, Entry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content())

    @property
    def edits(self) -> tuple[AbstractEdit, ...]:
        """The edits, as a tuple whether it is one or several."""
        return edits_of(self.edit)

    @property
    def op(self) -> str:
        """The kinds of its edits by name, each once, joined by " + ": "add_node + add_edge"."""
        return " + ".join(dict.fromkeys(edit.op for edit in self.edits))

    def to_dict(self) -> dict[str, Any]:
        """The entry ready for JSON; a missing price is null."""
        edit = edit_to_dict(self.edit) if isinstance(self.edit, AbstractEdit) else [edit_to_dict(e) for e in self.edit]
        fields = dict(zip(_FIELDS, self._content(), strict=True))
        return fields | {"edit": edit}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Entry:
        """The entry that `to_dict` wrote.

        Raises:
            GraphError: it is no entry.
        """
        if not isinstance(data, dict) or data.keys() != set(_FIELDS):
            raise GraphError(
                f"Cannot read the entry. This is because its fields are not {', '.join(_FIELDS)}. "
                "Try what `to_lines` writes."
            )
        edit = data["edit"]
        return cls(
            epoch=data["epoch"],
            edit=tuple(edit_from_dict(part) for part in edit) if isinstance(edit, list) else edit_from_dict(edit),
            nats=math.nan if data["nats"] is None else data["nats"],
            accepted=data["accepted"],
            reason=data["reason"],
            target=data["target"],
        )


@final
class Journal:
    """The history of one graph, in the order it happened.

    Args:
        start: the graph before the first edit.
        entries: what happened so far.
    """

    def __init__(self, start: Topology, entries: Iterable[Entry] = ()) -> None:
        self.start = start
        self._entries: list[Entry] = []
        self._epochs: list[int] = []
        # The latest replay: how many entries it covers, and the graph after them. Playing a run forward is linear.
        self._replayed: tuple[int, Topology] = (0, start)
        self.extend(entries)

    def record(self, entry: Entry) -> None:
        """Append one decision.

        Raises:
            GraphError: it belongs to an earlier epoch than the last one.
        """
        if self._epochs and entry.epoch < self._epochs[-1]:
            raise GraphError(
                f"Cannot record the decision to {describe(entry.edit)}. This is because it belongs to epoch "
                f"{entry.epoch} and epoch {self._epochs[-1]} is recorded already. Try recording in order."
            )
        self._entries.append(entry)
        self._epochs.append(entry.epoch)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Append several decisions.

        Raises:
            GraphError: see `record`; those before the offending one are kept.
        """
        for entry in entries:
            self.record(entry)

    def forget(self, keep: int) -> None:
        """Folds all but about the last `keep` decisions into the start, whole epochs at a time: for a history without
        end, whose whole is on disk."""
        first = len(self._entries) - keep
        while 0 < first < len(self._epochs) and self._epochs[first] == self._epochs[first - 1]:
            first -= 1
        if first > 0:
            self.start = self._replay_entries(first)
            del self._entries[:first], self._epochs[:first]
            self._replayed = (0, self.start)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every decision, in order."""
        return tuple(self._entries)

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs in which something was decided, ascending."""
        return tuple(dict.fromkeys(self._epochs))

    @property
    def final(self) -> Topology:
        """The graph after every accepted edit."""
        return self._replay_entries(len(self._entries))

    def replay(self, epoch: int) -> Topology:
        """The graph after all accepted edits of this epoch and those before it; -1 gives the start.

        Raises:
            GraphError: an accepted edit does not fit the graph it was recorded for.
        """
        return self._replay_entries(bisect_right(self._epochs, epoch))

    def _replay_entries(self, count: int) -> Topology:
        done, topology = self._replayed
        if done > count:
            done, topology = 0, self.start
        while done < count:
            end = min(count, bisect_right(self._epochs, self._epochs[done]))
            accepted = [edit for entry in self._entries[done:end] if entry.accepted for edit in entry.edits]
            try:
                topology = apply(topology, accepted)
            except GraphError as error:
                raise GraphError(f"Cannot replay epoch {self._epochs[done]} of the journal. {error}") from None
            done = end
        self._replayed = (done, topology)
        return topology

    def graphs(self) -> Iterator[tuple[int, Topology]]:
        """The graph after every epoch that changed it, as (epoch, graph), oldest first; (-1, the start) comes first.

        Raises:
            GraphError: an accepted edit does not fit the graph it was recorded for.
        """
        before = self.start
        yield -1, before
        for epoch in self.epochs:
            after = self.replay(epoch)
            if after != before:
                yield epoch, after
            before = after

    def graph_at(self, epoch: int) -> nx.MultiDiGraph:
        """The graph after all accepted edits of this epoch and those before it, for networkx; -1 gives the start.

        Raises:
            GraphError: see `replay`.
        """
        return self.replay(epoch).graph

    def write_graphml(self, folder: str | Path, epochs: Iterable[int] | None = None) -> tuple[Path, ...]:
        """Write graphs as GraphML, one file per epoch: `epoch-0012.graphml` is the graph after the edits of epoch 12.

        Args:
            folder: made where it is missing; other files in it stay.
            epochs: which graphs, -1 for the start (`start.graphml`). By default the start and every epoch whose edits
                changed the graph.

        Returns:
            The paths, in the order of the epochs.

        Raises:
            GraphError: an epoch is below -1, an edit does not fit its graph, or XML cannot hold the name of a node.
            RunError: a file cannot be written.
        """
        if epochs is None:
            chosen = dict(self.graphs())
        else:
            chosen = {epoch: self.replay(epoch) for epoch in sorted({index(epoch) for epoch in epochs})}
        if min(chosen, default=0) < -1:
            raise GraphError(
                f"Cannot write the graph of epoch {min(chosen)}. This is because epochs are counted from 0. "
                "Try -1 for the graph at the start."
            )
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"Cannot write into {str(folder)!r}. This is because of {error}. Try a folder that can be written."
            ) from None
        paths = []
        for epoch, graph in chosen.items():
            paths.append(folder / ("start.graphml" if epoch < 0 else f"epoch-{epoch:04d}.graphml"))
            write_graph(graph, paths[-1])
        return tuple(paths)

    def frame(self) -> pd.DataFrame:
        """The journal as a table, one row per decision.

        The columns are epoch; target; op, what kind of edit it is ("add_node", "add_edge", "rewire", ...; of several
        that stand or fall together each once, joined by " + "); edit, described for people; nats, NaN for a rule
        without a price; accepted; reason.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "epoch": pd.Series(self._epochs, dtype="int64"),
                "target": pd.Series([entry.target for entry in self._entries], dtype="object"),
                "op": pd.Series([entry.op for entry in self._entries], dtype="object"),
                "edit": pd.Series([describe(entry.edit) for entry in self._entries], dtype="object"),
                "nats": pd.Series([entry.nats for entry in self._entries], dtype="float64"),
                "accepted": pd.Series([entry.accepted for entry in self._entries], dtype="bool"),
                "reason": pd.Series([entry.reason for entry in self._entries], dtype="object"),
            }
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: how much was decided, and the table, its middle left out where it is long."""
        accepted = sum(entry.accepted for entry in self._entries)
        summary = f"{len(self)} decisions in {len(self.epochs)} epochs, {accepted} accepted"
        # The names of nodes are the user's own: pandas escapes them.
        table = self.frame().to_html(index=False, max_rows=40, escape=True, na_rep="", float_format="{:,.2f}".format)
        return f"<p>{summary}</p>\n{table}"

    def header(self) -> str:
        """The first line of the journal's file, with its line end."""
        return _line({"schema": SCHEMA, "start": self.start.node_link()})

    def write(self, path: str | Path) -> None:
        """Write the whole journal as JSON lines, atomically.

        Raises:
            RunError: the file cannot be written.
        """
        write_atomically(path, self.header() + "".join(to_lines(self._entries)))

    @classmethod
    def read(cls, path: str | Path) -> Journal:
        """Read a journal of JSON lines.

        Raises:
            RunError: the file is missing, was written by another schema version, or a line of it is damaged; the
                message names the line.
        """
        try:
            lines = Path(path).read_bytes().split(b"\n")
        except OSError as error:
            raise RunError(
                f"Cannot read the journal {str(path)!r}. This is because of {error}. Try the journal.jsonl of a run."
            ) from None
        try:
            head = decode(lines[0], "read the header")
            if not isinstance(head, dict) or head.get("schema") != SCHEMA:
                raise RunError(
                    f"Cannot read the journal {str(path)!r}. This is because its first line does not say schema "
                    f"{SCHEMA}, so another version wrote it. Try the version of sostruct that made the run."
                )
            journal = cls(Topology.from_node_link(head.get("start")))
        except GraphError as error:
            raise _damaged(path, 1, error) from None
        for number, line in enumerate(lines[1:], start=2):
            if line:
                try:
                    journal.record(Entry.from_dict(decode(line, "read the entry")))
                except GraphError as error:
                    raise _damaged(path, number, error) from None
        return journal

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __repr__(self) -> str:
        return f"Journal({len(self._entries)} entries, {len(self.epochs)} epochs)"


def to_lines(entries: Iterable[Entry]) -> list[str]:
    """Entries as JSON lines, each with its line end: `file.writelines(to_lines(entries))` appends them."""
    return [_line(entry.to_dict()) for entry in entries]


def _line(data: dict[str, Any]) -> str:
    # ASCII only: names may hold characters that other readers take for line ends.
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"


def _damaged(path: str | Path, line: int, error: GraphError) -> RunError:
    return RunError(
        f"Cannot read the journal {str(path)!r}. This is because line {line} is damaged. ({error}) "
        f"Try removing what follows the line before, or the backup of the run."
    )
