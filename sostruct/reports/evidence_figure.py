"""The evidence for every pair of variables at once: cause by effect, in nats.

Evidence spans from a fraction of a nat to thousands, on both sides of zero, so the color scale is a symmetric logarithm
in a few steps (1, 3, 10, 30, ... nats): a reader can name the step a cell is in, which a continuous scale does not
allow. Blue speaks for a link, orange against. Cells are one compound outline per step, or one small image when there
are too many to name, so a page with a thousand variables stays small.
"""

import math
from typing import Final

import networkx as nx
import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from sostruct.reports.canvas import TIP, figure_of, new_figure
from sostruct.reports.links import links
from sostruct.reports.palette import LIGHT, STEPS
from sostruct.reports.typography import MINUS, TIMES, compact, shorten

SIZE: Final = 4.8
MOST_LETTERS: Final = 16
MOST_NUMBERED: Final = 13
MOST_NAMED: Final = 44
MOST_OUTLINED: Final = 60
MOST_PIXELS: Final = 125

_FINE: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_COARSE: Final = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)


def bounds(nats: Float[np.ndarray, "..."]) -> tuple[float, ...]:
    """Magnitudes at which the color changes: half decades up to 3,000 nats, decades beyond."""
    known = np.abs(nats[np.isfinite(nats)])
    return _COARSE if known.size and float(known.max()) > 3000 else _FINE


def steps(nats: Float[np.ndarray, "cause effect"], edges: tuple[float, ...]) -> Int[np.ndarray, "cause effect"]:
    """Signed step of every cell: 0 below 1 nat either way, -6 to 6 beyond; NaN counts as 0."""
    known = np.nan_to_num(nats, nan=0.0)
    return np.asarray(np.sign(known) * np.searchsorted(np.asarray(edges), np.abs(known), side="right"), dtype=np.int64)


def step_color(step: int) -> str:
    """Paper color of a step of the scale."""
    return LIGHT["even"] if step == 0 else LIGHT[f"{'for' if step > 0 else 'against'}-{abs(step)}"]


def draw_evidence(summary: pd.DataFrame, truth: nx.Graph | None = None, ax: Axes | None = None) -> Figure:
    """Draw the evidence for every cause (row) and effect (column), all lags together.

    Args:
        summary: cause x effect, nats; NaN where a pair was not considered.
        truth: the known graph, if there is one; its links are marked with a dot.
        ax: axes to draw on; a new figure otherwise.

    Returns:
        The figure that was drawn on.
    """
    nats = summary.to_numpy(dtype=np.float64)
    causes, effects = [str(name) for name in summary.index], [str(name) for name in summary.columns]
    if ax is None:
        ax = fitting_axes(causes, effects)
    edges = bounds(nats)
    block = math.ceil(max(nats.shape) / MOST_PIXELS) if max(nats.shape) > MOST_OUTLINED else 1
    level = steps(nats, edges)
    if max(nats.shape) <= MOST_OUTLINED:
        _cells(ax, nats, level)
    else:
        _image(ax, nats, edges, block)
    if max(nats.shape) <= MOST_NUMBERED:
        _numbers(ax, nats, level, causes, effects)
    if truth is not None and max(nats.shape) <= MOST_OUTLINED:
        _dots(ax, level, causes, effects, truth, numbered=max(nats.shape) <= MOST_NUMBERED)
    name_axes(ax, causes, effects)
    note = "nats (against a link ← → for it)"
    if truth is not None and max(nats.shape) <= MOST_OUTLINED:
        note += "    • true link"
    if block > 1:
        note += f"    each cell: the strongest of {block} {TIMES} {block} pairs"
    _scale(ax, edges, note)
    return figure_of(ax)


def _cells(ax: Axes, nats: Float[np.ndarray, "cause effect"], level: Int[np.ndarray, "cause effect"]) -> None:
    gap = 0.03 if max(nats.shape) <= MOST_NAMED else 0.0
    for step in range(-STEPS, STEPS + 1):
        places = np.argwhere((level == step) & ~np.isnan(nats))
        if not len(places):
            continue
        corners = np.array([[gap, gap], [1 - gap, gap], [1 - gap, 1 - gap], [gap, 1 - gap], [gap, gap]])
        vertices = (places[:, None, ::-1] + corners[None]).reshape(-1, 2)
        codes = [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY]
        shape = Outline(vertices, codes * len(places))
        ax.add_patch(PathPatch(shape, facecolor=step_color(step), edgecolor="none", linewidth=0))


def strongest_of_blocks(nats: Float[np.ndarray, "cause effect"], block: int) -> Float[np.ndarray, "row column"]:
    """The largest evidence in every block of `block x block` pairs, so that a single link is not lost in a crowd."""
    rows, columns = (math.ceil(size / block) for size in nats.shape)
    padded = np.full((rows * block, columns * block), -np.inf)
    padded[: nats.shape[0], : nats.shape[1]] = np.where(np.isnan(nats), -np.inf, nats)
    most: Float[np.ndarray, "row column"] = padded.reshape(rows, block, columns, block).max(axis=(1, 3))
    return np.where(np.isneginf(most), np.nan, most)


def _image(ax: Axes, nats: Float[np.ndarray, "cause effect"], edges: tuple[float, ...], block: int) -> None:
    """Cells as one image whose opacity is the step, so that it reads on light and on dark ground."""
    most = strongest_of_blocks(nats, block)
    level = steps(most, edges)
    pixels = np.zeros((*most.shape, 4))
    pixels[level > 0, :3] = to_rgb(LIGHT["blue"])
    pixels[level < 0, :3] = to_rgb(LIGHT["vermilion"])
    faint = np.where(level > 0, 0.15 + 0.85 * level / STEPS, 0.04 * np.abs(level))
    pixels[..., 3] = np.where(np.isnan(most), 0.0, np.clip(faint, 0.0, 1.0))
    extent = (0.0, float(most.shape[1] * block), float(most.shape[0] * block), 0.0)
    ax.imshow(pixels, extent=extent, interpolation="none", aspect="auto")


def _numbers(
    ax: Axes,
    nats: Float[np.ndarray, "cause effect"],
    level: Int[np.ndarray, "cause effect"],
    causes: list[str],
    effects: list[str],
) -> None:
    for (row, column), value in np.ndenumerate(nats):
        if math.isnan(value):
            continue
        ax.text(
            column + 0.5,
            row + 0.5,
            compact(value),
            ha="center",
            va="center_baseline",
            fontsize=7.5,
            color=LIGHT["cell-strong-ink" if abs(level[row, column]) >= 5 else "cell-weak-ink"],
            gid=f"{TIP}{causes[row]} → {effects[column]}\n{value:.2f} nats",
        )


def _dots(
    ax: Axes,
    level: Int[np.ndarray, "cause effect"],
    causes: list[str],
    effects: list[str],
    truth: nx.Graph,
    *,
    numbered: bool,
) -> None:
    row_of = {name: row for row, name in enumerate(causes)}
    column_of = {name: column for column, name in enumerate(effects)}
    true = [(row_of[a], column_of[b]) for a, b in links(truth) if a in row_of and b in column_of]
    for ink in ("cell-weak-ink", "cell-strong-ink"):
        chosen = [place for place in true if (abs(level[place]) >= 5) == (ink == "cell-strong-ink")]
        if chosen:
            rows, columns = np.array(chosen).T
            at = 0.84 if numbered else 0.5
            size = 2.2 if numbered else max(1.0, 60 / max(level.shape))
            ax.plot(
                columns + at,
                rows + (0.16 if numbered else 0.5),
                linestyle="none",
                marker="o",
                markersize=min(size, 3.6),
                color=LIGHT[ink],
                markeredgewidth=0,
            )


def _name_size(causes: list[str], effects: list[str]) -> float:
    """Size of the names in points; 0 when there are too many to print."""
    count = max(len(causes), len(effects), 1)
    return min(8.5, max(5.2, 210 / count)) if count <= MOST_NAMED else 0.0


def _upright(effects: list[str]) -> bool:
    return len(effects) > 24 or any(len(name) > 4 for name in effects)


def fitting_axes(causes: list[str], effects: list[str]) -> Axes:
    """Square axes in a figure with just the room that the names need."""
    letter = _name_size(causes, effects) * 0.62 / 72
    across = max((len(shorten(name, MOST_LETTERS)) for name in causes), default=0) * letter
    above = (
        max((len(shorten(name, MOST_LETTERS)) for name in effects), default=0) * letter if _upright(effects) else 0.15
    )
    left, top, bottom, right = 0.3 + across, 0.32 + above, 0.62, 0.06
    side = SIZE - left - right
    height = side + top + bottom
    return new_figure(SIZE, height).add_axes((left / SIZE, bottom / height, side / SIZE, side / height))


def name_axes(ax: Axes, causes: list[str], effects: list[str]) -> None:
    """Causes down the side, effects along the top, as far as there is room for names."""
    ax.set_xlim(0, len(effects))
    ax.set_ylim(len(causes), 0)
    ax.tick_params(length=0, pad=3, labelcolor=LIGHT["ink"], top=False, labeltop=True, labelbottom=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    size = _name_size(causes, effects)
    rows, columns = ([], []) if size == 0 else (causes, effects)
    ax.set_xticks(
        np.arange(len(columns)) + 0.5,
        [shorten(name, MOST_LETTERS) for name in columns],
        rotation=90 if _upright(effects) else 0,
        fontsize=size or None,
        parse_math=False,
    )
    ax.set_yticks(
        np.arange(len(rows)) + 0.5,
        [shorten(name, MOST_LETTERS) for name in rows],
        fontsize=size or None,
        parse_math=False,
    )
    ax.set_ylabel("cause", color=LIGHT["muted"], fontsize=8.5)
    ax.set_title("effect", color=LIGHT["muted"], fontsize=8.5, pad=5)


def _scale(ax: Axes, edges: tuple[float, ...], note: str) -> None:
    bar = ax.inset_axes((0.0, -0.075, 1.0, 0.028))
    bar.set_xlim(-STEPS - 0.5, STEPS + 0.5)
    bar.set_ylim(0, 1)
    for step in range(-STEPS, STEPS + 1):
        bar.axvspan(step - 0.48, step + 0.48, facecolor=step_color(step), edgecolor="none")
    ticks = [*(-0.5 - np.arange(STEPS))[::-1], *(0.5 + np.arange(STEPS))]
    labels = [*(f"{MINUS}{edge:,.0f}" for edge in edges[::-1]), *(f"{edge:,.0f}" for edge in edges)]
    bar.set_xticks(ticks, labels, fontsize=6.8 if edges is _FINE else 5.6)
    bar.set_yticks([])
    bar.tick_params(length=0, pad=2, labelcolor=LIGHT["muted"])
    for spine in bar.spines.values():
        spine.set_visible(False)
    bar.set_xlabel(note, fontsize=8, color=LIGHT["muted"], labelpad=3)
