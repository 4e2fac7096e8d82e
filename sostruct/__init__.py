"""sostruct: networks whose graph is edited by surprise, in nats.

Names are imported on first use, so that `import sostruct` and `sostruct --help` cost nothing and configuration errors
come before JAX does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sostruct.control.controller import Controller
    from sostruct.control.run import Run, run
    from sostruct.discovery.estimator import CausalDiscovery, discover
    from sostruct.discovery.result import Discovery
    from sostruct.discovery.store import load
    from sostruct.errors import ConfigError, DataError, GraphError, RunError, SostructError
    from sostruct.graph import Journal, Topology, read_graph, write_graph
    from sostruct.networks.lagged.network import LaggedNetwork

__version__ = "0.1.0"

_WHERE = {
    "CausalDiscovery": "sostruct.discovery.estimator",
    "ConfigError": "sostruct.errors",
    "Controller": "sostruct.control.controller",
    "DataError": "sostruct.errors",
    "Discovery": "sostruct.discovery.result",
    "GraphError": "sostruct.errors",
    "Journal": "sostruct.graph",
    "LaggedNetwork": "sostruct.networks.lagged.network",
    "Run": "sostruct.control.run",
    "RunError": "sostruct.errors",
    "SostructError": "sostruct.errors",
    "Topology": "sostruct.graph",
    "discover": "sostruct.discovery.estimator",
    "load": "sostruct.discovery.store",
    "read_graph": "sostruct.graph",
    "run": "sostruct.control.run",
    "write_graph": "sostruct.graph",
}

__all__ = [
    "CausalDiscovery",
    "ConfigError",
    "Controller",
    "DataError",
    "Discovery",
    "GraphError",
    "Journal",
    "LaggedNetwork",
    "Run",
    "RunError",
    "SostructError",
    "Topology",
    "__version__",
    "discover",
    "load",
    "read_graph",
    "run",
    "write_graph",
]


def __getattr__(name: str) -> Any:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'sostruct' has no attribute {name!r}") from None
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
