"""How beliefs of different nodes move together: their correlations over a series as a heat map."""

from __future__ import annotations

from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from sostruct.errors import ConfigError
from sostruct.networks.hgf.beliefs import QUANTITIES, Beliefs, place_of_subject
from sostruct.networks.hgf.palette import BLUE, INK, MUTED, PAPER, VERMILION
from sostruct.tasks.base import listed

_COLORS: Final = LinearSegmentedColormap.from_list("correlation", [BLUE, PAPER, VERMILION])
_MOST_NUMBERS: Final = 12  # nodes up to which every cell says its number
_CELL, _LEAST, _LARGEST = 0.55, 2.6, 14.0  # inches


def correlations(beliefs: Beliefs, quantity: str = "mean", *, subject: Any = None) -> pd.DataFrame:
    """Pearson's correlations between the nodes' beliefs over the steps of a series [node x node].

    Nodes whose belief never changes, constants among them, are left out. Beliefs of neighbors are functions of the same
    data: a high correlation says that two numbers tell one story, not that one node causes the other.

    Args:
        beliefs: what a filter returned.
        quantity: "mean", "precision", "expected_mean" or "expected_precision"; or "surprise", which adds the surprise
            of every step to the means.
        subject: which subject, by label, where there are several; by default the first.

    Raises:
        ConfigError: the quantity or the subject is unknown, or fewer than two nodes change.
    """
    if quantity not in (*QUANTITIES, "surprise"):
        raise ConfigError(
            f"Cannot correlate {quantity!r}. This is because a node has no such belief. "
            f"Try one of {listed((*QUANTITIES, 'surprise'))}."
        )
    at = place_of_subject(beliefs, subject)
    table = pd.DataFrame(
        getattr(beliefs, "mean" if quantity == "surprise" else quantity)[at].astype(np.float64), columns=beliefs.nodes
    )
    if quantity == "surprise":
        table["surprise"] = beliefs.surprise[at]
    spread = table.to_numpy().std(axis=0)
    moving = [name for name, sd in zip(table.columns, spread, strict=True) if np.isfinite(sd) and sd > 0.0]
    if len(moving) < 2:
        raise ConfigError(
            f"Cannot correlate {quantity!r} of nodes. This is because it changes at fewer than two of them. "
            "Try another quantity, or a longer series."
        )
    return table[moving].corr()


def draw_correlations(beliefs: Beliefs, quantity: str = "mean", *, subject: Any = None, ax: Axes | None = None) -> Axes:
    """`correlations` as a heat map, from blue (-1) over white to vermilion (1); few nodes say their numbers.

    Args:
        beliefs, quantity, subject: as of `correlations`.
        ax: axes to draw on; those of a new figure by default.

    Raises:
        ConfigError: see `correlations`.
    """
    table = correlations(beliefs, quantity, subject=subject)
    names, numbers = [str(name) for name in table.columns], table.to_numpy(np.float64)
    count = len(table)
    if ax is None:
        side = float(np.clip(_CELL * count + 1.2, _LEAST, _LARGEST))
        _, ax = plt.subplots(figsize=(side + 1.4, side), layout="constrained")
    picture = ax.imshow(numbers, vmin=-1.0, vmax=1.0, cmap=_COLORS)
    ax.set_xticks(range(count), names, rotation=90 if count > 4 else 0, color=INK)
    ax.set_yticks(range(count), names, color=INK)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if count <= _MOST_NUMBERS:
        for row, column in np.ndindex(count, count):
            value = numbers[row, column]
            strong = abs(value) > 0.6
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=PAPER if strong else INK, fontsize=8)
    bar = ax.figure.colorbar(picture, ax=ax, shrink=0.8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelcolor=MUTED)
    ax.set_title(
        f"correlations of {'mean and surprise' if quantity == 'surprise' else quantity}", loc="left", color=INK
    )
    return ax
