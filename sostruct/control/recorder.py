"""The on-disk record of a run while it runs: journal, signals and checkpoint, in step.

The growing files are appended to first and the checkpoint, which states their lengths, is replaced last. Wherever a
process dies, the folder is the last checkpoint plus bytes that `resume` cuts off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import PyTree
from numpy.typing import NDArray

from sostruct.control.appended import AppendedFile
from sostruct.control.checkpoint import CHECKPOINT, Header, restore, save
from sostruct.control.history import SignalHistory
from sostruct.errors import RunError
from sostruct.graph import Entry, Journal, to_lines
from sostruct.networks.base import AbstractNetwork

JOURNAL = "journal.jsonl"
SIGNALS = "signals.csv"


class Restored(NamedTuple):
    """A run as its folder has it; `arrays` are the leaves of the rows that a stream remembers."""

    recorder: Recorder
    network: AbstractNetwork
    header: Header
    journal: Journal
    history: SignalHistory
    arrays: Sequence[NDArray[Any]]


class Recorder:
    """Writes a run into a folder, epoch by epoch."""

    def __init__(self, folder: Path, journal: AppendedFile, signals: AppendedFile) -> None:
        self.folder = folder
        self._journal = journal
        self._signals = signals

    @classmethod
    def fresh(cls, folder: Path, network: AbstractNetwork) -> Recorder:
        """Begins the record of a run in a folder that has none.

        Raises:
            RunError: the folder has a checkpoint already, or cannot be written.
        """
        if (folder / CHECKPOINT).exists():
            raise RunError(
                f"Cannot start a run in {folder}. This is because a run is there already. Try resuming it, or another "
                "folder."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            recorder = cls(folder, AppendedFile(folder / JOURNAL), AppendedFile(folder / SIGNALS))
        except OSError as error:
            raise RunError(
                f"Cannot write to {folder}. This is because of: {error.strerror or error}. Try another folder."
            ) from error
        recorder._journal.append(Journal(network.topology).header())
        return recorder

    @classmethod
    def resumed(cls, folder: Path, blank: AbstractNetwork, data: str, key: tuple[int, ...]) -> Restored:
        """Cuts a folder's files back to its checkpoint and returns the run as it was then.

        Args:
            folder: a run folder with a checkpoint.
            blank: a network of the same settings before any edit.
            data: fingerprint of the data at hand; "" for a stream.
            key: random key data of the run.

        Raises:
            RunError: the checkpoint is unreadable, of another schema version, of other data, or of another key; it is
                that of a stream and this is none, or the other way round.
        """
        network, header, arrays = restore(folder, blank)
        if header.stream is not None and data:
            raise RunError(
                f"Cannot run over a data set in {folder}. This is because a stream was observed there. Try "
                "`stream(..., folder=...)` to go on with it, or another folder."
            )
        if header.stream is None and not data:
            raise RunError(
                f"Cannot observe a stream in {folder}. This is because a run over one data set is there. Try "
                "`run(..., folder=...)` and then `observe`, or another folder."
            )
        if header.data != data:
            raise RunError(
                f"Cannot resume {folder}. This is because it was run on other data than those now at hand. Try the "
                "original file, or a new run."
            )
        if header.key != key:
            raise RunError(
                f"Cannot resume {folder}. This is because it was begun with another random key ({header.key}, now "
                f"{key}). Try the seed it was begun with, or a new run."
            )
        try:
            journal_file = AppendedFile(folder / JOURNAL, header.sizes[JOURNAL])
            signals_file = AppendedFile(folder / SIGNALS, header.sizes[SIGNALS])
            history = SignalHistory.read(signals_file.path)
        except (OSError, ValueError) as error:
            raise RunError(
                f"Cannot resume {folder}. This is because its files were changed: {error}. Try a new run."
            ) from error
        recorder = cls(folder, journal_file, signals_file)
        return Restored(recorder, network, header, Journal.read(journal_file.path), history, arrays)

    def record(
        self,
        network: AbstractNetwork,
        entries: Sequence[Entry],
        history: SignalHistory,
        header: Header,
        remembered: PyTree = None,
    ) -> None:
        """Adds one epoch: its decisions and signals, then the checkpoint that vouches for them.

        Args:
            network: as the run goes on from; of a stream, before the first remembered row.
            entries: the epoch's decisions.
            history: the signals, this epoch's last.
            header: what the checkpoint says; sizes are filled in.
            remembered: the rows that a stream remembers.
        """
        self._journal.append("".join(to_lines(entries)))
        # which columns there are is known after the first epoch
        first = "" if self._signals.size else history.header
        self._signals.append(first + "".join(history.lines(header.epoch - 1)))
        sizes = {JOURNAL: self._journal.size, SIGNALS: self._signals.size}
        save(self.folder, network, replace(header, sizes=sizes), remembered)
