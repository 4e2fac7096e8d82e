"""Numbers and names as they are printed: in tables, captions and drawings alike."""

import math
from typing import Final

MINUS: Final = "\N{MINUS SIGN}"
DASH: Final = "\N{EN DASH}"
TIMES: Final = "\N{MULTIPLICATION SIGN}"


def minus(number: str) -> str:
    """A formatted number with a true minus sign, as wide as a plus."""
    return number.replace("-", MINUS)


def compact(value: float) -> str:
    """A number in at most five characters: 0.4, 87, 1.2k."""
    if math.isinf(value):
        return minus("-∞" if value < 0 else "∞")
    if abs(value) < 9.95:
        return minus(f"{value:.1f}")
    if abs(value) < 999.5:
        return minus(f"{value:.0f}")
    return minus(f"{value / 1000:.1f}k" if abs(value) < 9950 else f"{value / 1000:,.0f}k")


def shorten(name: str, most: int = 18, *, wrap: bool = False) -> str:
    """A name that fits beside a drawing: long ones lose their middle, so that `..._rate_3` and `..._rate_4` stay apart.

    Args:
        name: the variable's name.
        most: number of characters kept.
        wrap: break a long name into two lines at a space, underscore, dash or point.
    """
    name = " ".join(name.split())
    if len(name) > most:
        name = f"{name[: most - 6]}…{name[-5:]}"
    if not wrap or len(name) <= 10:
        return name
    breaks = [place + 1 for place, letter in enumerate(name[:-1]) if letter in " _-."]
    if not breaks:
        return name
    middle = min(breaks, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:middle].rstrip()}\n{name[middle:]}"


def with_spread(mean: float, spread: float) -> str:
    """A mean and its standard deviation, to two digits of the latter: 1.0412 ± 0.0031."""
    if not (math.isfinite(mean) and math.isfinite(spread) and spread > 0.0):
        return minus(f"{mean:.3g} ± {spread:.3g}")
    decimals = 1 - math.floor(math.log10(spread))
    if abs(mean) >= 1e5 or spread >= 1e5 or decimals > 5:
        return minus(f"{mean:.3g} ± {spread:.3g}")
    decimals = max(0, decimals)
    return minus(f"{round(mean, decimals) + 0.0:.{decimals}f} ± {spread:.{decimals}f}")  # + 0.0: no minus zero
