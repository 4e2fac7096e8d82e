"""Data in: simulated systems with known structure, bundled real series, and readers of a user's own files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sostruct.tasks.base import AbstractTask, Task
from sostruct.tasks.belief import sample_beliefs
from sostruct.tasks.checks import check_frame, check_max_lag, rows_needed
from sostruct.tasks.hidden import HiddenStructure
from sostruct.tasks.lorenz96 import Lorenz96
from sostruct.tasks.macro import USMacro
from sostruct.tasks.mixture import DriftingMixture
from sostruct.tasks.nonlinear import Nonlinear
from sostruct.tasks.reader import Table
from sostruct.tasks.regimes import Regime, RegimeSwitch
from sostruct.tasks.series import Nile, OilPrice, Sunspots
from sostruct.tasks.structural import StructuralVAR
from sostruct.tasks.truth import Link, check_truth, read_truth, truth_graph
from sostruct.tasks.var import SparseVAR

all_tasks: Mapping[str, type[AbstractTask]] = MappingProxyType(
    {
        "var": SparseVAR,
        "structural_var": StructuralVAR,
        "lorenz96": Lorenz96,
        "nonlinear": Nonlinear,
        "us_macro": USMacro,
        "structure": HiddenStructure,
        "regimes": RegimeSwitch,
        "mixture": DriftingMixture,
        "nile": Nile,
        "sunspots": Sunspots,
        "oil_price": OilPrice,
    }
)
"""Every task that loads with nothing but a seed, by name; the contract tests run over all of them."""

__all__ = [
    "AbstractTask",
    "DriftingMixture",
    "HiddenStructure",
    "Link",
    "Lorenz96",
    "Nile",
    "Nonlinear",
    "OilPrice",
    "Regime",
    "RegimeSwitch",
    "SparseVAR",
    "StructuralVAR",
    "Sunspots",
    "Table",
    "Task",
    "USMacro",
    "all_tasks",
    "check_frame",
    "check_max_lag",
    "check_truth",
    "read_truth",
    "rows_needed",
    "sample_beliefs",
    "truth_graph",
]
