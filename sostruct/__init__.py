"""sostruct: networks whose graph is edited by surprise, in nats.

Names are imported on first use, so that `import sostruct` and `sostruct --help` cost nothing and configuration errors
come before JAX does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sostruct.app.loading import load
    from sostruct.clusters.estimator import MixtureLearning, learn_mixture
    from sostruct.clusters.result import Mixture
    from sostruct.control.controller import Controller
    from sostruct.control.run import Run, run, stream
    from sostruct.discovery.converters.causal_learn import from_causal_learn
    from sostruct.discovery.converters.lingam import from_lingam
    from sostruct.discovery.converters.tigramite import from_tigramite
    from sostruct.discovery.differences import compare
    from sostruct.discovery.estimator import CausalDiscovery, discover
    from sostruct.discovery.result import Discovery
    from sostruct.discovery.stability import Stability, stability
    from sostruct.discovery.streaming import StreamingDiscovery
    from sostruct.errors import (
        BeliefError,
        ConfigError,
        DataError,
        DataWarning,
        FitWarning,
        GraphError,
        RunError,
        SostructError,
    )
    from sostruct.graph import Journal, Topology, read_graph, write_graph
    from sostruct.loops import native_loops
    from sostruct.networks.hgf.builders import bare_hgf, binary_hgf, continuous_hgf
    from sostruct.networks.hgf.couplings import register_function
    from sostruct.networks.hgf.generative.checks import predictive_check
    from sostruct.networks.hgf.generative.environments import AbstractEnvironment, Bandit, Outcome, ReversalLearning
    from sostruct.networks.hgf.generative.recovery import Candidate, Recovery, recover
    from sostruct.networks.hgf.generative.simulation import simulate
    from sostruct.networks.hgf.inference import priors, responses
    from sostruct.networks.hgf.inference.arms import ArmSoftmax
    from sostruct.networks.hgf.inference.draws import Draws
    from sostruct.networks.hgf.inference.result import Fit
    from sostruct.networks.hgf.inference.selection import compare_models
    from sostruct.networks.hgf.network import HGF
    from sostruct.networks.hgf.population import filter_population
    from sostruct.networks.hgf.variables.builders import categorical_hgf, exponential_family_hgf
    from sostruct.networks.lagged.network import LaggedNetwork
    from sostruct.networks.layered.learning import Learning
    from sostruct.networks.layered.network import LayeredNetwork
    from sostruct.networks.mixture.network import MixtureNetwork
    from sostruct.prediction.estimator import LayeredClassifier, LayeredRegressor
    from sostruct.prediction.result import Predictor
    from sostruct.structure.estimator import StructureLearning, learn_structure
    from sostruct.structure.result import Structure

__version__ = "0.1.0"

_WHERE = {
    "AbstractEnvironment": "sostruct.networks.hgf.generative.environments",
    "ArmSoftmax": "sostruct.networks.hgf.inference.arms",
    "Bandit": "sostruct.networks.hgf.generative.environments",
    "BeliefError": "sostruct.errors",
    "Candidate": "sostruct.networks.hgf.generative.recovery",
    "CausalDiscovery": "sostruct.discovery.estimator",
    "ConfigError": "sostruct.errors",
    "Controller": "sostruct.control.controller",
    "DataError": "sostruct.errors",
    "DataWarning": "sostruct.errors",
    "Discovery": "sostruct.discovery.result",
    "Draws": "sostruct.networks.hgf.inference.draws",
    "Fit": "sostruct.networks.hgf.inference.result",
    "FitWarning": "sostruct.errors",
    "GraphError": "sostruct.errors",
    "HGF": "sostruct.networks.hgf.network",
    "Journal": "sostruct.graph",
    "LaggedNetwork": "sostruct.networks.lagged.network",
    "LayeredClassifier": "sostruct.prediction.estimator",
    "LayeredNetwork": "sostruct.networks.layered.network",
    "LayeredRegressor": "sostruct.prediction.estimator",
    "Learning": "sostruct.networks.layered.learning",
    "Mixture": "sostruct.clusters.result",
    "MixtureLearning": "sostruct.clusters.estimator",
    "MixtureNetwork": "sostruct.networks.mixture.network",
    "Outcome": "sostruct.networks.hgf.generative.environments",
    "Predictor": "sostruct.prediction.result",
    "Recovery": "sostruct.networks.hgf.generative.recovery",
    "ReversalLearning": "sostruct.networks.hgf.generative.environments",
    "Run": "sostruct.control.run",
    "RunError": "sostruct.errors",
    "SostructError": "sostruct.errors",
    "Stability": "sostruct.discovery.stability",
    "StreamingDiscovery": "sostruct.discovery.streaming",
    "Structure": "sostruct.structure.result",
    "StructureLearning": "sostruct.structure.estimator",
    "Topology": "sostruct.graph",
    "bare_hgf": "sostruct.networks.hgf.builders",
    "binary_hgf": "sostruct.networks.hgf.builders",
    "categorical_hgf": "sostruct.networks.hgf.variables.builders",
    "compare": "sostruct.discovery.differences",
    "compare_models": "sostruct.networks.hgf.inference.selection",
    "continuous_hgf": "sostruct.networks.hgf.builders",
    "discover": "sostruct.discovery.estimator",
    "exponential_family_hgf": "sostruct.networks.hgf.variables.builders",
    "filter_population": "sostruct.networks.hgf.population",
    "from_causal_learn": "sostruct.discovery.converters.causal_learn",
    "from_lingam": "sostruct.discovery.converters.lingam",
    "from_tigramite": "sostruct.discovery.converters.tigramite",
    "learn_mixture": "sostruct.clusters.estimator",
    "learn_structure": "sostruct.structure.estimator",
    "load": "sostruct.app.loading",
    "native_loops": "sostruct.loops",
    "predictive_check": "sostruct.networks.hgf.generative.checks",
    "priors": "sostruct.networks.hgf.inference",
    "read_graph": "sostruct.graph",
    "recover": "sostruct.networks.hgf.generative.recovery",
    "register_function": "sostruct.networks.hgf.couplings",
    "responses": "sostruct.networks.hgf.inference",
    "run": "sostruct.control.run",
    "simulate": "sostruct.networks.hgf.generative.simulation",
    "stability": "sostruct.discovery.stability",
    "stream": "sostruct.control.run",
    "write_graph": "sostruct.graph",
}

_MODULES = frozenset({"priors", "responses"})
"""Names that are modules."""

__all__ = [
    "HGF",
    "AbstractEnvironment",
    "ArmSoftmax",
    "Bandit",
    "BeliefError",
    "Candidate",
    "CausalDiscovery",
    "ConfigError",
    "Controller",
    "DataError",
    "DataWarning",
    "Discovery",
    "Draws",
    "Fit",
    "FitWarning",
    "GraphError",
    "Journal",
    "LaggedNetwork",
    "LayeredClassifier",
    "LayeredNetwork",
    "LayeredRegressor",
    "Learning",
    "Mixture",
    "MixtureLearning",
    "MixtureNetwork",
    "Outcome",
    "Predictor",
    "Recovery",
    "ReversalLearning",
    "Run",
    "RunError",
    "SostructError",
    "Stability",
    "StreamingDiscovery",
    "Structure",
    "StructureLearning",
    "Topology",
    "__version__",
    "bare_hgf",
    "binary_hgf",
    "categorical_hgf",
    "compare",
    "compare_models",
    "continuous_hgf",
    "discover",
    "exponential_family_hgf",
    "filter_population",
    "from_causal_learn",
    "from_lingam",
    "from_tigramite",
    "learn_mixture",
    "learn_structure",
    "load",
    "native_loops",
    "predictive_check",
    "priors",
    "read_graph",
    "recover",
    "register_function",
    "responses",
    "run",
    "simulate",
    "stability",
    "stream",
    "write_graph",
]


def __getattr__(name: str) -> Any:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'sostruct' has no attribute {name!r}") from None
    if name in _MODULES:
        return import_module(f"{module}.{name}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
