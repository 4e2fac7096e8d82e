"""Numbers with their uncertainty, for pages, terminals and papers alike."""

import math
from collections.abc import Iterable

import pandas as pd

from sostruct.reports.typography import DASH, minus

MOST_PLACES = 6


def places(values: Iterable[float], halves: Iterable[float]) -> int:
    """Decimals for a column of means: two digits of the typical half-width; three digits of the values without one."""
    known = sorted(half for half in halves if math.isfinite(half) and half > 0.0)
    if known:
        scale, digits = known[len(known) // 2], 2
    else:
        sizes = [abs(value) for value in values if math.isfinite(value) and value]
        if not sizes or all(size.is_integer() for size in sizes):
            return 0
        scale, digits = max(sizes), 3
    return min(MOST_PLACES, max(0, digits - 1 - math.floor(math.log10(scale))))


def column_places(frame: pd.DataFrame, value: str = "mean") -> int:
    """Decimals for the numbers of a metric: columns `value`, low, high."""
    return places(frame[value].tolist(), ((frame["high"] - frame["low"]) / 2).tolist())


def fixed(value: float, decimals: int, *, sign: bool = False) -> str:
    """A number with so many decimals and a true minus; a dash when unknown. What rounds to zero has no sign."""
    if not math.isfinite(value):
        return DASH if math.isnan(value) else minus("∞" if value > 0 else "-∞")
    rounded = round(value, decimals)
    if rounded == 0.0:
        return f"{0:.{decimals}f}"
    return minus(f"{rounded:+,.{decimals}f}" if sign else f"{rounded:,.{decimals}f}")


def interval(low: float, high: float, decimals: int) -> str:
    """A confidence interval; empty when there is none."""
    if math.isnan(low):
        return ""
    return f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"


def p_value(p: float) -> str:
    """A p-value: three decimals, "< 0.001" below, a dash when there is none."""
    if math.isnan(p):
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def half_width(mean: float, low: float, high: float, decimals: int) -> str:
    """A mean and the half-width of its interval, for narrow places: "0.93 ± 0.02"."""
    shown = fixed(mean, decimals)
    return shown if math.isnan(low) else f"{shown} ± {fixed((high - low) / 2, decimals)}"
