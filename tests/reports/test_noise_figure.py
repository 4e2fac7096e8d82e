"""The picture of noise: a panel for every series, those that change most first, in the size of their data."""

import numpy as np
import pandas as pd

from sostruct.reports.canvas import svg
from sostruct.reports.noise_figure import MOST_SERIES, draw_noise


def tables(series: int, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [f"s{number}" for number in range(series)]
    change = 1.0 + np.arange(series)
    sd = np.linspace(0, 1, rows)[:, None] * (change - 1) + 1
    noise = pd.DataFrame(
        {"kind": "volatile", "freedom": 4.0, "sd": sd.mean(axis=0), "sd_quiet": 1.0, "sd_strong": sd.max(axis=0)},
        index=names,
    )
    noise.iloc[0, :2] = ["gaussian", np.inf]
    return noise, pd.DataFrame(sd, columns=names)


def test_every_series_has_its_panel_and_its_kind() -> None:
    figure = draw_noise(*tables(3, 50))
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["s2", "s1", "s0"]
    assert [ax.texts[1].get_text() for ax in figure.axes] == ["volatile, t(4.0)", "volatile, t(4.0)", "gaussian"]
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), np.linspace(1, 3, 50))
    assert "standard deviation" in svg(figure)


def test_many_series_and_a_single_row() -> None:
    assert len(draw_noise(*tables(30, 10)).axes) == MOST_SERIES
    noise, volatility = tables(2, 2)
    flat = draw_noise(noise, volatility.iloc[:1])
    np.testing.assert_allclose(flat.axes[0].lines[0].get_ydata(), [1.0, 1.0])
