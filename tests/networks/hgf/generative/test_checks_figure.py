"""The picture of a predictive check shows its draws and what was observed."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.networks.hgf.generative.checks import PredictiveCheck


def test_every_statistic_has_a_panel_with_its_draws_and_the_observed() -> None:
    draws = pd.DataFrame({"mean": np.linspace(-1.0, 1.0, 50), "longest run": np.arange(50.0)})
    check = PredictiveCheck(pd.Series({"mean": 0.25, "longest run": 60.0}), draws)
    axes = check.plot()
    assert [ax.get_title(loc="left") for ax in axes] == ["mean", "longest run"]
    for ax, name in zip(axes, draws, strict=True):
        assert sum(bar.get_height() for bar in ax.patches) == 50
        assert ax.lines[0].get_xdata()[0] == check.observed[name]
        assert ax.get_title(loc="right") == f"p {check.frame()['p'][name]:.2g}"
    _, one = plt.subplots()
    with pytest.raises(ss.ConfigError, match="there are 2 statistics"):
        check.plot(axes=[one])
    plt.close("all")
