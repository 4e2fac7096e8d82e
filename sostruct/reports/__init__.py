"""Reports: what a run left behind, as tables, figures and one page. Reads run folders, never live objects.

`write_report(folder)` makes `report.html` and the figures of a run; `read_run(folder)` gives its tables; the `draw_*`
functions draw networkx graphs and DataFrames from anywhere. Names are imported on first use, so that reading tables
does not load matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sostruct.reports.figures import (
        draw_beliefs,
        draw_evidence,
        draw_found,
        draw_graph,
        draw_lags,
        draw_surprise,
        draw_truth,
    )
    from sostruct.reports.page import write_report
    from sostruct.reports.tables import RunTables, journal_table, read_run

__all__ = [
    "RunTables",
    "draw_beliefs",
    "draw_evidence",
    "draw_found",
    "draw_graph",
    "draw_lags",
    "draw_surprise",
    "draw_truth",
    "journal_table",
    "read_run",
    "write_report",
]

_HOMES = {
    "RunTables": "tables",
    "journal_table": "tables",
    "read_run": "tables",
    "write_report": "page",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'figures')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
