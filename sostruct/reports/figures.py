"""Every figure of a run: pure functions from graphs and tables to drawings.

The drawing functions live in one file each; here they are gathered, and put together into the one figure that
`found.plot()` shows and the files that a run folder holds.
"""

import networkx as nx
import pandas as pd
from matplotlib.figure import Figure

from sostruct.reports import facts
from sostruct.reports.belief_figure import draw_beliefs
from sostruct.reports.canvas import new_figure, settings
from sostruct.reports.evidence_figure import draw_evidence
from sostruct.reports.graph_figure import PANEL, draw_graph, draw_truth
from sostruct.reports.lag_figure import draw_lags
from sostruct.reports.palette import LIGHT
from sostruct.reports.points_figure import draw_points
from sostruct.reports.surprise_figure import draw_surprise
from sostruct.reports.tables import RunTables

__all__ = [
    "draw_beliefs",
    "draw_evidence",
    "draw_found",
    "draw_graph",
    "draw_lags",
    "draw_points",
    "draw_surprise",
    "draw_truth",
    "run_figures",
]


def draw_found(graph: nx.Graph, summary: pd.DataFrame, truth: nx.Graph | None = None) -> Figure:
    """Draw what a discovery found: the graph, the truth when it is known, and the evidence for every pair.

    Args:
        graph: the found graph; edges may carry lag, nats, weight and weight_sd.
        summary: cause x effect, nats over all lags together.
        truth: the known graph, if there is one.

    Returns:
        A figure of two panels, three with a truth; `figure.savefig("found.pdf")` writes it.
    """
    panels = 2 if truth is None else 3
    height = PANEL + 0.75
    with settings():
        figure = new_figure(PANEL * panels, height)
        for position in range(panels - 1):
            ax = figure.add_axes((position / panels, 0.4 / height, 1 / panels, PANEL / height))
            if position == 0:
                draw_graph(graph, truth, ax)
            elif truth is not None:
                draw_truth(truth, graph, ax)
            _title(figure, ("Found", "Truth")[position], position / panels + 0.008)
        left = (panels - 1) / panels
        draw_evidence(summary, truth, figure.add_axes((left + 0.17 / panels, 0.14, 0.79 / panels, 0.73)))
        _title(figure, "Evidence", left + 0.02)
    return figure


def _title(figure: Figure, title: str, place: float) -> None:
    figure.text(place, 0.985, title, ha="left", va="top", color=LIGHT["ink"], fontsize=11, fontweight="bold")


def run_figures(tables: RunTables) -> dict[str, Figure]:
    """The figures of a run by name, each complete in itself: graph, surprise; lags and evidence of a discovery, points
    of a mixture."""
    with settings():
        if tables.belief:
            figures = {"graph": draw_beliefs(tables.graph, inputs=facts.inputs(tables))}
            if tables.truth is not None:
                figures["truth"] = draw_beliefs(tables.truth)
            if tables.components is not None and tables.points is not None:
                figures["points"] = draw_points(tables.points, tables.components)
            return figures | {"surprise": draw_surprise(facts.observed_signals(tables), tables.journal)}
        return {
            "graph": draw_graph(tables.graph, tables.truth),
            "lags": draw_lags(tables.graph),
            "evidence": draw_evidence(tables.summary, tables.truth),
            "surprise": draw_surprise(tables.signals, tables.journal),
        }
