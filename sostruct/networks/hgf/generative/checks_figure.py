"""Predictive checks as histograms: statistics of the draws, and where the observed one stands among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.palette import BAND, INK, MUTED, VERMILION

if TYPE_CHECKING:
    from sostruct.networks.hgf.generative.checks import PredictiveCheck

_WIDE: Final = 3  # panels in a row


def draw_check(
    check: PredictiveCheck, *, axes: Sequence[Axes] | NDArray[np.object_] | None = None
) -> NDArray[np.object_]:
    """A panel for each statistic: a histogram of the draws, a line at what was observed, and its p-value.

    Args:
        check: what was compared.
        axes: one for each statistic; by default those of a new figure.

    Returns:
        The axes, in the order of the statistics.

    Raises:
        ConfigError: the number of axes is wrong.
    """
    names, p = list(check.observed.index), check.frame()["p"]
    if axes is None:
        columns = min(len(names), _WIDE)
        rows = -(-len(names) // columns)
        _, grid = plt.subplots(rows, columns, figsize=(3.0 * columns, 2.3 * rows), layout="constrained", squeeze=False)
        drawn = grid.reshape(-1)
        for empty in drawn[len(names) :]:
            empty.set_visible(False)
        drawn = drawn[: len(names)]
    else:
        drawn = np.asarray(axes, dtype=object).reshape(-1)
        if len(drawn) != len(names):
            raise ConfigError(
                f"Cannot draw on {len(drawn)} axes. This is because there are {len(names)} statistics. "
                f"Try {len(names)} axes, or none for a new figure."
            )
    for ax, name in zip(drawn, names, strict=True):
        values, seen = check.replicated[name].to_numpy(np.float64), float(check.observed[name])
        known = values[np.isfinite(values)]
        if known.size:
            ax.hist(known, bins=min(30, max(5, int(np.sqrt(known.size)))), color=BAND)
        ax.axvline(seen, color=VERMILION, linewidth=1.6)
        ax.set_title(str(name), loc="left", color=INK, fontsize=9)
        ax.set_title(f"p {p[name]:.2g}", loc="right", color=MUTED, fontsize=8)
        ax.set_yticks([])
        ax.tick_params(colors=MUTED, labelsize=8)
        ax.spines[["left", "top", "right"]].set_visible(False)
    return drawn
