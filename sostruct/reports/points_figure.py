"""Where the rows of a table are, and whose: the first two inputs against each other, and the first along the rows.

A component has a color and a marker of its own (of many, the heaviest). Its ellipse is two standard deviations about
the mean of the next point that it would make, after the last row; where clusters drift, it stands where they have come
to, and earlier points lie outside.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from sostruct.reports.canvas import TIP, new_figure
from sostruct.reports.palette import LIGHT

MOST: Final = 1500
"""Rows that are drawn, evenly chosen; a page with more would be slow."""

_WIDTH: Final = 10.4
_HEIGHT: Final = 4.3
_COLORS: Final = ("blue", "vermilion", "green", "amber")
_MARKERS: Final = ("o", "^", "s", "D", "v")
_OTHERS: Final = ("muted", "x")
_NAMED: Final = 8
"""Components that the legend names."""


def draw_points(points: pd.DataFrame, components: pd.DataFrame) -> Figure:
    """Draw rows by the component they most likely belong to.

    Args:
        points: column component, and "x value" of every input x; a row per row of the table.
        components: columns component, weight, and "x mean" and "x sd" of every input x.

    Returns:
        The figure: one panel with a single input, two with more.
    """
    inputs = [name.removesuffix(" value") for name in points.columns if name.endswith(" value")]
    every = np.arange(len(points))
    drawn = every[:: max(1, -(-len(points) // MOST))]
    shown = points.iloc[drawn]
    ranked = components.sort_values("weight", ascending=False, kind="stable")
    styles = _styles([str(name) for name in ranked["component"]])
    figure = new_figure(_WIDTH, _HEIGHT)
    along = figure.add_axes((0.5, 0.13, 0.485, 0.72) if len(inputs) > 1 else (0.06, 0.13, 0.925, 0.72))
    first = shown[f"{inputs[0]} value"].to_numpy()
    _scatter(along, drawn, first, shown["component"], styles)
    _labelled(along, "row", inputs[0])
    if len(inputs) > 1:
        across = figure.add_axes((0.06, 0.13, 0.385, 0.72))
        _scatter(across, first, shown[f"{inputs[1]} value"].to_numpy(), shown["component"], styles)
        for row in ranked.to_dict("records"):
            _ellipse(across, row, inputs[0], inputs[1])
        across.autoscale_view()
        _labelled(across, inputs[0], inputs[1])
    _legend(figure, along, [str(name) for name in ranked["component"]])
    return figure


def _styles(names: list[str]) -> dict[str, tuple[str, str]]:
    """Color role and marker of every component; the pairs repeat after twenty."""
    return {
        name: (_COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]) for number, name in enumerate(names)
    }


def _scatter(ax: Axes, x: np.ndarray, y: np.ndarray, owner: pd.Series, styles: dict[str, tuple[str, str]]) -> None:
    names = owner.astype(str).to_numpy()
    for name in dict.fromkeys([*styles, *names.tolist()]):
        mine = names == name
        if not mine.any():
            continue
        role, marker = styles.get(name, _OTHERS)
        dots: PathCollection = ax.scatter(x[mine], y[mine], s=9.0, marker=marker, linewidths=0.6, alpha=0.75)
        dots.set_color(LIGHT[role])
        dots.set_label(name or "nothing observed")


def _ellipse(ax: Axes, row: Mapping[Any, Any], one: str, other: str) -> None:
    place = (row[f"{one} mean"], row[f"{other} mean"])
    size = (4.0 * row[f"{one} sd"], 4.0 * row[f"{other} sd"])
    ring = Ellipse(place, *size, fill=False, edgecolor=LIGHT["ink"], linewidth=1.1)
    ring.set_gid(f"{TIP}{row['component']}")
    ax.add_patch(ring)


def _labelled(ax: Axes, x: str, y: str) -> None:
    ax.set_facecolor(LIGHT["surface"])
    ax.set_xlabel(x, color=LIGHT["muted"], parse_math=False)
    ax.set_ylabel(y, color=LIGHT["muted"], parse_math=False)
    ax.tick_params(colors=LIGHT["muted"], labelsize=8)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LIGHT["hair"])


def _legend(figure: Figure, ax: Axes, names: list[str]) -> None:
    handles, labels = ax.get_legend_handles_labels()
    order = {name: number for number, name in enumerate(names)}
    pairs = sorted(zip(labels, handles, strict=True), key=lambda pair: order.get(pair[0], len(order)))[:_NAMED]
    if not pairs:
        return
    legend = figure.legend(
        [handle for _, handle in pairs],
        [label for label, _ in pairs],
        loc="upper left",
        bbox_to_anchor=(0.05, 0.985),
        ncols=len(pairs),
        frameon=False,
        fontsize=8,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    for label in legend.get_texts():
        label.set_color(LIGHT["ink"])
        label.set_parse_math(False)
