"""How conditions look in every figure of a sweep: color, marker and line, so that color never stands alone."""

from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sostruct.reports.palette import LIGHT
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.typography import compact, minus

_ROLES: Final = ("blue", "vermilion", "green", "amber", "ink")
_MARKERS: Final = ("o", "^", "D", "s", "v", "P", "X", "<", ">")
_LINES: Final = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))


@dataclass(frozen=True, slots=True)
class Style:
    """Color, marker and line of a condition."""

    color: str
    marker: str
    line: Any


def styles(analysis: Analysis) -> dict[str, Style]:
    """A style for every condition: color by method, the baseline gray; marker and line by what else differs.

    Where nothing else differs, methods have markers of their own and lines once colors repeat.
    """
    strata, methods = analysis.strata(), [name for name in analysis.methods() if name != analysis.baseline_method]
    found = {}
    for place, stratum in enumerate(strata):
        for condition in stratum:
            method = analysis.method_of(condition)
            own = methods.index(method) if method in methods else None
            color = LIGHT["muted" if own is None else _ROLES[own % len(_ROLES)]]
            if len(strata) == 1:
                step = 1 if own is None else own // len(_ROLES)
                mark = 0 if own is None else own
            else:
                step = mark = place
            found[condition] = Style(color, _MARKERS[mark % len(_MARKERS)], _LINES[step % len(_LINES)])
    return found


def bare(ax: Axes, *, grid: str = "y") -> None:
    """Axes as in every report: a hair line below, a hair grid behind, muted numbers."""
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LIGHT["hair"])
    ax.tick_params(length=0, labelsize=8, labelcolor=LIGHT["muted"])
    ax.grid(axis=grid, color=LIGHT["hair"], linewidth=0.6)  # type: ignore[arg-type]
    ax.set_axisbelow(True)


def number_axis(axis: Any, most: int = 5, *, whole: bool = False) -> None:
    """Ticks with a true minus and thousands apart; as many decimals as their distance needs."""
    axis.set_major_locator(MaxNLocator(most, integer=whole, min_n_ticks=1 if whole else 2))

    def shown(value: float, _: int | None) -> str:
        ticks = axis.get_majorticklocs()
        step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(value)
        if abs(value) >= 10_000:
            return compact(value)
        decimals = next((count for count in range(6) if abs(step * 10**count - round(step * 10**count)) < 1e-6), 6)
        return minus(f"{value:,.{0 if whole else decimals}f}")

    axis.set_major_formatter(FuncFormatter(shown))


def muted(size: float = 8.5) -> dict[str, Any]:
    """Text beside axes."""
    return {"color": LIGHT["muted"], "fontsize": size}


def legend(ax: Axes, columns: int = 4, **placing: Any) -> None:
    """A frameless legend above the axes."""
    ax.legend(
        **({"loc": "lower left", "bbox_to_anchor": (-0.01, 1.0)} | placing),
        ncols=columns,
        frameon=False,
        fontsize=8,
        labelcolor=LIGHT["ink"],
        handlelength=2.2,
        columnspacing=1.4,
        borderaxespad=0.2,
    )
