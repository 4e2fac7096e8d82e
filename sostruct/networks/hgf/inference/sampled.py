"""From a search for modes to draws: who starts where, what is shown meanwhile, and what is said afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError, FitWarning
from sostruct.networks.hgf.inference.chains import Sampling
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.extras import extra
from sostruct.networks.hgf.inference.nuts import draw
from sostruct.networks.hgf.inference.objective import Model
from sostruct.networks.hgf.inference.result import CONVERGED, Fit
from sostruct.tasks.base import listed


def sampling_of(settings: Mapping[str, Any]) -> Sampling:
    """How to sample, from keywords; and that what it takes is installed.

    Raises:
        ConfigError: a keyword or its value is unknown, or blackjax or arviz is not installed.
    """
    known = tuple(one.name for one in fields(Sampling))
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(
            f"Cannot sample with {unknown[0]}={settings[unknown[0]]!r}. This is because there is no such setting. Try "
            f"one of {listed(known)}."
        )
    for name in ("blackjax", "arviz"):
        extra(name, "fit by method='nuts'")
    return Sampling(**settings)


def sampled(mode: Fit, model: Model, sampling: Sampling, key: PRNGKeyArray | None, *, stacklevel: int) -> Draws:
    """Draws around the modes of a fit, with a warning where they are not to be trusted.

    Args:
        mode: the fit.
        model: its log joint.
        sampling: how.
        key: of everything that is random; by default always the same.
        stacklevel: of the warning.
    """
    with _bar(sampling.progress) as watch:
        chains = draw(
            model,
            mode.panel.arrays(),
            mode.points,
            mode.curvature,
            sampling,
            jax.random.key(0) if key is None else key,
            watch,
        )
    found = Draws(mode, model, sampling, chains)
    lost = [label for label, reason in zip(mode.panel.labels, found.reasons, strict=True) if reason != CONVERGED]
    if lost:
        alone = mode.subjects is None
        who = "The draws" if alone else f"The draws of {len(lost)} of {len(found.reasons)} subjects"
        which = "" if alone else f" (first {lost[0]!r})"
        why = next(reason for reason in found.reasons if reason != CONVERGED)
        warnings.warn(
            f"{who} have not converged{which}: {why}. Try more draws and warmup, acceptance=0.95, or narrower priors; "
            "`Draws.reason` says why for each.",
            FitWarning,
            stacklevel=stacklevel,
        )
    return found


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[float], None]]:
    """What is told the share of the work that is done: a bar on standard error, or nothing."""
    if not shown:
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("drawing", total=1.0)
        yield lambda share: progress.update(task, completed=share)
