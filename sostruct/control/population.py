"""Many runs of the loop carried out together: in every round, one compiled epoch for all that can share it.

Runs do not touch each other: each has its own network, data, rule, key and folder, and takes its own decisions on the
host between epochs. Who shares an epoch with whom is decided afresh every round (`networks.together`), so a run that
outgrows its capacity joins others of its new size by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import PRNGKeyArray

from sostruct.control.controller import Controller
from sostruct.control.run import Answer, EpochReport, Loop, Request, Run, loop
from sostruct.errors import ConfigError, RunError, SostructError
from sostruct.networks.base import AbstractNetwork
from sostruct.networks.together import Together


@dataclass(frozen=True)
class Member:
    """One run of a population; the attributes are the arguments of `run`."""

    network: AbstractNetwork
    task: Any
    controller: Controller
    key: PRNGKeyArray | None = None
    folder: Path | None = None


def run_population(
    members: Sequence[Member],
    *,
    epochs: int = 100,
    on_epoch: Callable[[int, EpochReport], None] | None = None,
) -> list[Run | SostructError]:
    """What `run` makes of every member, in order, or the error that ended it.

    A member's folder is written as by `run`, epoch by epoch, and one with a checkpoint is continued from it: a
    population that was killed is restarted with the same call.

    Args:
        members: the runs; they may differ in everything.
        epochs: most epochs of each.
        on_epoch: called after every epoch of every member, with the member's place in `members`.

    Returns:
        A run per member; for a member that was refused or could not write its folder, its error. The others go on.

    Raises:
        ConfigError: `epochs` is not positive, or two members have the same folder.
    """
    if epochs < 1:
        raise ConfigError(f"Cannot run {epochs} epochs. This is because a run needs at least one. Try epochs=100.")
    _check_folders(members)
    runs = [
        _Driven(
            loop(
                member.network,
                member.task,
                member.controller,
                epochs=epochs,
                key=member.key,
                folder=member.folder,
                on_epoch=None if on_epoch is None else partial(on_epoch, place),
            ),
            member.folder,
        )
        for place, member in enumerate(members)
    ]
    for one in runs:
        one.advance()
    together = Together()
    while waiting := [one for one in runs if one.outcome is None]:
        _round(waiting, together)
    return [one.outcome for one in runs if one.outcome is not None]


class _Driven:
    """A run on its way: the epoch it asks for, and in the end what came of it."""

    request: Request
    outcome: Run | SostructError | None = None

    def __init__(self, wanted: Loop, folder: Path | None) -> None:
        self._loop = wanted
        self._folder = folder

    def advance(self, answer: Answer | None = None) -> None:
        """Hands over the epoch it asked for, and lets it work until it asks for the next or ends."""
        try:
            self.request = next(self._loop) if answer is None else self._loop.send(answer)
        except StopIteration as end:
            self.outcome = end.value
        except SostructError as error:
            self.outcome = error
        except OSError as error:
            self.outcome = RunError(
                f"Cannot write to {error.filename or self._folder}. This is because of: {error.strerror or error}. Try "
                "another folder, or making room."
            )
            self.outcome.__cause__ = error

    def fail(self, error: SostructError) -> None:
        """Ends it."""
        self._loop.close()
        self.outcome = error


def _round(waiting: Sequence[_Driven], together: Together) -> None:
    """One epoch of every run. When an epoch is refused, each is tried alone, and fails alone."""
    requests = [one.request for one in waiting]
    try:
        answers = together.epochs(
            [request.network for request in requests],
            [request.data for request in requests],
            [request.key for request in requests],
        )
    except SostructError as error:
        if len(waiting) == 1:
            waiting[0].fail(error)
        else:
            for one in waiting:
                _round([one], together)
        return
    for one, answer in zip(waiting, answers, strict=True):
        one.advance(answer)


def _check_folders(members: Sequence[Member]) -> None:
    used = Counter(member.folder.resolve() for member in members if member.folder is not None)
    for folder, count in used.items():
        if count > 1:
            raise ConfigError(
                f"Cannot run {count} members of a population in {folder}. This is because each writes a journal and a "
                "checkpoint of its own. Try a folder for each."
            )
