"""The `sostruct-report` command: the page, tables and figures of a sweep, a run, or an index of everything."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sostruct.errors import RunError, SostructError

if TYPE_CHECKING:
    from sostruct.reports.sweep import Analysis, SweepOptions

_DESCRIPTION = """\
Turn runs into tables, figures and one page. DIR is

  a sweep      e.g. results/growth_rules/sweep   writes report.html, tables/ (CSV, LaTeX) and figures/ (SVG, PDF)
  a run        e.g. results/discovery/RUN        writes its report.html and figures/ again; with --graphml also graphs/
  a folder of  e.g. results                      writes index.html, which lists and links them all
  these

A sweep need not have finished: the page says what is missing. Reports read files alone and can be made anywhere."""

_EPILOG = """\
examples
  sostruct-report results/growth_rules/sweep
  sostruct-report results/growth_rules/sweep --metric summary.auprc --metric summary.shd --baseline growth=random
  sostruct-report results
  sostruct-report results/structure/RUN --graphml

Every condition is compared with the baseline over the replicates they share (paired t-test, exact Wilcoxon test, both
Holm-corrected); metrics are named as in metrics.json, nested names joined by dots. Exit code 2: nothing to report, with
the reason on standard error."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    given = _parser().parse_args(arguments)
    refusing("sostruct-report", lambda: _report(given))


def refusing(program: str, work: Callable[[], None]) -> None:
    """Do the work of a command; what the user can mend becomes one line on standard error and exit code 2."""
    try:
        work()
    except SostructError as error:
        message = str(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        message = f"Cannot read or write{where}. This is because of: {error.strerror or error}. Try another folder."
    else:
        return
    sys.stderr.write(f"{program}: {' '.join(message.split())}\n")
    sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "sostruct-report",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="a sweep, a run, or a folder of these")
    parser.add_argument(
        "--graphml",
        action="store_true",
        help="of a run: also write graphs/start.graphml and graphs/epoch-0012.graphml for every epoch whose edits "
        "changed the graph; the run need not have finished",
    )
    group = parser.add_argument_group("sweeps")
    group.add_argument(
        "--metric",
        metavar="NAME",
        action="append",
        help="what to compare, repeatable, the most important first "
        "(default: summary.auroc, summary.f1, edges, surprise_per_step)",
    )
    group.add_argument(
        "--baseline",
        metavar="LEVEL",
        help="what to compare with, e.g. none or growth=none (default: the level none, else the first)",
    )
    group.add_argument(
        "--replicate", metavar="KEY", default="seed", help="the setting that numbers replicates (default: seed)"
    )
    group.add_argument(
        "--confidence",
        metavar="P",
        type=float,
        default=0.95,
        help="of intervals; tests are judged at 1 - P (default: 0.95)",
    )
    return parser


def _report(given: argparse.Namespace) -> None:
    from sostruct.reports.sweep import SweepOptions
    from sostruct.reports.sweep.index import is_collection, write_index
    from sostruct.reports.sweep.jobs import is_run, is_sweep

    metrics = None if given.metric is None else tuple(given.metric)
    options = SweepOptions(metrics, given.baseline, given.replicate, given.confidence)
    for folder in given.folders:
        if given.graphml:
            _say(write_graphs(folder))
        if is_sweep(folder):
            report_sweep(folder, options)
        elif is_run(folder):
            from sostruct.reports import write_report

            _say(write_report(folder))
        elif is_collection(folder):
            _say(write_index(folder))
        else:
            what = "there is no run and no sweep in it" if folder.is_dir() else "it is not a folder"
            raise RunError(
                f"Cannot report on {str(folder)!r}. This is because {what}. Try results/, or the folder of a sweep or "
                "run."
            )


def write_graphs(folder: Path) -> Path:
    """Write the graphs of a run as GraphML into its folder `graphs`: at the start, and after every epoch that changed.

    Returns:
        The folder of the graphs.

    Raises:
        RunError: the folder is not that of a run, its journal is damaged, or the files cannot be written.
        GraphError: GraphML cannot hold the name of a node.
    """
    from sostruct.graph import Journal

    journal = folder / "journal.jsonl"
    if not journal.is_file():
        raise RunError(
            f"Cannot write the graphs of {str(folder)!r}. This is because there is no journal.jsonl in it. "
            "Try the folder of a single run."
        )
    Journal.read(journal).write_graphml(folder / "graphs")
    return folder / "graphs"


def report_sweep(folder: Path, options: SweepOptions) -> Path:
    """Write the report of a sweep, print its main table and where the page is.

    Raises:
        RunError: see `reports.sweep.write_sweep_report`.
    """
    from sostruct.reports.sweep import analyze, read_sweep
    from sostruct.reports.sweep.page import write_analysis

    analysis = analyze(read_sweep(folder, options.replicate), options)
    page = write_analysis(analysis)
    show_analysis(analysis)
    _say(page)
    return page


def show_analysis(analysis: Analysis) -> None:
    """The main table: means with the half-width of their intervals, the best in bold where the page has it in bold."""
    from sostruct.reports.sweep import findings, sections, wording
    from sostruct.reports.sweep.options import higher_is_better, metric_label
    from sostruct.reports.sweep.tables import counts

    console = Console(emoji=False)
    comparison = findings.comparison(analysis)
    console.print(f"{sections.sweep_name(analysis.sweep)}: {comparison}", markup=False, highlight=False, soft_wrap=True)
    missing = findings.unfinished(analysis.sweep)
    if missing:
        console.print(f"half-finished: {missing}", style="bold yellow", markup=False, highlight=False, soft_wrap=True)
    if analysis.metrics:
        arrow = {True: " ↑", False: " ↓", None: ""}
        table = Table(box=None, pad_edge=False)
        table.add_column("condition", no_wrap=True)
        table.add_column("n", justify="right")
        for metric in analysis.metrics:
            table.add_column(metric_label(metric) + arrow[higher_is_better(metric)], justify="right")
        for condition in analysis.sweep.conditions:
            found = {metric: analysis.row(metric, condition) for metric in analysis.metrics}
            cells = []
            for metric, row in found.items():
                own = analysis.means[analysis.means["metric"] == metric]
                shown = wording.half_width(row["mean"], row["low"], row["high"], wording.column_places(own))
                cells.append(Text(shown, style="bold" if row["best"] else ""))
            table.add_row(Text(analysis.labels[condition]), counts(found), *cells)
        console.print(table)
        words = f"mean ± half of the {100 * analysis.options.confidence:g} % interval; bold: best, and differs from all"
        console.print(words, style="dim", highlight=False, soft_wrap=True)
        finding = findings.finding(analysis)
        if finding:
            console.print(finding, markup=False, highlight=False, soft_wrap=True)
    for job in analysis.sweep.jobs:
        if job.error:
            console.print(
                f"failed: {job.name}: {job.error}", style="red", markup=False, highlight=False, soft_wrap=True
            )


def _say(path: Path) -> None:
    Console(emoji=False).print(str(path), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
