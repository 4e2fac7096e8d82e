"""The real series of the experiment, each with rows shown and rows held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import pandas as pd

from sostruct.tasks import Nile, OilPrice, Sunspots, USMacro

MACRO = ("realgdp", "realcons", "cpi", "tbilrate", "unemp")
LAST_QUARTERS = 60


@final
@dataclass(frozen=True)
class Sample:
    """A series: rows shown and rows held out.

    Attributes:
        name: for tables.
        shown: rows to learn from.
        heldout: rows that follow.
        most_lags: largest order of the peers' autoregressions.
    """

    name: str
    shown: pd.DataFrame
    heldout: pd.DataFrame
    most_lags: int


def nile() -> Sample:
    """Flow of the Nile."""
    task = Nile().load()
    assert task.heldout is not None
    return Sample("Nile", task.frame, task.heldout, 4)


def sunspots() -> Sample:
    """Sunspot numbers; autoregressions up to the length of a cycle."""
    task = Sunspots().load()
    assert task.heldout is not None
    return Sample("sunspots", task.frame, task.heldout, 10)


def oil() -> Sample:
    """100 log price of oil."""
    task = OilPrice().load()
    assert task.heldout is not None
    return Sample("oil price", task.frame, task.heldout, 2)


def returns() -> Sample:
    """Differences of the log price: their densities are those of the prices."""
    price = oil()
    both = pd.concat([price.shown, price.heldout]).diff()
    count = len(price.shown)
    return Sample("oil returns", both.iloc[1:count], both.iloc[count:], 2)


def macro() -> Sample:
    """Growth of an economy, five series."""
    frame = USMacro().load().frame[list(MACRO)]
    return Sample("US macro", frame.iloc[:-LAST_QUARTERS], frame.iloc[-LAST_QUARTERS:], 4)


SAMPLES: Mapping[str, Callable[[], Sample]] = MappingProxyType(
    {"nile": nile, "sunspots": sunspots, "oil": oil, "returns": returns, "macro": macro}
)
