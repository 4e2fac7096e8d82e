"""One self-contained page for one run.

`report.html` needs nothing but a browser: drawings are inline SVG, styles are in its head, nothing is fetched, and the
one script, which walks through the epochs, is in the page; without it everything else can be read. It follows the
reader's light or dark mode and any width of screen. Equal run files give equal bytes, so a report can be compared and
committed.
"""

from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from sostruct.errors import RunError
from sostruct.graph import write_atomically
from sostruct.reports import belief_sections, facts, layered_sections, mixture_sections, sections
from sostruct.reports.belief_figure import draw_beliefs
from sostruct.reports.canvas import inline_svg, png, settings, svg
from sostruct.reports.document import document
from sostruct.reports.figures import draw_graph, draw_truth, run_figures
from sostruct.reports.graph_figure import one_panel
from sostruct.reports.links import compare
from sostruct.reports.markup import Html, join, tag, text
from sostruct.reports.replay import film
from sostruct.reports.replay_drawing import draw_film
from sostruct.reports.replay_section import edits_section, replay_section
from sostruct.reports.tables import RunTables, read_run

REPORT: Final = "report.html"


def write_report(folder: Path) -> Path:
    """Write `report.html` and `figures/*.svg`, `figures/*.png` into a run folder.

    Args:
        folder: the folder of a run; everything in `tables.REQUIRED`, or `tables.REQUIRED_OF_BELIEFS`, must be there.

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
    if tables.components is not None:
        head, parts = _mixture_parts(tables, figures, tables.components)
    elif layered_sections.is_layered(tables):
        head, parts = _layered_parts(tables, figures)
    else:
        head, parts = _belief_parts(tables, figures) if tables.belief else _lagged_parts(tables, figures)
    footer = tag("footer", text("Made by sostruct from the files of this folder alone."))
    return document(f"{facts.task_name(tables)} · sostruct", join((head, tag("main", join(parts)), footer)))


def _lagged_parts(tables: RunTables, figures: dict[str, Figure]) -> tuple[Html, list[Html]]:
    found, truth = _panels(tables)
    compared = compare(tables.graph, tables.truth)
    evidence = _inline(figures["evidence"], "evidence", "Evidence per pair")
    parts = [
        sections.graph_section(compared, found, truth),
        *_lags(tables, figures),
        _replay(tables),
        _surprise(tables, figures),
        sections.evidence_section(tables, compared, evidence),
        edits_section(tables),
        sections.refused_section(tables),
        sections.metrics_section(tables),
        sections.reading_section(),
        sections.repeat_section(tables),
    ]
    return sections.headline(tables, compared), parts


def _belief_parts(tables: RunTables, figures: dict[str, Figure]) -> tuple[Html, list[Html]]:
    with settings():
        found = _inline(draw_beliefs(tables.graph, inputs=facts.inputs(tables)), "found", "The network found")
        truth = None if tables.truth is None else _inline(draw_beliefs(tables.truth), "truth", "The true network")
    parts = [
        belief_sections.network_section(found, truth),
        _replay(tables),
        _surprise(tables, figures),
        belief_sections.tables_section(tables),
        edits_section(tables),
        sections.refused_section(tables),
        sections.metrics_section(tables),
        belief_sections.reading_section(),
        sections.repeat_section(tables),
    ]
    return belief_sections.headline(tables), parts


def _layered_parts(tables: RunTables, figures: dict[str, Figure]) -> tuple[Html, list[Html]]:
    with settings():
        found = _inline(draw_beliefs(tables.graph, inputs=facts.inputs(tables)), "found", "The network found")
    parts = [
        layered_sections.network_section(found),
        _replay(tables),
        _surprise(tables, figures),
        layered_sections.populations_section(tables),
        edits_section(tables),
        sections.refused_section(tables),
        sections.metrics_section(tables),
        layered_sections.reading_section(),
        sections.repeat_section(tables),
    ]
    return layered_sections.headline(tables), parts


def _mixture_parts(tables: RunTables, figures: dict[str, Figure], components: pd.DataFrame) -> tuple[Html, list[Html]]:
    parts = [
        mixture_sections.components_section(components, _inline(figures["graph"], "found", "The mixture found")),
        *_points(tables, figures),
        _replay(tables),
        _surprise(tables, figures),
        edits_section(tables),
        sections.refused_section(tables),
        sections.metrics_section(tables),
        mixture_sections.reading_section(),
        sections.repeat_section(tables),
    ]
    return mixture_sections.headline(tables, components), parts


def _lags(tables: RunTables, figures: dict[str, Figure]) -> list[Html]:
    if tables.graph.number_of_edges() == 0:
        return []
    return [sections.lags_section(tables.graph, _inline(figures["lags"], "lags", "The graph by steps of time"))]


def _points(tables: RunTables, figures: dict[str, Figure]) -> list[Html]:
    if tables.points is None:
        return []
    drawing = _inline(figures["points"], "points", "The rows and whose they are")
    return [mixture_sections.points_section(tables.points, drawing)]


def _replay(tables: RunTables) -> Html:
    shown = film(tables)
    with settings():
        return replay_section(shown, draw_film(shown, tables), tables)


def _surprise(tables: RunTables, figures: dict[str, Figure]) -> Html:
    return sections.surprise_section(tables, _inline(figures["surprise"], "surprise", "Surprise per epoch"))


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
