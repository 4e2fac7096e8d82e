"""What a run is about: causes among series, the hidden structure behind them, the clusters that rows fall into, or a
column that is predicted from the others; settings say which by their network.

Sessions, populations and resumption are the same for all. Here is what differs: which estimator learns, against what
it is scored, what it leaves in its folder, and what the terminal shows. Everything heavy is imported on use, after
settings have been found sound.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from omegaconf import DictConfig, ListConfig, OmegaConf

from sostruct.app.configuration import BELIEF, LAYERED, MIXTURE
from sostruct.errors import ConfigError, DataError

if TYPE_CHECKING:
    import networkx as nx

    from sostruct.control.estimator import AbstractEstimator
    from sostruct.growth.base import AbstractGrowthRule
    from sostruct.tasks import Task


class AbstractWorkflow(abc.ABC):
    """One kind of run."""

    @abc.abstractmethod
    def estimator(
        self, config: DictConfig, task: Task, rule: AbstractGrowthRule, max_lag: int
    ) -> AbstractEstimator[Any]:
        """What learns, with the settings of the run; it and the task fit together.

        Raises:
            SostructError: they do not.
        """

    @abc.abstractmethod
    def metrics(self, found: Any, task: Task) -> dict[str, Any]:
        """The run in numbers."""

    @abc.abstractmethod
    def write(self, folder: Path, found: Any, numbers: Mapping[str, Any], task: Task) -> None:
        """Every file of the result."""

    @abc.abstractmethod
    def show(self, found: Any, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
        """The end of the run on the terminal."""


@final
class CausesWorkflow(AbstractWorkflow):
    """network=lagged: which series drives which, at which lag."""

    def estimator(
        self, config: DictConfig, task: Task, rule: AbstractGrowthRule, max_lag: int
    ) -> AbstractEstimator[Any]:
        """`CausalDiscovery`; a truth that it could find must be one of these series and lags."""
        from sostruct.discovery.estimator import CausalDiscovery
        from sostruct.tasks import check_truth

        settings = config.network
        learner = CausalDiscovery(
            max_lag,
            forbidden=_edges(settings.forbidden),
            required=_edges(settings.required),
            exogenous=[str(name) for name in settings.exogenous],
            prior_odds=_edges(settings.prior_odds),
            expected_parents=settings.expected_parents,
            ridge=settings.ridge,
            functions=settings.functions,
            contemporaneous=settings.contemporaneous,
            noise=settings.noise,
            probabilities=settings.probabilities,
            season=OmegaConf.to_container(settings.season) if OmegaConf.is_list(settings.season) else settings.season,
            harmonics=settings.harmonics,
            irregular=settings.irregular,
            discrete=settings.discrete,
            growth=rule,
            **_loop(config),
        )
        learner.check(task.frame)
        truth = self._truth(task)
        if truth is not None:
            check_truth(truth, task.frame.columns, max_lag if task.truth_lags else 1)
        return learner

    def metrics(self, found: Any, task: Task) -> dict[str, Any]:
        """Counts, surprise, and the agreement with known links."""
        from sostruct.discovery.store import metrics

        return metrics(found, self._truth(task), lags_known=task.truth_lags)

    def write(self, folder: Path, found: Any, numbers: Mapping[str, Any], task: Task) -> None:
        """Edges, scores, graphs, regressions and metrics."""
        from sostruct.discovery.store import write_results

        write_results(folder, found, numbers, self._truth(task))

    def show(self, found: Any, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
        """The strongest edges."""
        from sostruct.app.console import show_result

        show_result(found, task, numbers, page)

    @staticmethod
    def _truth(task: Task) -> nx.MultiDiGraph | None:
        return None if task.truth is None or _hides(task.truth) else task.truth


@final
class StructureWorkflow(AbstractWorkflow):
    """network=belief: the belief network behind the series."""

    def estimator(
        self, config: DictConfig, task: Task, rule: AbstractGrowthRule, max_lag: int
    ) -> AbstractEstimator[Any]:
        """`StructureLearning`, from the graph that the settings name, else from that of the task, else from bare
        inputs; lags play no part."""
        from sostruct.graph import read_graph
        from sostruct.structure.estimator import StructureLearning

        settings = {name: value for name, value in config.network.items() if name not in ("_target_", "start")}
        start = task.start if config.network.start is None else read_graph(config.network.start)
        learner = StructureLearning(start, growth=rule, **settings, **_loop(config))
        learner.check(task.frame)
        if task.heldout is not None:
            learner.starting(task.frame)[1].prepare(task.heldout)
        return learner

    def metrics(self, found: Any, task: Task) -> dict[str, Any]:
        """Counts, surprise on rows seen and held out, and the agreement with a known graph."""
        from sostruct.structure.store import metrics

        return metrics(found, task.frame, heldout=task.heldout, truth=self._truth(task))

    def write(self, folder: Path, found: Any, numbers: Mapping[str, Any], task: Task) -> None:
        """Nodes, edges, graphs, the network and metrics."""
        from sostruct.structure.store import write_results

        write_results(folder, found, numbers, self._truth(task))

    def show(self, found: Any, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
        """The hidden nodes and what they drive."""
        from sostruct.app.console import show_structure

        show_structure(found, task, numbers, page)

    @staticmethod
    def _truth(task: Task) -> nx.MultiDiGraph | None:
        return task.truth if task.truth is not None and _hides(task.truth) else None


@final
class MixtureWorkflow(AbstractWorkflow):
    """network=mixture: the clusters that the rows fall into."""

    def estimator(
        self, config: DictConfig, task: Task, rule: AbstractGrowthRule, max_lag: int
    ) -> AbstractEstimator[Any]:
        """`MixtureLearning`, from the graph that the settings name, else from one component; lags play no part."""
        from sostruct.clusters.estimator import MixtureLearning
        from sostruct.graph import read_graph

        settings = OmegaConf.to_container(config.network)
        assert isinstance(settings, dict)
        own = {str(name): value for name, value in settings.items() if name not in ("_target_", "start")}
        start = None if config.network.start is None else read_graph(config.network.start)
        learner = MixtureLearning(start, growth=rule, **own, **_loop(config))
        learner.check(task.frame)
        if task.heldout is not None:
            learner.starting(task.frame)[1].prepare(task.heldout)
        rows = len(task.frame) + (0 if task.heldout is None else len(task.heldout))
        if task.labels is not None and len(task.labels) != rows:
            raise DataError(
                f"Cannot use the labels of the task {task.name}. This is because there are {len(task.labels)}, and "
                f"{rows} rows with those held out. Try a label for each, or none."
            )
        return learner

    def metrics(self, found: Any, task: Task) -> dict[str, Any]:
        """Counts, surprise on rows seen and held out, and the agreement with known clusters."""
        from sostruct.clusters.store import metrics

        return metrics(found, task.frame, heldout=task.heldout, labels=task.labels)

    def write(self, folder: Path, found: Any, numbers: Mapping[str, Any], task: Task) -> None:
        """Components, points, graphs, the network and metrics."""
        from sostruct.clusters.store import write_results

        write_results(folder, found, numbers)

    def show(self, found: Any, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
        """The components."""
        from sostruct.app.console import show_mixture

        show_mixture(found, task, numbers, page)


@final
class PredictionWorkflow(AbstractWorkflow):
    """network=layered: a column predicted from the others."""

    def estimator(
        self, config: DictConfig, task: Task, rule: AbstractGrowthRule, max_lag: int
    ) -> AbstractEstimator[Any]:
        """`LayeredClassifier` or `LayeredRegressor`; lags play no part."""
        from sostruct.graph import read_graph
        from sostruct.prediction.estimator import LayeredClassifier, LayeredRegressor

        settings = OmegaConf.to_container(config.network)
        assert isinstance(settings, dict)
        own: dict[str, Any] = {str(name): value for name, value in settings.items() if name != "_target_"}
        predicts = own.pop("predicts")
        if predicts not in ("classes", "values"):
            raise ConfigError(
                f"Cannot predict {predicts!r}. This is because a column is predicted as classes or as values. Try "
                "network.predicts=classes."
            )
        own["start"] = None if own["start"] is None else read_graph(own["start"])
        learner: LayeredClassifier | LayeredRegressor
        if predicts == "classes":
            learner = LayeredClassifier(growth=rule, **own, **_loop(config))
        else:
            if own.pop("smoothing"):
                raise ConfigError(
                    "Cannot smooth values. This is because only labels of classes are smoothed. Try "
                    "network.smoothing=0, or network.noise."
                )
            learner = LayeredRegressor(growth=rule, **own, **_loop(config))
        learner.check(task.frame)
        if task.heldout is not None:
            learner.starting(task.frame)[1].prepare(task.heldout)
        return learner

    def metrics(self, found: Any, task: Task) -> dict[str, Any]:
        """Counts, and how well rows seen and held out are predicted."""
        from sostruct.prediction.store import metrics

        return metrics(found, frame=task.frame, heldout=task.heldout)

    def write(self, folder: Path, found: Any, numbers: Mapping[str, Any], task: Task) -> None:
        """Populations, edges, graphs, the network and metrics."""
        from sostruct.prediction.store import write_results

        write_results(folder, found, numbers)

    def show(self, found: Any, task: Task, numbers: Mapping[str, Any], page: Path) -> None:
        """The populations."""
        from sostruct.app.console import show_prediction

        show_prediction(found, task, numbers, page)


def workflow_of(config: DictConfig) -> AbstractWorkflow:
    """The kind of run that settings ask for.

    Raises:
        ConfigError: their network is none that runs are made of.
    """
    settings = config.network
    if not OmegaConf.is_dict(settings):
        raise ConfigError("Cannot run without a network. This is because `network` is empty. Try network=lagged.")
    name = settings.get("_target_")
    workflows: dict[str | None, type[AbstractWorkflow]] = {
        None: CausesWorkflow,
        BELIEF: StructureWorkflow,
        MIXTURE: MixtureWorkflow,
        LAYERED: PredictionWorkflow,
    }
    if name not in workflows:
        raise ConfigError(
            f"Cannot run the network {name}. This is because runs are made of lagged networks, of belief networks "
            f"({BELIEF}), of mixtures ({MIXTURE}) and of layered networks ({LAYERED}). Try network=lagged, "
            "network=belief, network=mixture or network=layered."
        )
    return workflows[name]()


def _loop(config: DictConfig) -> dict[str, Any]:
    """Settings that every estimator has."""
    return {
        "epochs": config.controller.epochs,
        "edits_per_epoch": config.controller.edits_per_epoch,
        "seed": config.seed,
    }


def _edges(node: ListConfig) -> list[Any]:
    plain = OmegaConf.to_container(node)
    assert isinstance(plain, list)
    return plain


def _hides(truth: nx.MultiDiGraph) -> bool:
    """Whether a known graph is one of beliefs, and not of links between the series."""
    return any(kind != "series" for _, kind in truth.nodes(data="kind", default="series"))
