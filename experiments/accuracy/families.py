"""The systems with known graphs that methods are judged on, and what ours should reach on each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.common import ROOT
from experiments.tables import GRAPH, SECONDS, Goal

DATA = ROOT.parent / "shared" / "data"
"""Published series with known graphs; families without theirs are left out, and the page has none of them."""

Drawn = tuple[pd.DataFrame, np.ndarray]

AUROC, _, F1, SHD = GRAPH


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of system, where its series come from, and what ours should reach on it.

    Attributes:
        name: as in the tables.
        source: draws one seed of a task of ours; or the folders of published series, whose places are the seeds.
        auroc, f1, shd, seconds: goals, where there are any.
        ahead_of: the methods that ours should beat in AUROC.
    """

    name: str
    source: Callable[[int], Drawn] | tuple[str, ...]
    auroc: float | None = None
    f1: float | None = None
    shd: float | None = None
    seconds: float | None = None
    ahead_of: tuple[str, ...] = ()

    def drawn(self, seeds: range) -> dict[int, Drawn]:
        """Series and truth [cause, effect] by seed."""
        if isinstance(self.source, tuple):
            return {number: published(folder) for number, folder in enumerate(self.source)}
        return {seed: self.source(seed) for seed in seeds}

    @property
    def here(self) -> bool:
        """Whether its files are."""
        return not isinstance(self.source, tuple) or all((DATA / folder).is_dir() for folder in self.source)

    @property
    def goals(self) -> list[Goal]:
        """The goals, as tables take them."""
        values = ((AUROC, self.auroc), (F1, self.f1), (SHD, self.shd), (SECONDS, self.seconds))
        goals = [Goal(self.name, metric, value) for metric, value in values if value is not None]
        return [*goals, Goal(self.name, AUROC, ahead_of=self.ahead_of)] if self.ahead_of else goals


def task(name: str, **settings: Any) -> Callable[[int], Drawn]:
    """Draws from a task of ours."""

    def draw(seed: int) -> Drawn:
        import sostruct.tasks

        drawn = getattr(sostruct.tasks, name)(**settings).load(seed)
        return drawn.frame, matrix(list(drawn.frame.columns), drawn.truth.edges())

    return draw


def published(folder: str) -> Drawn:
    """A published series and its graph."""
    frame, truth = pd.read_csv(DATA / folder / "series.csv"), pd.read_csv(DATA / folder / "truth.csv")
    frame.columns = [str(name) for name in frame.columns]
    pairs = zip(truth["cause"].astype(str), truth["effect"].astype(str), strict=True)
    return frame, matrix(list(frame.columns), pairs)


def matrix(names: Sequence[str], pairs: Iterable[tuple[Any, ...]]) -> np.ndarray:
    """A graph as Booleans [cause, effect]."""
    place = {str(name): index for index, name in enumerate(names)}
    truth = np.zeros((len(names), len(names)), dtype=bool)
    for cause, effect in pairs:
        truth[place[str(cause)], place[str(effect)]] = True
    return truth


FAMILIES = (
    Family("VAR p10 T500", task("SparseVAR", nodes=10, steps=500, max_lag=3), auroc=0.999, f1=0.99),
    Family("VAR p20 T200", task("SparseVAR", nodes=20, steps=200, max_lag=3), auroc=0.98, f1=0.87),
    Family("VAR p10 T100", task("SparseVAR", nodes=10, steps=100, max_lag=3), auroc=0.925, f1=0.75),
    Family("Lorenz-96 F10 T500", task("Lorenz96", nodes=10, steps=500, forcing=10.0), auroc=0.999, f1=0.97),
    Family("Lorenz-96 F40 T500", task("Lorenz96", nodes=10, steps=500, forcing=40.0), auroc=0.993, f1=0.91),
    Family("nonlinear p10 T500", task("Nonlinear", nodes=10, steps=500, max_lag=3), auroc=0.93, f1=0.88, seconds=2.0),
    Family("S30 file", ("var_S30_T500",), auroc=0.996, f1=0.91),
    Family("Lorenz-96 F10 T250 file", ("lorenz96_F10_T250",), auroc=0.999, shd=1.0),
    Family("Lorenz-96 F40 T250 file", ("lorenz96_F40_T250",), auroc=0.999, shd=1.0),
    Family("Lorenz-96 F40 T500 file", ("lorenz96_F40_T500",), auroc=0.993, f1=0.91),
    Family("Lotka-Volterra file", ("lotka_volterra_r0",), auroc=0.995),
    Family("NetSim-15, 6 subjects", tuple(f"netsim_sim3_subject{number}" for number in range(6)), auroc=0.92),
    Family(
        "IT monitoring 1",
        ("it_monitoring_1",),
        auroc=0.592,
        ahead_of=("PCMCI, default", "PCMCI+, default", "PCMCI, best", "PCMCI+, best"),
    ),
)
