"""Colors, twice: once on paper, once on a dark screen.

Figures are drawn once, in the paper colors. Every color below is a distinct hexadecimal value, so that the page can
replace each by the CSS variable of the same name and one drawing serves light and dark mode. The qualitative colors
are those of Okabe and Ito (2008), which stay apart under the common color vision deficiencies; no figure relies on
color alone (line style, marker or position repeats it).
"""

from typing import Final

LIGHT: Final[dict[str, str]] = {
    "surface": "#ffffff",
    "ink": "#1d2026",
    "muted": "#686e78",
    "hair": "#d7dae0",
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "amber": "#b97a00",
    "band": "#cfe3f1",
    "halo": "#ffd75e",
    "even": "#f3f4f5",
    "cell-weak-ink": "#2b2f36",
    "cell-strong-ink": "#fefefe",
    "for-1": "#deebf7",
    "for-2": "#c1d9ee",
    "for-3": "#95c5e2",
    "for-4": "#5ba3d0",
    "for-5": "#2b7bba",
    "for-6": "#0a4f96",
    "against-1": "#fdf7f0",
    "against-2": "#fcebda",
    "against-3": "#fbd0a6",
    "against-4": "#f59245",
    "against-5": "#d9660f",
    "against-6": "#9c3a02",
}
"""Color of every role on paper."""

DARK: Final[dict[str, str]] = {
    "surface": "#1b1e23",
    "ink": "#e9e7e2",
    "muted": "#9ba1ab",
    "hair": "#363b44",
    "blue": "#5db7f0",
    "vermilion": "#ff8d52",
    "green": "#45cf9f",
    "amber": "#f0bd4f",
    "band": "#22394b",
    "halo": "#8a6a12",
    "even": "#24282e",
    "cell-weak-ink": "#cfd2d6",
    "cell-strong-ink": "#111317",
    "for-1": "#1f3142",
    "for-2": "#224363",
    "for-3": "#265c8b",
    "for-4": "#3a80b8",
    "for-5": "#69aee2",
    "for-6": "#b4dbfa",
    "against-1": "#26221f",
    "against-2": "#342a22",
    "against-3": "#5f4023",
    "against-4": "#ab651f",
    "against-5": "#e58d3d",
    "against-6": "#ffc996",
}
"""Color of every role on a dark screen."""

STEPS: Final = 6
"""Shades on each side of the evidence scale."""


def css_variables(colors: dict[str, str]) -> str:
    """Declarations `--name: color;` for one mode, one a line."""
    return "\n".join(f"  --{name}: {color};" for name, color in colors.items())


def with_variables(svg: str) -> str:
    """The same drawing with every paper color replaced by its CSS variable."""
    for name, color in LIGHT.items():
        svg = svg.replace(color, f"var(--{name})")
    return svg
