"""Data in: simulated systems with known structure, bundled real series, and readers of a user's own files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sostruct.tasks.base import AbstractTask, Task
from sostruct.tasks.belief import sample_beliefs
from sostruct.tasks.bursts import BurstingVAR
from sostruct.tasks.checks import check_frame, check_max_lag, rows_needed
from sostruct.tasks.confounded import ConfoundedVAR
from sostruct.tasks.coupled_maps import CoupledMaps
from sostruct.tasks.hidden import HiddenStructure
from sostruct.tasks.labeled import XOR, Digits, TwoSpirals
from sostruct.tasks.lorenz96 import Lorenz96
from sostruct.tasks.lotka_volterra import LotkaVolterra
from sostruct.tasks.macro import USMacro
from sostruct.tasks.missing import GappedVAR
from sostruct.tasks.mixture import DriftingMixture
from sostruct.tasks.nonlinear import Nonlinear
from sostruct.tasks.reader import Table
from sostruct.tasks.regimes import Regime, RegimeSwitch
from sostruct.tasks.series import ExchangeRate, Nile, OilPrice, Sunspots
from sostruct.tasks.structural import StructuralVAR
from sostruct.tasks.switch import SwitchingVAR
from sostruct.tasks.truth import Link, check_truth, read_truth, truth_graph
from sostruct.tasks.var import SparseVAR

all_tasks: Mapping[str, type[AbstractTask]] = MappingProxyType(
    {
        "var": SparseVAR,
        "structural_var": StructuralVAR,
        "switch": SwitchingVAR,
        "gaps": GappedVAR,
        "confounded": ConfoundedVAR,
        "bursts": BurstingVAR,
        "lorenz96": Lorenz96,
        "lotka_volterra": LotkaVolterra,
        "coupled_maps": CoupledMaps,
        "nonlinear": Nonlinear,
        "us_macro": USMacro,
        "structure": HiddenStructure,
        "regimes": RegimeSwitch,
        "mixture": DriftingMixture,
        "nile": Nile,
        "sunspots": Sunspots,
        "oil_price": OilPrice,
        "exchange_rate": ExchangeRate,
        "digits": Digits,
        "xor": XOR,
        "two_spirals": TwoSpirals,
    }
)
"""Every task that loads with nothing but a seed, by name; the contract tests run over all of them."""

__all__ = [
    "XOR",
    "AbstractTask",
    "BurstingVAR",
    "ConfoundedVAR",
    "CoupledMaps",
    "Digits",
    "DriftingMixture",
    "ExchangeRate",
    "GappedVAR",
    "HiddenStructure",
    "Link",
    "Lorenz96",
    "LotkaVolterra",
    "Nile",
    "Nonlinear",
    "OilPrice",
    "Regime",
    "RegimeSwitch",
    "SparseVAR",
    "StructuralVAR",
    "Sunspots",
    "SwitchingVAR",
    "Table",
    "Task",
    "TwoSpirals",
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
