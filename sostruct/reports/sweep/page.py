"""A sweep's report: one self-contained page, its tables as CSV and LaTeX, its figures as SVG and PDF."""

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from sostruct.errors import RunError
from sostruct.graph import write_atomically
from sostruct.reports.canvas import inline_svg, pdf, svg
from sostruct.reports.document import document
from sostruct.reports.markup import Html, join, tag, text
from sostruct.reports.sweep import sections
from sostruct.reports.sweep.analysis import Analysis, analyze
from sostruct.reports.sweep.collect import read_sweep
from sostruct.reports.sweep.figures import sweep_figures
from sostruct.reports.sweep.jobs import PAGE
from sostruct.reports.sweep.options import SweepOptions
from sostruct.reports.sweep.tables import table_files

TABLES: Final = "tables"
FIGURES: Final = "figures"


def write_sweep_report(folder: Path, options: SweepOptions | None = None) -> Path:
    """Write `report.html`, `tables/` and `figures/` into a sweep folder; a sweep that has not finished is said so.

    Args:
        folder: what `sostruct -m` wrote, e.g. `results/growth_rules/sweep`.
        options: metrics, baseline, replicate and confidence.

    Returns:
        The path of the page.

    Raises:
        RunError: the folder is no sweep, its runs are of different schema versions, a file is damaged, an option fits
            no job, or the folder cannot be written.
    """
    options = SweepOptions() if options is None else options
    return write_analysis(analyze(read_sweep(folder, options.replicate), options))


def write_analysis(analysis: Analysis) -> Path:
    """The same from an analysis at hand."""
    folder = analysis.sweep.folder
    figures = sweep_figures(analysis)
    _replace(folder / TABLES, dict(table_files(analysis)))
    drawings: dict[str, str | bytes] = {}
    for name, figure in figures.items():
        drawings |= {f"{name}.svg": svg(figure), f"{name}.pdf": pdf(figure)}
    _replace(folder / FIGURES, drawings)
    path = folder / PAGE
    write_atomically(path, render(analysis, figures))
    return path


def _replace(place: Path, files: dict[str, str | bytes] | dict[str, str]) -> None:
    """Write the files of a folder and remove what an earlier report left there under other names."""
    suffixes = {".csv", ".tex", ".svg", ".pdf"}
    try:
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            if old.suffix in suffixes and old.name not in files:
                old.unlink()
    except OSError as error:
        raise RunError(
            f"Cannot write into {str(place)!r}. This is because of {error}. Try a folder that can be written."
        ) from None
    for name, content in files.items():
        write_atomically(place / name, content)


def render(analysis: Analysis, figures: dict[str, Figure]) -> str:
    """The page as text."""
    drawings = {name: Html(inline_svg(figure, name, text(_described(name)))) for name, figure in figures.items()}
    parts = [
        sections.means_section(analysis, drawings),
        sections.comparisons_section(analysis),
        sections.ranks_section(analysis, drawings),
        sections.curves_section(analysis, drawings),
        sections.tradeoff_section(analysis, drawings),
        sections.jobs_section(analysis),
        sections.reading_section(analysis),
        sections.repeat_section(analysis),
    ]
    main = tag("main", join(part for part in parts if part))
    footer = tag("footer", text("Made by sostruct-report from the files of this folder alone."))
    body = join((sections.headline(analysis), main, footer))
    return document(f"{sections.sweep_name(analysis.sweep)} · sostruct", body)


def _described(name: str) -> str:
    words = name.replace("_", " ")
    return {"curves": "Surprise and edges by epoch", "tradeoff": "Accuracy against its costs"}.get(name, words)
