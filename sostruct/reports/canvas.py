"""From a matplotlib figure to bytes that are the same every time.

Figures are made with matplotlib's object interface and its SVG and Agg canvases; pyplot, its global figures and the
user's own matplotlib settings are never touched. SVG identifiers come from a fixed salt and no date is written, so
equal input gives equal bytes. Text stays text: it can be searched, and takes the fonts of the page it stands in.

An artist whose `gid` begins with `TIP` gets the rest as an SVG `<title>`, which browsers show on hovering. One whose
`gid` was made by `part` also says which part of a changing drawing it belongs to, and in what role.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sostruct.reports.palette import LIGHT, with_variables

TIP: Final = "tip: "
_PART: Final = "part: "
_NO_METADATA: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}
_SETTINGS: Final = {
    "svg.hashsalt": "sostruct",
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 9.0,
    "text.usetex": False,
    "axes.unicode_minus": True,
}


def part(number: int, role: str, tip: str = "") -> str:
    """The `gid` of an artist that belongs to a part of a drawing that changes.

    In the SVG it becomes `data-part` and `data-role`, which is how a page finds what to show, hide or color.

    Args:
        number: of the part.
        role: what the artist is of it: "box", "halo", "line", "text" (which changes), "ink" (text on the box).
        tip: shown on hovering.
    """
    return f"{_PART}{number} {role}" + (f" {TIP}{tip}" if tip else "")


@contextmanager
def settings() -> Iterator[None]:
    """Draw with matplotlib's own defaults and ours, whatever the user has set; theirs return afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Names in any script are allowed: the page's fonts have glyphs that matplotlib's may lack.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of the given size in inches, known to no window manager."""
    return Figure(figsize=(width, height), facecolor=LIGHT["surface"])


def svg(figure: Figure) -> str:
    """A complete SVG document in the paper colors."""
    with settings():
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]|<!--.*?-->", "", text, flags=re.DOTALL)
    # An attribute that holds a double quote stands in single ones.
    text = re.sub(rf"<g id='(?:{_PART}(\d+) (\w+) ?)?(?:{TIP}([^']*))?'>", _group, text)
    return re.sub(rf'<g id="(?:{_PART}(\d+) (\w+) ?)?(?:{TIP}([^"]*))?">', _group, text)


def _group(found: re.Match[str]) -> str:
    number, role, tip = found.groups()
    place = "" if number is None else f' data-part="{number}" data-role="{role}"'
    return f"<g{place}>" + ("" if tip is None else f"<title>{tip}</title>")


def inline_svg(figure: Figure, prefix: str, description: str) -> str:
    """The same drawing as an element of an HTML page: palette as CSS variables, identifiers made unique.

    Args:
        figure: what to draw.
        prefix: put before every identifier, so that several drawings can share a page.
        description: what a screen reader says; already escaped for HTML.
    """
    text = svg(figure)
    box = re.search(r'viewBox="[^"]*"', text)
    text = text[text.index(">", text.index("<svg")) + 1 :]
    text = re.sub(r'<style type="text/css">.*?</style>', "", text, flags=re.DOTALL)
    # Inside tags alone: a variable may be named "#0072b2" or 'id="'.
    text = re.sub(r"<[^>]+>", lambda tag: _for_page(tag.group(0), prefix), text)
    return f'<svg {box.group(0) if box else ""} role="img" aria-label="{description}">{text.rstrip()}'


def _for_page(tag: str, prefix: str) -> str:
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = tag.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-')
    return with_variables(tag.replace('xlink:href="data:', 'href="data:'))


def png(figure: Figure, dots_per_inch: int = 200) -> bytes:
    """The figure as a PNG image without a date."""
    with settings():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF document for a paper, text embedded as text, without a date."""
    with settings():
        buffer = io.BytesIO()
        nothing = {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}
        with mpl.rc_context({"pdf.fonttype": 42}):
            figure.savefig(buffer, format="pdf", metadata=nothing)
    return buffer.getvalue()


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to, also when they stand in a subfigure."""
    figure = ax.figure.figure  # not get_figure(root=True), which matplotlib 3.9 lacks
    assert isinstance(figure, Figure)
    return figure
