"""A bundled real series: the United States economy by quarter, 1959 to 2009.

Design note. The file holds levels as published (data/README.md says by whom); levels of an economy share a trend, so a
lagged regression on them finds growth itself. The task therefore gives the changes that econometrics uses: annualized
growth rates of quantities and prices, differences of rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from sostruct.tasks.base import AbstractTask, Task, whole
from sostruct.tasks.delimited import parse_delimited

_GROWTH = ("realgdp", "realcons", "realinv", "realgovt", "realdpi", "cpi", "m1")
_DIFFERENCE = ("tbilrate", "unemp")
# Not used: infl and realint, which are functions of cpi and tbilrate, and pop, which is interpolated between censuses.


@final
@dataclass(frozen=True)
class USMacro(AbstractTask):
    """Quarterly changes of nine series, 1959Q2 to 2009Q3 (202 rows); no truth is known.

    Real GDP, consumption, investment, government spending, disposable income, consumer prices and the money stock M1 as
    annualized growth in percent, 400 (log x(t) - log x(t - 1)); the Treasury bill rate and the unemployment rate as
    differences in percentage points, x(t) - x(t - 1).
    """

    def load(self, seed: int = 0) -> Task:
        """The series; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        whole("a task", "seed", seed, 0)
        levels = us_macro_levels()
        growth = levels[list(_GROWTH)].apply(np.log).diff() * 400.0
        frame = pd.concat([growth, levels[list(_DIFFERENCE)].diff()], axis=1).iloc[1:]
        return Task(
            name="us_macro",
            frame=frame,
            truth=None,
            truth_lags=False,
            description="United States economy by quarter, 1959 to 2009: growth rates and changes of rates.",
            provenance=(
                "Federal Reserve Economic Data (Federal Reserve Bank of St. Louis) and Bureau of Labor Statistics, "
                "compiled by Skipper Seabold for statsmodels; public domain."
            ),
        )


def us_macro_levels() -> pd.DataFrame:
    """The bundled file as it is: levels [quarter x series], indexed by the first day of each quarter."""
    name = "us_macro.csv"
    text = files("sostruct.tasks").joinpath("data", name).read_text(encoding="utf-8")
    frame = parse_delimited(text, Path(name))
    months = pd.DataFrame({"year": frame.pop("year"), "month": 3 * frame.pop("quarter") - 2, "day": 1})
    return frame.set_index(pd.DatetimeIndex(pd.to_datetime(months), name="quarter"))
