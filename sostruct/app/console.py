"""What the terminal shows: a progress bar on standard error while a run works, a short table and the report's path on
standard output when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sostruct.clusters.result import Mixture
    from sostruct.control.run import EpochReport
    from sostruct.discovery.result import Discovery
    from sostruct.prediction.result import Predictor
    from sostruct.structure.result import Structure
    from sostruct.tasks import Task

_ROWS = 10
_NODES = 20
_INPUTS = 4


@contextmanager
def epoch_progress(epochs: int, *, shown: bool) -> Iterator[Callable[[EpochReport], None]]:
    """A progress bar over epochs, on a terminal; the run stops earlier when it settles."""
    terminal = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=terminal,
        disable=not shown or not terminal.is_terminal,
        transient=True,
    )
    with bar:
        line = bar.add_task("epoch", total=epochs)

        def advance(report: EpochReport) -> None:
            words = f"surprise {report.surprise:,.1f} nats · {report.edges} edges · {report.edits} edits"
            bar.update(line, completed=report.epoch + 1, description=words)

        yield advance


def show_result(found: Discovery, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
    """The strongest edges, the agreement with the truth where known, and where everything is."""
    console = Console(emoji=False)
    edges = found.edges
    others = edges[edges["cause"] != edges["effect"]]
    console.print(f"{task.name}: {found!r}", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("cause", "effect"):
        table.add_column(name)
    for name in ("lag", "weight", "sd", "nats", "probability"):
        table.add_column(name, justify="right")
    curved = bool((edges["function"] != "line").any())
    if curved:
        table.add_column("as")
    for row in others.head(_ROWS).itertuples(index=False):
        table.add_row(
            Text(str(row.cause)),
            Text(str(row.effect)),
            str(row.lag),
            f"{row.weight:.3g}",
            f"{row.weight_sd:.2g}",
            f"{row.nats:.1f}",
            f"{row.probability:.3f}",
            *([str(row.function)] if curved else []),
        )
    console.print(table)
    if len(others) > _ROWS:
        console.print(
            f"... and {len(others) - _ROWS} more between different series (edges.csv)", style="dim", soft_wrap=True
        )
    agreement = numbers.get("summary")
    if isinstance(agreement, dict):
        scope = f" {task.truth_scope}" if task.truth_scope else ""
        console.print(
            f"against the known graph{scope}: F1 {agreement['f1']:.3f}, AUROC {_number(agreement['auroc'])}, "
            f"structural Hamming distance {agreement['shd']} of {agreement['edges']} edges",
            soft_wrap=True,
        )
    _ended(console, settled=found.settled, page=page)


def show_structure(found: Structure, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
    """The hidden nodes with what each drives, how well the network predicts, and where everything is."""
    console = Console(emoji=False)
    console.print(f"{task.name}: {found!r}", highlight=False, markup=False, soft_wrap=True)
    topology = found.network.topology
    hidden = [name for name in topology.names if name not in found.inputs]
    table = Table("hidden node", "drives", box=None, pad_edge=False)
    for name in hidden[:_NODES]:
        driven = [f"{edge.target} ({edge.coupling}, {edge.strength:.3g})" for edge in topology.children(name)]
        table.add_row(Text(name), Text(", ".join(driven) or "nothing"))
    console.print(table)
    if len(hidden) > _NODES:
        console.print(f"... and {len(hidden) - _NODES} more (nodes.csv, edges.csv)", style="dim", soft_wrap=True)
    _surprise(console, numbers)
    if "edge_f1" in numbers:
        console.print(
            f"against the known graph: F1 {numbers['edge_f1']:.3f}, precision {numbers['edge_precision']:.3f}, recall "
            f"{numbers['edge_recall']:.3f}",
            soft_wrap=True,
        )
    _ended(console, settled=found.settled, page=page)


def show_mixture(found: Mixture, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
    """The components, the heaviest first, how well the mixture predicts, and where everything is."""
    console = Console(emoji=False)
    console.print(f"{task.name}: {found!r}", highlight=False, markup=False, soft_wrap=True)
    inputs = found.inputs[:_INPUTS]
    table = Table(box=None, pad_edge=False)
    table.add_column("component")
    for name in ("rows", *inputs):
        table.add_column(Text(name), justify="right")
    ranked = found.components.sort_values("weight", ascending=False, kind="stable")
    for row in ranked.head(_NODES).to_dict("records"):
        cells = [f"{row[f'{name} mean']:.3g} ± {row[f'{name} sd']:.2g}" for name in inputs]
        table.add_row(Text(row["component"]), f"{row['weight']:.1f}", *cells)
    console.print(table)
    if len(ranked) > _NODES or len(found.inputs) > _INPUTS:
        console.print("... and more (components.csv)", style="dim", soft_wrap=True)
    _surprise(console, numbers)
    if "clusters" in numbers:
        later = numbers.get("heldout_adjusted_rand_index")
        console.print(
            f"against the known clusters: components {numbers['components']}, clusters {numbers['clusters']}, "
            f"adjusted Rand index {numbers['adjusted_rand_index']:.3f}"
            + ("" if later is None else f", of the rows held out {later:.3f}"),
            soft_wrap=True,
        )
    _ended(console, settled=found.settled, page=page)


def show_prediction(found: Predictor, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
    """The populations, how well rows are predicted, and where everything is."""
    console = Console(emoji=False)
    console.print(f"{task.name}: {found!r}", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("population", "kind"):
        table.add_column(name)
    for name in ("width", "parameters"):
        table.add_column(name, justify="right")
    for row in found.populations.head(_NODES).itertuples(index=False):
        table.add_row(Text(str(row.node)), str(row.kind), str(row.width), str(row.parameters))
    console.print(table)
    if len(found.populations) > _NODES:
        console.print(f"... and {len(found.populations) - _NODES} more (nodes.csv)", style="dim", soft_wrap=True)
    what = ("accuracy", "accuracy") if found.classes else ("explained", "variance explained")
    for name, rows in (("train", "these rows"), ("test", "the rows held out")):
        if f"{name}_{what[0]}" in numbers:
            console.print(
                f"{what[1]} on {rows}: {numbers[f'{name}_{what[0]}']:.4f}, surprise "
                f"{numbers[f'{name}_surprise_per_row']:.4f} nats per row",
                soft_wrap=True,
            )
    _ended(console, settled=found.settled, page=page)


def _surprise(console: Console, numbers: Mapping[str, Any]) -> None:
    """Surprise on rows seen and held out, beside that of the network at the start."""
    for name, what in (("surprise_per_step", "these rows"), ("heldout_surprise_per_step", "the rows held out")):
        if name in numbers:
            console.print(
                f"surprise on {what}: {_number(numbers[name])} nats per step, {_number(numbers[f'{name}_before'])} "
                "at the start",
                soft_wrap=True,
            )


def _ended(console: Console, *, settled: bool, page: Path) -> None:
    """Whether more epochs would have been wanted, and the path, alone on the last line."""
    if not settled:
        console.print(
            "the search was stopped before it settled: raise controller.epochs", style="bold yellow", soft_wrap=True
        )
    console.print(str(page), soft_wrap=True, markup=False, highlight=False)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
