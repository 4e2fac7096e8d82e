"""Pictures of beliefs: how they moved along a series. The network itself is drawn in `network_figure`.

This module imports matplotlib and is itself imported by nothing until a picture is asked for. Figures made here are
pyplot's, so that a notebook shows them and `plt.show()` finds them; nothing is ever shown or closed. A series of any
length is drawn whole: a long one is reduced to the extremes of each of a few thousand stretches, which is all that a
screen resolves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from sostruct.errors import ConfigError, GraphError
from sostruct.graph.layering import levels_of
from sostruct.networks.hgf.beliefs import Beliefs, place_of_subject
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.statistic import AbstractStatistic
from sostruct.networks.hgf.network_figure import draw_network
from sostruct.networks.hgf.palette import BAND, BLUE, HAIR, INK, MUTED, VERMILION
from sostruct.tasks.base import listed

__all__ = ["draw_beliefs", "draw_network"]

SPREAD: Final = 1.96
"""Standard deviations on either side of a mean that hold 95 % of a Gaussian."""

_dates: Any = dates  # its functions have no types
_MOST = 4000  # stretches of a series that are told apart
_SMOOTH = 50  # the running mean of surprise spans this share of a series


@final
@dataclass(frozen=True)
class _Panel:
    """What one panel shows [time]."""

    title: str
    role: str
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    observed: NDArray[np.float64] | None
    probability: bool = False


def draw_beliefs(
    beliefs: Beliefs,
    nodes: Iterable[str] | None = None,
    *,
    expected: bool = False,
    subject: Any = None,
    axes: Sequence[Axes] | NDArray[np.object_] | None = None,
) -> NDArray[np.object_]:
    """Draw beliefs over time: one panel a node with mean and 95 % band, and the surprise of every step below.

    A state's panel shows its posterior; an input's shows what was predicted of it (parents' uncertainty and noise
    included; of a sufficient statistic, what was expected of it, parents' uncertainty included) and, as dots, what was
    observed. A volatile node has a second panel for the level inside it.

    Args:
        beliefs: what a filter returned.
        nodes: which nodes, from top to bottom; by default all but constants, top of the hierarchy first.
        expected: show the predictions of states instead of their posteriors.
        subject: which subject, by label, where there are several; by default the first.
        axes: one for each panel; by default those of a new figure.

    Returns:
        The axes, surprise last.

    Raises:
        GraphError: a node is unknown.
        ConfigError: the subject is unknown, or the number of axes is wrong.
    """
    at = place_of_subject(beliefs, subject)
    panels = [panel for name in _chosen(beliefs, nodes) for panel in _panels(beliefs, name, at, expected)]
    if axes is None:
        drawn = _new_axes(len(panels) + 1)
    else:
        drawn = np.asarray(axes, dtype=object).reshape(-1)
        if len(drawn) != len(panels) + 1:
            raise ConfigError(
                f"Cannot draw on {len(drawn)} axes. This is because beliefs take {len(panels)} of them and surprise "
                f"takes one. Try {len(panels) + 1} axes, or none for a new figure."
            )
    clock = _Clock.of(beliefs.series.index)
    explained: set[str] = set()
    for ax, panel in zip(drawn, panels, strict=False):
        _draw_panel(ax, clock.ticks, panel, explained, expected)
    _draw_surprise(drawn[-1], clock.ticks, beliefs.surprise[at], ~np.isnan(beliefs.series.values[at]).all(1))
    clock.label(drawn[-1])
    if beliefs.series.subjects is not None:
        label = beliefs.series.subjects[at[0]]
        drawn[0].annotate(
            f"subject {label}", (1, 1), (0, 16), xycoords="axes fraction", textcoords="offset points", ha="right",
            color=INK, fontsize=9,
        )  # fmt: skip
    return drawn


def _chosen(beliefs: Beliefs, nodes: Iterable[str] | None) -> list[str]:
    if nodes is None:
        level = levels_of(beliefs.topology, beliefs.inputs)
        shown = [name for name in beliefs.nodes if beliefs.topology.node(name).kind != "constant"]
        return sorted(shown, key=lambda name: (-level[name], name))
    chosen = [nodes] if isinstance(nodes, str) else list(nodes)
    unknown = [name for name in chosen if name not in beliefs.nodes]
    if unknown:
        raise GraphError(
            f"Cannot draw {listed(unknown)}. This is because the network has no such node. "
            f"Try some of {listed(beliefs.nodes)}."
        )
    return chosen


def _panels(beliefs: Beliefs, name: str, at: tuple[int, ...], expected: bool) -> list[_Panel]:
    place = beliefs.nodes.index(name)
    if name in beliefs.inputs:
        panels = [_input_panel(beliefs, name, at)]
    else:
        mean, precision = (
            (beliefs.expected_mean, beliefs.expected_precision) if expected else (beliefs.mean, beliefs.precision)
        )
        own = (quantity[at][:, place].astype(np.float64) for quantity in (mean, precision))
        panels = [_state_panel(name, _role(beliefs, name), *own)]
    if name in beliefs.volatile:
        number = beliefs.volatile.index(name)
        inner = (beliefs.inside(f"volatility_{quantity}")[at][:, number] for quantity in ("mean", "precision"))
        panels.insert(0, _state_panel(f"{name}, level inside", f"volatility of {name}", *inner))
    return panels


def _state_panel(title: str, role: str, mean: NDArray[np.float64], precision: NDArray[np.float64]) -> _Panel:
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = SPREAD / np.sqrt(precision)
    return _Panel(title, role, mean, mean - reach, mean + reach, None)


def _input_panel(beliefs: Beliefs, name: str, at: tuple[int, ...]) -> _Panel:
    place, column = beliefs.nodes.index(name), beliefs.inputs.index(name)
    mean = beliefs.expected_mean[at][:, place].astype(np.float64)
    variance = beliefs.input_variance[at][:, column]
    observed = beliefs.series.values[at][:, column]
    kind = beliefs.topology.node(name).kind
    if kind in ("binary", "category"):
        log_odds, reach = np.log(mean / (1.0 - mean)), SPREAD * np.sqrt(variance)
        low, high = (1.0 / (1.0 + np.exp(-(log_odds + sign * reach))) for sign in (-1.0, 1.0))
        role = "probability of a 1" if kind == "binary" else "probability of the label, by itself"
        return _Panel(name, role, mean, low, high, observed, probability=True)
    if isinstance(KINDS[kind], AbstractStatistic):
        reach = SPREAD * np.sqrt(variance)
        return _Panel(name, f"expected statistic, {kind}", mean, mean - reach, mean + reach, observed)
    with np.errstate(divide="ignore"):
        noise = 1.0 / beliefs.expected_precision[at][:, place].astype(np.float64)
    reach = SPREAD * np.sqrt(variance + noise)
    return _Panel(name, "input", mean, mean - reach, mean + reach, observed)


def _role(beliefs: Beliefs, name: str) -> str:
    """What a state does, in a few words."""
    found: dict[str, list[str]] = {"value": [], "volatility": []}
    for edge in beliefs.topology.children(name):
        found[edge.coupling].append(edge.target)
    parts = [f"{what} of {_few(names)}" for what, names in found.items() if names]
    return ", ".join(parts)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _new_axes(count: int) -> NDArray[np.object_]:
    height = 1.5 if count <= 7 else 1.15
    top, bottom = 0.45, 0.55
    total = top + bottom + height * count
    _, axes = plt.subplots(
        count,
        1,
        sharex=True,
        squeeze=False,
        figsize=(8.0, total),
        gridspec_kw={
            "left": 0.095,
            "right": 0.97,
            "top": 1 - top / total,
            "bottom": bottom / total,
            "hspace": 0.42,
        },
    )
    return axes[:, 0]


def _draw_panel(ax: Axes, ticks: NDArray[np.float64], panel: _Panel, explained: set[str], expected: bool) -> None:
    _style(ax)
    color = BLUE if panel.observed is None else INK
    _band(ax, ticks, panel.low, panel.high)
    what = "state" if panel.observed is None else "input"
    if panel.observed is not None:
        _dots(ax, ticks, panel.observed)
    _line(ax, ticks, panel.mean, color=color, linewidth=1.2, zorder=3)
    if panel.probability:
        ax.set_ylim(-0.08, 1.08)
        ax.set_yticks([0.0, 0.5, 1.0])
    else:
        _set_limits(ax, panel)
    _title(ax, panel.title, panel.role)
    if what not in explained:
        explained.add(what)
        text = "prediction" if expected or what == "input" else "posterior mean"
        text += " ± 1.96 sd" + (", dots: observed" if what == "input" else "")
        ax.set_title(text, loc="right", fontsize=8, color=MUTED, pad=4)


def _draw_surprise(
    ax: Axes, ticks: NDArray[np.float64], surprise: NDArray[np.floating[Any]], seen: NDArray[np.bool_]
) -> None:
    """Steps at which everything was missing are gaps."""
    _style(ax)
    shown = np.where(seen, surprise, np.nan).astype(np.float64)
    long = len(surprise) >= 2 * _SMOOTH
    _line(ax, ticks, shown, color=HAIR if long else VERMILION, linewidth=0.9)
    note = f"sum {_number(float(np.sum(surprise, dtype=np.float64)))} nats"
    if long:
        span = max(5, len(surprise) // _SMOOTH)
        smooth = pd.Series(shown).rolling(span, center=True, min_periods=1).mean().to_numpy()
        _line(ax, ticks, np.where(seen, smooth, np.nan), color=VERMILION, linewidth=1.3, zorder=3)
        note += f"; line: mean of {span} steps"
    _title(ax, "surprise", "nats a step")
    ax.set_title(note, loc="right", fontsize=8, color=MUTED, pad=4)


def _number(value: float) -> str:
    return f"{value:,.1f}".replace("-", "\N{MINUS SIGN}")


def _title(ax: Axes, name: str, note: str) -> None:
    title = ax.set_title(name, loc="left", fontsize=10, fontweight="bold", color=INK, pad=4, parse_math=False)
    if note:
        ax.annotate(
            note, (1, 0), (6, 0), xycoords=title, textcoords="offset points", fontsize=8, color=MUTED, va="bottom",
            parse_math=False,
        )  # fmt: skip


def _style(ax: Axes) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(HAIR)
    ax.tick_params(colors=MUTED, labelsize=8, length=3, color=HAIR)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.margins(x=0.01)


def _set_limits(ax: Axes, panel: _Panel) -> None:
    """The mean and the data always fit; a band that is very wide for a few steps does not flatten everything else."""
    shown = [panel.mean]
    if panel.observed is not None:
        shown.append(panel.observed)
    for bound, share in ((panel.low, 0.03), (panel.high, 0.97)):
        finite = bound[np.isfinite(bound)]
        if finite.size:
            shown.append(np.array([np.quantile(finite, share)]))
    numbers = np.concatenate(shown)
    numbers = numbers[np.isfinite(numbers)]
    if numbers.size:
        low, high = float(numbers.min()), float(numbers.max())
        room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        ax.set_ylim(low - room, high + room)


def _stretches(length: int) -> NDArray[np.intp]:
    """Where each stretch begins."""
    return np.unique(np.linspace(0, length, min(length, _MOST), endpoint=False).astype(np.intp))


def _band(ax: Axes, ticks: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    starts = _stretches(len(ticks))
    low, high = np.where(np.isfinite(low), low, np.nan), np.where(np.isfinite(high), high, np.nan)
    bottom, top = np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)
    if len(starts) == 1:
        ax.errorbar(ticks[:1], (bottom + top) / 2, (top - bottom) / 2, color=BAND, linewidth=4, zorder=1)
    else:
        ax.fill_between(ticks[starts], bottom, top, color=BAND, linewidth=0, zorder=1)


def _line(ax: Axes, ticks: NDArray[np.float64], numbers: NDArray[np.float64], **style: Any) -> None:
    """The whole line, or of each stretch its lowest and highest point."""
    if len(numbers) > 2 * _MOST:
        kept: list[int] = []
        for start, stop in pairwise([*_stretches(len(numbers)).tolist(), len(numbers)]):
            part = numbers[start:stop]
            ends = {int(np.nanargmin(part)), int(np.nanargmax(part))} if np.isfinite(part).any() else {0}
            kept += sorted(start + end for end in ends)
        ticks, numbers = ticks[kept], numbers[kept]
    ax.plot(ticks, numbers, marker="o" if len(numbers) == 1 else "", markersize=4, **style)


def _dots(ax: Axes, ticks: NDArray[np.float64], observed: NDArray[np.float64]) -> None:
    seen = np.flatnonzero(~np.isnan(observed))
    size = float(np.clip(900 / max(len(seen), 1), 1.2, 3.5))
    ax.plot(
        ticks[seen],
        observed[seen],
        linestyle="none",
        marker="o",
        markersize=size,
        markeredgewidth=0,
        color=VERMILION,
        alpha=0.75,
        zorder=2,
        rasterized=len(seen) > _MOST,
    )


@final
@dataclass(frozen=True)
class _Clock:
    """The horizontal axis.

    Attributes:
        ticks: where each step stands.
        name: what the axis says.
        dates: whether ticks are matplotlib's dates.
        labels: text of every step, where it is text.
    """

    ticks: NDArray[np.float64]
    name: str
    dates: bool = False
    labels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, index: pd.Index) -> _Clock:
        name = "" if index.name is None else str(index.name)
        count = np.arange(len(index), dtype=np.float64)
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        if isinstance(index, pd.DatetimeIndex):
            moments = index.tz_localize(None).to_numpy().astype("datetime64[us]")
            return cls(_dates.date2num(moments), name, dates=True)
        if isinstance(index, pd.TimedeltaIndex):
            seconds = index.to_numpy() / np.timedelta64(1, "s")
            span = float(seconds[-1] - seconds[0])
            unit, size = next(
                (unit, size) for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
                if span >= 3 * size or size == 1
            )  # fmt: skip
            return cls(seconds / size, f"{name} ({unit})" if name else unit)
        numeric = pd.api.types.is_numeric_dtype(index.dtype) and not pd.api.types.is_bool_dtype(index.dtype)
        if numeric and index.is_monotonic_increasing and not index.hasnans:
            return cls(index.to_numpy(np.float64), name or "step")
        return cls(count, name or "step", labels=tuple(str(label) for label in index))

    def label(self, ax: Axes) -> None:
        """Write the axis below the last panel."""
        axis = ax.xaxis
        if self.dates:
            locator = _dates.AutoDateLocator(minticks=4, maxticks=9)
            axis.set_major_locator(locator)
            axis.set_major_formatter(_dates.ConciseDateFormatter(locator))
        elif self.labels is not None:
            labels = self.labels
            axis.set_major_locator(MaxNLocator(8, integer=True))
            axis.set_major_formatter(
                FuncFormatter(lambda at, _: labels[round(at)] if 0 <= round(at) < len(labels) else "")
            )
        else:
            axis.set_major_locator(MaxNLocator(9, integer=bool((self.ticks == np.round(self.ticks)).all())))
        if len(self.ticks) == 1:
            ax.set_xlim(self.ticks[0] - 0.5, self.ticks[0] + 0.5)
        if self.name:
            ax.set_xlabel(self.name, color=MUTED, fontsize=9, parse_math=False)
