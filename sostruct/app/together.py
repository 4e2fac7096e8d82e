"""Runs of a sweep that differ in seeds and numbers, carried out together in one process.

Their epochs run as one compiled call (`control.population`); everything else, folders, journals, checkpoints, results,
is what each would have had by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from sostruct.app.jobs import Clock, begun, locked, recorded
from sostruct.app.naming import job_folder, key_of
from sostruct.app.sweep import members

if TYPE_CHECKING:
    from sostruct.control.estimator import AbstractEstimator
    from sostruct.control.population import Member
    from sostruct.tasks import Task


class _Run:
    """One run of a population."""

    def __init__(
        self, config: DictConfig, folder: Path, overrides: list[str], task: Task, learner: AbstractEstimator[Any]
    ) -> None:
        self.config, self.folder, self.overrides, self.task, self.estimator = config, folder, overrides, task, learner

    @property
    def member(self) -> Member:
        """What runs together with others."""
        from sostruct.control.population import Member

        learned = self.estimator.assembled(self.task.frame)
        return Member(learned.network, learned.frame, learned.controller, learned.key, self.folder)


def carry_out_together(config: DictConfig, folder: Path, overrides: Sequence[str], *, external: bool) -> None:
    """Runs the jobs of a batch that are not finished and that no other process works on.

    Args:
        config: the settings they share.
        folder: Hydra's for the batch, which stays empty and goes; those of the jobs stand beside it.
        overrides: what they share of what was typed and swept over.
        external: whether targets outside sostruct are allowed.
    """
    from sostruct.app.session import finish

    shared = [word for word in overrides if not key_of(word).startswith(("run.plan", "run.batch"))]
    batch = members(Path(config.run.plan), config.run.batch)
    clock = Clock()
    with ExitStack() as locks:
        runs: list[_Run] = []
        for own in batch:
            words = [*shared, *own]
            place = folder.parent / job_folder(words)
            if locks.enter_context(locked(place)):
                with recorded(place, words):
                    found = _begun(_with(config, own), place, words, external)
                    runs += [] if found is None else [found]
        with suppress(OSError):
            folder.rmdir()
        if not runs:
            return
        done = _carried_out([one.member for one in runs], config.controller.epochs, clock)
        for one, outcome in zip(runs, done, strict=True):
            with recorded(one.folder, one.overrides):
                if isinstance(outcome, Exception):
                    raise outcome
                finish(one.config, one.folder, one.task, one.estimator.result_of(outcome))
                clock.write(one.folder)


def _carried_out(members: Sequence[Member], epochs: int, clock: Clock) -> list[Any]:
    """What became of every member; one that breaks down in a way of its own (a rule of somebody's) stops no other."""
    from sostruct.control.population import run_population

    try:
        return list(run_population(members, epochs=epochs, on_epoch=lambda *_: clock.tick()))
    except Exception as error:
        if len(members) == 1:
            return [error]
        return [outcome for one in members for outcome in _carried_out([one], epochs, clock)]


def _begun(config: DictConfig, folder: Path, overrides: list[str], external: bool) -> _Run | None:
    """A run that can start or go on; None where it is finished."""
    from sostruct.app.session import begin, prepared

    state = begun(folder, config)
    if state == "finished":
        return None
    ready = (
        prepared(config, external=external)
        if state == "unfinished"
        else begin(config, folder, overrides, external=external)
    )
    return _Run(config, folder, overrides, *ready)


def _with(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The settings of one run: those that all share, and its own numbers."""
    own = deepcopy(config)
    for one in OverridesParser.create().parse_overrides(list(overrides)):
        value: Any = one.value()
        OmegaConf.update(own, one.key_or_group, value, force_add=one.is_add())
    own.run.plan = own.run.batch = None
    return own
