"""One self-contained page for one run.

`report.html` needs nothing but a browser: drawings are inline SVG, styles are in its head, there are no scripts and
nothing is fetched. It follows the reader's light or dark mode and any width of screen. Equal run files give equal
bytes, so a report can be compared and committed.
"""

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from sostruct.errors import RunError
from sostruct.graph import write_atomically
from sostruct.reports import facts, sections
from sostruct.reports.canvas import inline_svg, png, settings, svg
from sostruct.reports.document import document
from sostruct.reports.figures import draw_graph, draw_truth, run_figures
from sostruct.reports.graph_figure import one_panel
from sostruct.reports.links import compare
from sostruct.reports.markup import Html, join, tag, text
from sostruct.reports.tables import RunTables, read_run

REPORT: Final = "report.html"


def write_report(folder: Path) -> Path:
    """Write `report.html` and `figures/*.svg`, `figures/*.png` into a run folder.

    Args:
        folder: the folder of a run; everything in `tables.REQUIRED` must be there.

    Returns:
        The path of the page.

    Raises:
        RunError: the folder is not that of a finished run (the message lists what is missing), a file is damaged, or
            the folder cannot be written.
    """
    tables = read_run(folder)
    figures = run_figures(tables)
    gallery = folder / "figures"
    try:
        gallery.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write into {str(gallery)!r}. This is because of {error}. Try a folder that can be written."
        ) from None
    for name, figure in figures.items():
        write_atomically(gallery / f"{name}.svg", svg(figure))
        write_atomically(gallery / f"{name}.png", png(figure))
    path = folder / REPORT
    write_atomically(path, render(tables, figures))
    return path


def render(tables: RunTables, figures: dict[str, Figure]) -> str:
    """The page as text."""
    found, truth = _panels(tables)
    compared = compare(tables.graph, tables.truth)
    body = join(
        (
            sections.headline(tables, compared),
            tag(
                "main",
                join(
                    (
                        sections.graph_section(compared, found, truth),
                        sections.surprise_section(
                            tables, _inline(figures["surprise"], "surprise", "Surprise per epoch")
                        ),
                        sections.evidence_section(
                            tables, compared, _inline(figures["evidence"], "evidence", "Evidence per pair")
                        ),
                        sections.refused_section(tables),
                        sections.metrics_section(tables),
                        sections.reading_section(),
                        sections.repeat_section(tables),
                    )
                ),
            ),
            tag("footer", text("Made by sostruct from the files of this folder alone.")),
        )
    )
    return document(f"{facts.task_name(tables)} · sostruct", body)


def _panels(tables: RunTables) -> tuple[Html, Html | None]:
    """The found graph and the truth as two drawings, so that they can stand side by side or one above the other."""
    with settings():
        figure, ax = one_panel()
        found = _inline(draw_graph(tables.graph, tables.truth, ax), "found", "The found graph")
        if tables.truth is None:
            return found, None
        figure, ax = one_panel()
        draw_truth(tables.truth, tables.graph, ax)
        return found, _inline(figure, "truth", "The true graph")


def _inline(figure: Figure, prefix: str, description: str) -> Html:
    return Html(inline_svg(figure, prefix, text(description)))
