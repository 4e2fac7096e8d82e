"""What the ink of a drawn graph means, and the legend that says so.

Color and line style carry the verdict (or, without a truth, the sign of the weight); width carries evidence.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sostruct.reports.links import Link, Pair, Verdict
from sostruct.reports.palette import LIGHT

DASHES: Final[dict[Verdict, tuple[float, tuple[float, ...]]]] = {
    Verdict.UNKNOWN: (0.0, ()),
    Verdict.HIT: (0.0, ()),
    Verdict.OTHER_LAG: (0.0, (5.0, 1.2, 1.0, 1.2)),
    Verdict.FALSE: (0.0, (3.2, 1.3)),
    Verdict.MISSED: (0.0, (1.0, 1.1)),
}
COLORS: Final[dict[Verdict, str]] = {
    Verdict.UNKNOWN: LIGHT["ink"],
    Verdict.HIT: LIGHT["blue"],
    Verdict.OTHER_LAG: LIGHT["green"],
    Verdict.FALSE: LIGHT["vermilion"],
    Verdict.MISSED: LIGHT["amber"],
}


def line_width(nats: float) -> float:
    """Width of an arrow in points: `0.7 + 0.6 log(1 + nats)`, up to 10,000 nats; the same in every figure.

    Infinite evidence, as of an edge that was required, is as wide as it gets.
    """
    return 1.3 if math.isnan(nats) else 0.7 + 0.6 * math.log1p(min(max(nats, 0.0), 1e4))


def link_color(link: Link, verdict: Verdict) -> str:
    """Color of the verdict; without a truth, that of the sign of the weight."""
    if verdict is Verdict.UNKNOWN and not math.isnan(link.weight):
        return LIGHT["blue"] if link.weight >= 0 else LIGHT["vermilion"]
    return COLORS[verdict]


def draw_legend(ax: Axes, shown: Collection[Link], judged: Mapping[Pair, Verdict], *, weighted: bool) -> None:
    """Write below a drawing what its colors, styles, widths and borders mean, with the number of links of each kind."""
    entries: list[tuple[Line2D, str]] = []
    present = [judged[link.pair] for link in shown]
    for verdict in (Verdict.HIT, Verdict.OTHER_LAG, Verdict.FALSE, Verdict.MISSED):
        if verdict in present:
            label = "found" if verdict is Verdict.HIT and not weighted else verdict.value
            line = Line2D([], [], color=COLORS[verdict], linestyle=DASHES[verdict], linewidth=1.8)
            count = sum(judged[link.pair] is verdict for link in shown if not link.own_past)
            entries.append((line, f"{label} ({count})" if count else label))
    if Verdict.UNKNOWN in present:
        signs = {math.copysign(1.0, link.weight) for link in shown if not math.isnan(link.weight)}
        for sign, color, label in ((1.0, "blue", "positive weight"), (-1.0, "vermilion", "negative weight")):
            if sign in signs:
                entries.append((Line2D([], [], color=LIGHT[color], linewidth=1.8), label))
    if weighted:
        entries += [
            (
                Line2D([], [], color=LIGHT["muted"], linewidth=line_width(nats), solid_capstyle="butt"),
                f"{nats:,.0f} {'nat' if nats == 1 else 'nats'}",
            )
            for nats in _width_examples(link.nats for link in shown)
        ]
    if any(link.own_past for link in shown):
        disc = Line2D([], [], linestyle="none", marker="o", markersize=7, markeredgewidth=1.8)
        disc.set_markerfacecolor(LIGHT["surface"])
        disc.set_markeredgecolor(LIGHT["muted"])
        entries.append((disc, "own past"))
    if entries:
        handles, labels = zip(*entries, strict=True)
        ax.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=len(entries),
            frameon=False,
            fontsize=8,
            labelcolor=LIGHT["muted"],
            handlelength=1.7,
            handletextpad=0.5,
            columnspacing=1.3,
            borderaxespad=0.0,
        )


def _width_examples(nats: Iterable[float]) -> tuple[float, ...]:
    """Two round numbers that span the evidence shown."""
    known = [min(value, 1e4) for value in nats if value > 0]
    if not known:
        return ()
    low = 10.0 ** math.floor(math.log10(max(min(known), 1.0)))
    high = 10.0 ** math.floor(math.log10(max(*known, 1.0)))
    return (low,) if low == high else (low, high)
