"""Reports of sweeps: many runs as tables, tests, figures and one page. Reads run folders, never live objects.

`write_sweep_report(folder)` makes `report.html`, `tables/` and `figures/` of a sweep, finished or not; `read_sweep`
gives the runs as one table, `analyze` the statistics; `write_index` lists everything under a folder such as `results/`.
Names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sostruct.reports.sweep.analysis import Analysis, analyze
    from sostruct.reports.sweep.collect import Sweep, read_sweep
    from sostruct.reports.sweep.index import write_index
    from sostruct.reports.sweep.options import SweepOptions
    from sostruct.reports.sweep.page import write_sweep_report

__all__ = ["Analysis", "Sweep", "SweepOptions", "analyze", "read_sweep", "write_index", "write_sweep_report"]

_HOMES = {
    "Analysis": "analysis",
    "Sweep": "collect",
    "SweepOptions": "options",
    "analyze": "analysis",
    "read_sweep": "collect",
    "write_index": "index",
    "write_sweep_report": "page",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
