"""Causal discovery on a stream: rows come in, the graph follows, and a change of the system is an alarm.

What is summed up (`networks.lagged.streaming`) is all that a batch search needs, so the graph of a stretch without
alarms is that of `ss.discover(rows, functions="linear")`. It is searched when somebody asks, at most once per chunk.
What is found after an alarm rests on the rows from the change point on; earlier regimes are kept, and recognized when
they return (`discovery.regimes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sostruct.control.history import SignalHistory
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.present import Present
from sostruct.discovery.regimes import Kept, statistics
from sostruct.discovery.result import Discovery
from sostruct.discovery.streamed import Alarm, Return, Streamed
from sostruct.errors import ConfigError, DataError
from sostruct.graph import Journal
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.moments import Moments, standardized
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.tasks.base import listed, series_names
from sostruct.tasks.checks import check_max_lag, check_names, check_numbers


@dataclass(frozen=True, slots=True)
class Update:
    """What a chunk brought.

    Attributes:
        first_row: row of the stream, from 0, with which it began.
        rows: how many it had.
        regime: number of the regime after it.
        alarms: changes of the system that it raised.
        returns: regimes that it showed to be back.
        dropped: numbers of earlier regimes that are no longer kept, because more than `most_regimes` are over.
    """

    first_row: int
    rows: int
    regime: int
    alarms: tuple[Alarm, ...]
    returns: tuple[Return, ...]
    dropped: tuple[int, ...] = ()


@final
class StreamingDiscovery:
    """Finds which series drives which while rows come in, and notices when that changes.

    Mechanisms are lines at lags 1..max_lag. Effects within a step are reported as undirected pairs: their direction
    needs more than sums. `docs/streaming.md` says how changes are found and which ones are not.

    Args:
        variables: names of the series; those of the first chunk when None.
        max_lag: the largest lag, in rows.
        forbidden, required, expected_parents, ridge, contemporaneous, probabilities, seed: as in `CausalDiscovery`.
        noise: "gaussian", the only kind of noise that sums allow for.
        half_life: rows after which a row counts half, for systems that drift; None: all rows count alike.
        rows_per_false_alarm: how many rows of an unchanging system, all series together, there should be at least per
            false alarm; None for no alarms. Larger is safer and later: delays grow with its logarithm.
        remembered: most rows from before an alarm with which the new regime begins; those since the estimated change
            point, if they are fewer, but never fewer than 10 + max_lag.
        most_regimes: how many earlier regimes are kept, each with the sums of all pairs of lagged series; of more, the
            one that was there least recently is dropped, and would not be recognized. None: all, for ever.
        keep: whether all rows of the present regime are kept, so that any may be deleted; else about the last
            `remembered`, and memory is bounded.
    """

    def __init__(
        self,
        variables: Sequence[str] | None = None,
        *,
        max_lag: int = 3,
        forbidden: Iterable[Sequence[Any]] = (),
        required: Iterable[Sequence[Any]] = (),
        expected_parents: float = 2.0,
        ridge: float = 1.0,
        half_life: float | None = None,
        rows_per_false_alarm: float | None = 100_000.0,
        remembered: int = 200,
        most_regimes: int | None = 50,
        keep: bool = True,
        contemporaneous: bool = True,
        noise: str = "gaussian",
        probabilities: bool = True,
        seed: int = 0,
    ) -> None:
        if noise != "gaussian":
            raise ConfigError(
                f"Cannot use noise={noise!r} on a stream. This is because weights of rows follow from all rows, and a "
                "stream keeps sums of them. Try 'gaussian', or ss.discover on the rows of one regime."
            )
        self.settings: dict[str, Any] = {
            "max_lag": check_max_lag(max_lag),
            "forbidden": [list(edge) for edge in forbidden],
            "required": [list(edge) for edge in required],
            "expected_parents": expected_parents,
            "ridge": ridge,
            "half_life": half_life,
            "rows_per_false_alarm": rows_per_false_alarm,
            "remembered": remembered,
            "most_regimes": most_regimes,
            "keep": keep,
            "contemporaneous": contemporaneous,
            "probabilities": probabilities,
            "seed": seed,
        }
        lowest = 2 * (10 + max_lag)
        if half_life is not None and not lowest <= half_life < np.inf:
            raise ConfigError(
                f"Cannot forget with half_life={half_life!r}. This is because fewer than {lowest} rows, 2 (10 + "
                "max_lag), say nothing of a graph. Try 500, or None to forget nothing."
            )
        if rows_per_false_alarm is not None and not 1 <= rows_per_false_alarm < np.inf:
            raise ConfigError(
                f"Cannot tolerate a false alarm in {rows_per_false_alarm!r} rows. This is because it is a number of "
                "rows, at least 1. Try 100_000, or None for no alarms."
            )
        if isinstance(remembered, bool) or not isinstance(remembered, int) or remembered < 1:
            raise ConfigError(
                f"Cannot remember {remembered!r} rows. This is because it is a whole number, at least 1. Try 200."
            )
        if most_regimes is not None and (
            isinstance(most_regimes, bool) or not isinstance(most_regimes, int) or most_regimes < 1
        ):
            raise ConfigError(
                f"Cannot keep {most_regimes!r} regimes. This is because it is a whole number, at least 1. Try 50, or "
                "None to keep all."
            )
        self.engine: Streamed | None = None
        self.offset: NDArray[np.float64] | None = None
        self._found: Discovery | None = None
        if variables is not None:
            self._begin(check_names(variables))

    def observe(self, chunk: pd.DataFrame | ArrayLike) -> Update:
        """Takes the next rows.

        Args:
            chunk: a DataFrame with the columns of the stream, in any order, or an array [row, series]; any number of
                rows.

        Raises:
            DataError: other columns, or a value that is missing, infinite or no number. The stream is as before.
        """
        values = self._values(chunk)
        engine = self._engine()
        first, alarms, returns = engine.present.seen, len(engine.alarms), len(engine.returns)
        dropped = len(engine.dropped)
        if len(values):
            if self.offset is None:
                self.offset = values[0].copy()
            engine.take(values - self.offset)
            self._found = None
        return Update(
            first_row=first,
            rows=len(values),
            regime=engine.present.number,
            alarms=tuple(engine.alarms[alarms:]),
            returns=tuple(engine.returns[returns:]),
            dropped=tuple(entry.number for entry in engine.dropped[dropped:]),
        )

    def forget(self, first_row: int, last_row: int) -> None:
        """Deletes rows of the present regime from all that is known of it, exactly.

        Every row whose lags touch the stretch goes, also those still to come: what is left is what a fit to the other
        rows would be. What has been learned about the noise, for alarms only, stays; the tests for change start anew.

        Args:
            first_row, last_row: rows of the stream, from 0, both included.

        Raises:
            DataError: rows that were never seen, belong to an earlier regime, or are kept no longer.
        """
        engine = self._engine()
        oldest, seen = engine.present.oldest, engine.present.seen
        if not oldest <= first_row <= last_row < seen:
            reason = (
                f"the stream has seen {seen} rows"
                if last_row >= seen or seen == 0
                else f"only rows {oldest} to {seen - 1} of the present regime are kept"
            )
            raise DataError(
                f"Cannot forget rows {first_row} to {last_row}. This is because {reason}, counted from 0. Try a first "
                "and a last row among them."
            )
        engine.delete(first_row, last_row)
        self._found = None

    @property
    def found(self) -> Discovery:
        """The graph of the present regime, with its evidence. Its journal and history are empty.

        Raises:
            DataError: fewer than 10 + max_lag rows with a past, or a series that does not vary in them.
        """
        if self._found is None:
            self._found = self._searched(self._engine().present.moments(), int(self._engine().present.state.own))
        return self._found

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The graph of the present regime (`Discovery.graph`)."""
        return self.found.graph

    @property
    def edges(self) -> pd.DataFrame:
        """Its edges (`Discovery.edges`)."""
        return self.found.edges

    @property
    def rows(self) -> int:
        """How many rows have been seen."""
        return 0 if self.engine is None else self.engine.present.seen

    @property
    def alarms(self) -> pd.DataFrame:
        """All alarms: `row`, `nodes`, `change`, `regime`, `reason` (see `Alarm`) and `returned`: the number of the
        earlier regime that it turned out to be, or NA."""
        engine = self._engine()
        known = {entry.instead_of: entry.regime for entry in engine.returns}
        rows = [{**asdict(alarm), "returned": known.get(alarm.regime)} for alarm in engine.alarms]
        table = pd.DataFrame(rows, columns=["row", "nodes", "change", "regime", "reason", "returned"])
        return table.astype({"returned": "Int64"})

    @property
    def regimes(self) -> pd.DataFrame:
        """Every regime, by stretches: `regime`, `first_row`, `last_row`, `present`, and whether it is `kept`: of one
        that is not, because more than `most_regimes` are over, nothing else is known."""
        engine, present = self._engine(), self._engine().present
        over = [(one.number, one.stretches, True) for one in engine.library.values()]
        over += [(one.number, one.stretches, False) for one in engine.dropped]
        over.append((present.number, present.stretches, True))
        rows = [(number, first, end - 1, False, kept) for number, parts, kept in over for first, end in parts]
        rows.append((present.number, present.start, present.seen - 1, True, True))
        rows.sort(key=lambda row: row[1])
        return pd.DataFrame(rows, columns=["regime", "first_row", "last_row", "present", "kept"])

    def regime(self, number: int) -> Discovery:
        """What was found in a regime, by its number.

        Raises:
            ConfigError: there is none of that number, or it is no longer kept (`most_regimes`).
            DataError: as `found`, of the present one.
        """
        engine = self._engine()
        if number == engine.present.number:
            return self.found
        kept: Kept | None = engine.library.get(number)
        if kept is None:
            known = listed(str(one) for one in sorted({*engine.library, engine.present.number}))
            if number in {one.number for one in engine.dropped}:
                raise ConfigError(
                    f"Cannot show regime {number!r}. This is because most_regimes={self.settings['most_regimes']} has "
                    f"dropped it; the stream knows the regimes {known}. Try a larger most_regimes."
                )
            raise ConfigError(
                f"Cannot show regime {number!r}. This is because the stream knows the regimes {known}. Try one of them."
            )
        return self._searched(kept.moments, kept.own)

    def save(self, folder: str | Path) -> None:
        """Writes the stream to a folder, which is made if it is not there: a stream that is loaded goes on bit for bit.

        Raises:
            RunError: the folder cannot be written.
        """
        from sostruct.discovery.stream_store import save

        save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> StreamingDiscovery:
        """The stream that `save` wrote.

        Raises:
            RunError: the folder holds none, or it is damaged.
        """
        from sostruct.discovery.stream_store import load

        return load(Path(folder))

    def _begin(self, names: tuple[str, ...]) -> Streamed:
        if len(names) < 2:
            raise DataError(
                f"Cannot look for causes among {len(names)} series. This is because a cause and its effect need one "
                "each. Try at least two."
            )
        own, lags = self.settings, self.settings["max_lag"]
        chosen = {name: own[name] for name in ("forbidden", "required", "expected_parents", "ridge")}
        for name in ("forbidden", "required"):
            chosen[name] = [tuple(edge) for edge in chosen[name]]
        network = LaggedNetwork.bare(names, lags, **chosen)
        present = Present(network, lags, own["half_life"], own["remembered"], own["keep"])
        self.engine = Streamed(present, own["rows_per_false_alarm"], own["most_regimes"])
        return self.engine

    def _engine(self) -> Streamed:
        if self.engine is None:
            raise DataError(
                "Cannot say anything about this stream. This is because it has seen no rows. Try `observe` first."
            )
        return self.engine

    def _values(self, chunk: pd.DataFrame | ArrayLike) -> NDArray[np.float64]:
        """A chunk as numbers, in the order of the stream's series, which the first chunk decides."""
        frame = chunk if isinstance(chunk, pd.DataFrame) else None
        array = np.asarray(chunk)
        if array.ndim != 2:
            raise DataError(
                f"Cannot observe an array of {array.ndim} dimensions. This is because a chunk is rows of time by "
                "columns of series. Try `row[None, :]` for a single row."
            )
        names = series_names(array.shape[1]) if frame is None else check_names(frame.columns)
        known = None if self.engine is None else self.engine.present.network.terms.variables
        if known is not None and frame is None and len(names) != len(known):
            raise DataError(
                f"Cannot observe a chunk of {len(names)} columns. This is because the stream has {len(known)} series. "
                f"Try columns for {listed(known)}."
            )
        if known is not None and frame is not None and set(names) != set(known):
            raise DataError(
                f"Cannot observe columns {listed(names)}. This is because the stream has {listed(known)}. Try the same "
                "columns in every chunk."
            )
        table = (
            pd.DataFrame(array, columns=list(known or names)) if frame is None else frame.set_axis(list(names), axis=1)
        )
        table = table[list(known or names)]
        values = check_numbers(table, tuple(table.columns))
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, column = bad[0]
            what = "missing" if np.isnan(values[row, column]) else "infinite"
            raise DataError(
                f"Cannot observe column {table.columns[column]!r}. This is because it is {what} in row {row} of the "
                f"chunk, row {self.rows + row} of the stream (counting from 0), and a stream takes finite numbers "
                "only. Try filling it in, or `ss.discover`, which allows for missing values."
            )
        if self.engine is None:
            self._begin(tuple(table.columns))
        return values

    def _searched(self, moments: Moments, own: int) -> Discovery:
        """What a batch search finds from moments."""
        present = self._engine().present
        if own < present.fewest:
            raise DataError(
                f"Cannot search a graph in {own} rows with a past. This is because {present.fewest} are needed: 10 + "
                "max_lag. Try again when more have come in."
            )
        if statistics(moments) is None:
            raise DataError(
                "Cannot search a graph. This is because a series has not varied so far. Try again when it has, or "
                "leave it out."
            )
        assert self.offset is not None
        data = standardized(Moments(moments.count, moments.first, moments.second, self.offset, moments.max_lag))
        network, signals = searched(present.network, data)
        posterior = Posterior.of(
            network,
            data,
            signals,
            averaged=self.settings["probabilities"],
            contemporaneous=self.settings["contemporaneous"],
            seed=self.settings["seed"],
        )
        return Discovery(posterior, Journal(present.network.topology), SignalHistory(), True)

    def __repr__(self) -> str:
        if self.engine is None:
            return "StreamingDiscovery: no rows yet"
        present = self.engine.present
        return (
            f"StreamingDiscovery: {self.rows} rows of {len(present.network.terms.variables)} series, regime "
            f"{present.number} since row {present.start}, {len(self.engine.alarms)} alarms"
        )
