"""One edge in three panels: its price in parts, under its rivals, and with more rows.

Zero is the line between in and out of the graph; it is drawn in every panel, and what is right of it or above it
speaks for the edge.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sostruct.reports.canvas import new_figure, settings
from sostruct.reports.palette import LIGHT
from sostruct.reports.typography import MINUS, compact, shorten

RIVALS: Final = 8


def draw_explanation(
    title: str, parts: Mapping[str, float], nats: float, rivals: pd.DataFrame, more_rows: pd.DataFrame
) -> Figure:
    """Draw the evidence for and against one edge.

    Args:
        title: the edge.
        parts: nats that add up to the price; empty where they are not known.
        nats: the price.
        rivals: columns cause, lag, in_graph, edge_nats, those that matter most first.
        more_rows: expected price, columns rows and nats.
    """
    with settings():
        figure = new_figure(10.0, 3.0)
        figure.text(0.01, 0.97, title, ha="left", va="top", color=LIGHT["ink"], fontsize=11, fontweight="bold")
        _balance(_panel(figure, 0.095, 0.19, "The price in parts, nats"), {**parts, "price": nats})
        _rivals(_panel(figure, 0.45, 0.23, f"The price if a rival left ({MINUS}) or entered (+)"), nats, rivals)
        _more(_panel(figure, 0.765, 0.215, "Expected price by rows, nats"), nats, more_rows)
    return figure


def _panel(figure: Figure, left: float, width: float, title: str) -> Axes:
    ax = figure.add_axes((left, 0.15, width, 0.6))
    ax.set_title(title, loc="left", fontsize=8.5, color=LIGHT["muted"], pad=5)
    ax.tick_params(length=2, pad=2, labelsize=7.5, colors=LIGHT["muted"])
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LIGHT["hair"])
    return ax


def _balance(ax: Axes, parts: Mapping[str, float]) -> None:
    places = np.arange(len(parts))[::-1]
    values = np.array(list(parts.values()))
    ax.barh(places, values, height=0.62, color=[LIGHT["blue" if value >= 0 else "vermilion"] for value in values])
    ax.axvline(0, color=LIGHT["ink"], linewidth=0.8)
    ax.set_yticks(places, list(parts), color=LIGHT["ink"])
    reach = max(float(np.abs(values).max()), 1.0)
    ax.set_xlim(min(0.0, values.min()) - 0.3 * reach, max(0.0, values.max()) + 0.3 * reach)
    for place, value in zip(places, values, strict=True):
        shift, side = (0.03, "left") if value >= 0 else (-0.03, "right")
        ax.text(value + shift * reach, place, compact(value), va="center_baseline", ha=side, fontsize=7.5)


def _rivals(ax: Axes, nats: float, rivals: pd.DataFrame) -> None:
    shown = rivals.head(RIVALS)
    if shown.empty:
        ax.text(0.5, 0.5, "rivals are not known", transform=ax.transAxes, ha="center", color=LIGHT["muted"], fontsize=8)
        ax.set_axis_off()
        return
    places = np.arange(len(shown))[::-1]
    names = [
        f"{MINUS if inside else '+'} {shorten(str(cause), 14)}, lag {lag}"
        for cause, lag, inside in zip(shown["cause"], shown["lag"], shown["in_graph"], strict=True)
    ]
    ax.axvline(0, color=LIGHT["ink"], linewidth=0.8)
    ax.axvline(nats, color=LIGHT["muted"], linewidth=0.8, linestyle=(0.0, (3.0, 2.0)))
    prices = shown["edge_nats"].to_numpy(np.float64)
    ax.hlines(places, nats, prices, color=LIGHT["hair"], linewidth=2.2, zorder=1)
    for place, price in zip(places, prices, strict=True):
        ax.plot(price, place, marker="o", markersize=5, color=LIGHT["blue" if price >= 0 else "vermilion"], zorder=2)
    ax.set_yticks(places, names, color=LIGHT["ink"], parse_math=False)
    ax.set_ylim(-0.7, len(shown) - 0.3)


def _more(ax: Axes, nats: float, more_rows: pd.DataFrame) -> None:
    if more_rows.empty:
        ax.set_axis_off()
        return
    rows, prices = (more_rows[name].to_numpy(np.float64) for name in ("rows", "nats"))
    ax.axhline(0, color=LIGHT["ink"], linewidth=0.8)
    ax.plot(rows, prices, color=LIGHT["blue"], linewidth=1.6)
    ax.plot(rows[np.abs(prices - nats).argmin()], nats, "o", color=LIGHT["blue"])
    ax.set_xscale("log")
    if np.ptp(prices) > 60:
        ax.set_yscale("symlog", linthresh=10.0)
        ticks = [tick for tick in (-1000, -100, -10, 0, 10, 100, 1e3, 1e4, 1e5) if prices.min() < tick < prices.max()]
        ax.set_yticks(sorted({0.0, *ticks}), [compact(tick) for tick in sorted({0.0, *ticks})])
    ax.set_xticks(rows, [f"{row:,.0f}" for row in rows])
    ax.minorticks_off()
