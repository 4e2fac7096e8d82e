"""Accuracy against seconds: a panel per family, every method at its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.common import write_svg
from experiments.tables import GRAPH, OURS, SECONDS

AUROC, _, F1, _ = GRAPH
COLUMNS = 4
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d31", "#7f7f7f")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "h")


def draw(summary: pd.DataFrame, path: Path) -> None:
    """Writes the figure of `summary`, as `accuracy.csv` has it, to `path`.

    Every method has two marks over its median processor seconds: full, its mean AUROC, and open, its mean F1, joined
    by a line; all at its defaults.
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    table = summary.loc[summary["default"]].set_index(["family", "method", "metric"]).sort_index()
    families = list(dict.fromkeys(summary["family"]))
    peers = [name for name in dict.fromkeys(summary["method"]) if name != OURS]
    looks = {peer: {"color": COLORS[i % 8], "marker": MARKS[i % 8], "markersize": 5.5} for i, peer in enumerate(peers)}
    looks[OURS] = {"color": "black", "marker": "*", "markersize": 11.0}
    settings = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(settings):
        rows = -(-(len(families) + 1) // COLUMNS)  # one place more, for the legend
        figure, axes = plt.subplots(
            rows, COLUMNS, figsize=(10.8, 2.6 * rows), sharex=True, sharey=True, layout="constrained", squeeze=False
        )
        panels = list(axes.flat)
        for panel, family in zip(panels, families, strict=False):
            for method in looks:
                _mark(panel, table, family, method, looks[method])
            panel.set_title(family, fontsize=9)
            panel.set_xscale("log")
            panel.minorticks_off()
            panel.set_ylim(-0.04, 1.06)
            panel.grid(alpha=0.25)
            panel.tick_params(labelbottom=True, labelleft=True)
        for panel in panels[len(families) :]:
            panel.set_axis_off()
        _legend(panels[len(families)], looks)
        figure.supxlabel(f"{SECONDS.title} per fit (processor time, median; log scale)", fontsize=9)
        figure.supylabel("mean AUROC (full marks) and F1 (open marks)", fontsize=9)
        write_svg(path, figure)
        plt.close(figure)


def _mark(panel, table: pd.DataFrame, family: str, method: str, look: dict) -> None:  # type: ignore[no-untyped-def, type-arg]
    if (family, method, SECONDS.name) not in table.index:
        return
    at = float(np.maximum(table.loc[(family, method, SECONDS.name), "median"], 1e-4))
    auroc, f1 = (float(table.loc[(family, method, metric.name), "mean"]) for metric in (AUROC, F1))
    order = 4 if method == OURS else 3
    panel.plot([at, at], [auroc, f1], color=look["color"], linewidth=0.9, alpha=0.6, zorder=order - 1)
    panel.plot([at], [auroc], linestyle="none", zorder=order, **look)
    panel.plot([at], [f1], linestyle="none", zorder=order, markerfacecolor="white", **look)


def _legend(panel, looks: dict[str, dict]) -> None:  # type: ignore[no-untyped-def, type-arg]
    names: Sequence[str] = [OURS, *[name for name in looks if name != OURS]]
    handles = [panel.plot([], [], linestyle="none", label=name, **looks[name])[0] for name in names]
    panel.legend(handles=handles, loc="center left", frameon=False, fontsize=9)
