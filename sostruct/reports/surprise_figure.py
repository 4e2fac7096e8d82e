"""How surprise fell, epoch by epoch, and which edits made it fall.

The line is the total surprise of an epoch. The band below it is what the best proposals then on the table promised to
remove; when the band closes, nothing known would make the graph better. Edits happen between epochs, so their marks
stand between the points, additions and rewires upwards and prunes downwards.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sostruct.reports.canvas import figure_of, new_figure
from sostruct.reports.palette import LIGHT
from sostruct.reports.typography import minus

WIDTH: Final = 10.4
HEIGHT: Final = 4.3

KINDS: Final = {
    "add": ("added", "blue", "^"),
    "rewire": ("rewired", "green", "D"),
    "prune": ("pruned", "vermilion", "v"),
    "tune": ("parameters", "amber", "s"),
}
"""Kind of an edit -> (word, color role, marker)."""


def totals(signals: pd.DataFrame) -> pd.DataFrame:
    """Surprise, its expectation and what is reducible per epoch, summed over nodes, in nats.

    What is reducible is never negative: a node whose best candidate would make things worse has nothing to gain.
    """
    frame = signals[["epoch", "surprise", "expected", "reducible"]].copy()
    frame["reducible"] = frame["reducible"].clip(lower=0.0)
    return frame.groupby("epoch", sort=True).sum(min_count=1)


def draw_surprise(signals: pd.DataFrame, journal: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Draw total surprise per epoch, with the accepted edits marked by kind between the epochs.

    Args:
        signals: columns epoch, node, surprise, expected, reducible; nats, one row per epoch and node.
        journal: columns epoch, kind ("add", "prune", "rewire" or "tune") and accepted, one row per decision.
        ax: axes to draw on; a new figure otherwise.

    Returns:
        The figure that was drawn on.
    """
    frame = totals(signals)
    if ax is None:
        digits = len(f"{frame['surprise'].abs().max():,.0f}") if len(frame) else 1
        left = 0.036 + 0.0065 * digits
        ax = new_figure(WIDTH, HEIGHT).add_axes((left, 0.41, 0.99 - left, 0.51))
    _curve(ax, frame)
    strip = ax.inset_axes((0.0, -0.6, 1.0, 0.4))
    edits = _edits(journal)
    _sticks(strip, edits)
    low = min([*frame.index, *edits.index], default=0)
    high = max([*frame.index, *(edits.index + 0.5)], default=1)
    for axes in (ax, strip):
        axes.set_xlim(low - 0.3, high + 0.3)
        axes.tick_params(length=0, labelsize=8, labelcolor=LIGHT["muted"])
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(LIGHT["hair"])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.tick_params(labelbottom=False)
    ax.set_ylabel("surprise, nats", color=LIGHT["muted"], fontsize=8.5)
    strip.set_ylabel("edits", color=LIGHT["muted"], fontsize=8.5)
    strip.set_xlabel("epoch", color=LIGHT["muted"], fontsize=8.5)
    figure = figure_of(ax)
    figure.align_ylabels([ax, strip])
    return figure


def _curve(ax: Axes, frame: pd.DataFrame) -> None:
    epoch = frame.index.to_numpy(dtype=np.float64)
    surprise = frame["surprise"].to_numpy(dtype=np.float64)
    reducible = frame["reducible"].to_numpy(dtype=np.float64)
    ax.fill_between(
        epoch, surprise - reducible, surprise, color=LIGHT["band"], linewidth=0, label="reducible by the best proposals"
    )
    if frame["expected"].notna().any():
        ax.plot(
            epoch,
            frame["expected"],
            color=LIGHT["muted"],
            linewidth=1.1,
            linestyle=(0, (4, 2)),
            label="expected by the graph itself",
        )
    few = len(epoch) <= 60
    ax.plot(
        epoch,
        surprise,
        color=LIGHT["ink"],
        linewidth=1.8,
        marker="o" if few else None,
        markersize=4,
        label="surprise",
    )
    ax.grid(axis="y", color=LIGHT["hair"], linewidth=0.6)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.0f}")))
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[::-1],
        labels[::-1],
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=LIGHT["muted"],
        handlelength=1.6,
        columnspacing=1.6,
        borderaxespad=0.2,
    )


def _edits(journal: pd.DataFrame) -> pd.DataFrame:
    """Number of accepted edits of every kind, by epoch."""
    taken = journal[journal["accepted"].astype(bool)]
    counts = taken.groupby(["epoch", "kind"]).size().unstack(fill_value=0)
    return counts.reindex(columns=list(KINDS), fill_value=0)


def _sticks(strip: Axes, edits: pd.DataFrame) -> None:
    """One stick per epoch and kind, its head the kind's marker: upwards for what came, downwards for what went."""
    present = [kind for kind in KINDS if len(edits) and edits[kind].any()]
    top, floor = 0, 0
    for place, kind in enumerate(present):
        word, role, marker = KINDS[kind]
        taken = edits.index[edits[kind] > 0]
        count = edits.loc[taken, kind].to_numpy(dtype=np.int64)
        at = taken.to_numpy(dtype=np.float64) + 0.5 + 0.1 * (place - (len(present) - 1) / 2)
        tips = -count if kind == "prune" else count
        top, floor = max(top, int(tips.max())), min(floor, int(tips.min()))
        strip.vlines(at, 0, tips, color=LIGHT[role], linewidth=2.2 if len(edits) <= 60 else 1.0)
        heads: dict[str, Any] = {"linestyle": "none", "marker": marker, "color": LIGHT[role], "markeredgewidth": 0}
        strip.plot(at, tips, markersize=6 if len(edits) <= 60 else 3, **heads)
        strip.plot([], [], markersize=5.5, label=f"{word} ({count.sum():,})", **heads)
        if len(edits) * len(present) <= 24:
            _counts(strip, at, tips, role)
    span = max(top - floor, 1)
    strip.set_ylim(floor - (0.5 * span if floor else 0.03 * span), top + 0.5 * span)
    strip.axhline(0, color=LIGHT["hair"], linewidth=0.8, zorder=0)
    strip.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    strip.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0f}"))
    if not present:
        note: dict[str, Any] = {"ha": "center", "va": "center", "color": LIGHT["muted"], "fontsize": 8}
        strip.set_yticks([])
        strip.text(0.5, 0.5, "no edit was accepted", transform=strip.transAxes, **note)
        return
    strip.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=4,
        frameon=False,
        fontsize=8,
        labelcolor=LIGHT["muted"],
        handletextpad=0.2,
        columnspacing=1.4,
        borderaxespad=0.0,
    )


def _counts(strip: Axes, at: np.ndarray, tips: np.ndarray, role: str) -> None:
    for place, tip in zip(at, tips, strict=True):
        down = tip < 0
        strip.annotate(
            str(abs(int(tip))),
            (place, tip),
            xytext=(0, -6 if down else 5),
            textcoords="offset points",
            ha="center",
            va="top" if down else "bottom",
            fontsize=7.5,
            color=LIGHT[role],
        )
