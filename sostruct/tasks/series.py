"""Bundled real series for belief networks: one with a break, one with a cycle, two with restless times.

Design note. Each is a classic whose structure has been argued about for decades, so a graph that grows on it can be
compared with what the literature fits. The last rows are held out: a score on them is a forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, whole
from sostruct.tasks.delimited import parse_delimited


@final
@dataclass(frozen=True)
class Nile(AbstractTask):
    """Annual flow of the Nile at Aswan, 1871 to 1970, in 10^8 cubic meters: 100 rows with a fall near 1898.

    Args:
        heldout: number of rows at the end that are held out.

    Raises:
        ConfigError: fewer than 10 rows are left, or heldout is not a whole number of at least 0.

    Reference: G. W. Cobb, "The problem of the Nile", Biometrika 65, 1978.
    """

    heldout: int = 30

    def __post_init__(self) -> None:
        object.__setattr__(self, "heldout", _checked("the Nile", self.heldout, 100))

    def load(self, seed: int = 0) -> Task:
        """The series; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        years = _by_year("nile.csv", "year").rename(columns={"volume": "flow"})
        return _task(
            "nile",
            years,
            self.heldout,
            seed,
            "Annual flow of the Nile at Aswan, 1871 to 1970, in 10^8 cubic meters.",
            "Cobb, Biometrika 65, 1978, compiled for statsmodels; public domain.",
        )


@final
@dataclass(frozen=True)
class Sunspots(AbstractTask):
    """Yearly mean sunspot number, 1700 to 2008: 309 rows with a cycle of about 11 years.

    Args:
        heldout: number of rows at the end that are held out.

    Raises:
        ConfigError: fewer than 10 rows are left, or heldout is not a whole number of at least 0.
    """

    heldout: int = 109

    def __post_init__(self) -> None:
        object.__setattr__(self, "heldout", _checked("the sunspots", self.heldout, 309))

    def load(self, seed: int = 0) -> Task:
        """The series; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        years = _by_year("sunspots.csv", "YEAR").rename(columns={"SUNACTIVITY": "sunspots"})
        return _task(
            "sunspots",
            years,
            self.heldout,
            seed,
            "Yearly mean sunspot number, 1700 to 2008.",
            "National Geophysical Data Center of the United States, compiled for statsmodels; public domain.",
        )


@final
@dataclass(frozen=True)
class OilPrice(AbstractTask):
    """100 log of the daily spot price of crude oil (WTI, dollars per barrel), 1986 to 2018: 8,321 trading days.

    A row is a trading day, whatever days lie between it and the one before.

    Args:
        first: how many trading days to leave out at the beginning.
        heldout: number of rows at the end that are held out.

    Raises:
        ConfigError: fewer than 10 rows are left, or a setting is not a whole number of at least 0.
    """

    first: int = 4000
    heldout: int = 2000

    def __post_init__(self) -> None:
        first = whole("the oil price", "first", self.first, 0)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "heldout", _checked("the oil price", self.heldout, 8321 - first))

    def load(self, seed: int = 0) -> Task:
        """The series; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        prices = _file("wti.csv").set_index("Date")["DCOILWTICO"].dropna().iloc[self.first :]
        days = pd.DatetimeIndex(pd.to_datetime(prices.index, format="%m/%d/%Y"), name="day")
        return _task(
            "oil_price",
            pd.DataFrame({"oil": 100.0 * np.log(prices.to_numpy())}, index=days),
            self.heldout,
            seed,
            "100 log of the daily spot price of crude oil (WTI), by trading day to January 2019.",
            "United States Energy Information Administration through Federal Reserve Economic Data, series DCOILWTICO, "
            "compiled by Kevin Sheppard for arch; public domain.",
        )


@final
@dataclass(frozen=True)
class ExchangeRate(AbstractTask):
    """Dollars per British pound by day, 1981 and 1982: 502 trading days on which the pound fell from 2.38 to 1.62.

    A row is a trading day, whatever days lie between it and the one before.

    Args:
        heldout: number of rows at the end that are held out.

    Raises:
        ConfigError: fewer than 10 rows are left, or heldout is not a whole number of at least 0.
    """

    heldout: int = 100

    def __post_init__(self) -> None:
        object.__setattr__(self, "heldout", _checked("the exchange rate", self.heldout, 502))

    def load(self, seed: int = 0) -> Task:
        """The series; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        rates = _file("pound.csv").set_index("observation_date")["DEXUSUK"].dropna()
        days = pd.DatetimeIndex(pd.to_datetime(rates.index, format="%Y-%m-%d"), name="day")
        return _task(
            "exchange_rate",
            pd.DataFrame({"rate": rates.to_numpy()}, index=days),
            self.heldout,
            seed,
            "Dollars per British pound by trading day, 1981 and 1982.",
            "Board of Governors of the Federal Reserve System, release H.10, through Federal Reserve Economic Data, "
            "series DEXUSUK; public domain.",
        )


def _checked(owner: str, heldout: object, rows: int) -> int:
    held = whole(owner, "heldout", heldout, 0)
    if rows - held < 10:
        raise ConfigError(
            f"Cannot build {owner}. This is because of {max(rows, 0)} rows heldout={held} leaves fewer than 10. "
            f"Try fewer."
        )
    return held


def _file(name: str) -> pd.DataFrame:
    text = files("sostruct.tasks").joinpath("data", name).read_text(encoding="utf-8")
    return parse_delimited(text, Path(name))


def _by_year(name: str, column: str) -> pd.DataFrame:
    frame = _file(name)
    years = frame.pop(column).astype(int)
    return frame.set_index(pd.DatetimeIndex([f"{year}-01-01" for year in years], name="year"))


def _task(name: str, frame: pd.DataFrame, heldout: int, seed: int, description: str, provenance: str) -> Task:
    whole("a task", "seed", seed, 0)
    shown = len(frame) - heldout
    return Task(
        name=name,
        frame=frame.iloc[:shown].copy(),
        truth=None,
        truth_lags=False,
        description=description,
        provenance=provenance,
        heldout=frame.iloc[shown:].copy() if heldout else None,
    )
