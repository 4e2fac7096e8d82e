"""The settings of a run: their types, and how names in a config become objects.

A config file must not be a way to run code. A `_target_` may therefore name only tasks and parts of growth rules,
classes of plain settings defined inside the `sostruct` package, and the check is made on the object found, not on its
name (`sostruct.x.os.system` is `os.system`); anything else needs `run.allow_external_targets=true` on the command line,
where a file cannot put it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from sostruct.errors import ConfigError

OPT_IN = "run.allow_external_targets"

BELIEF = "sostruct.networks.hgf.network.HGF"
"""How settings name a belief network; lagged networks, which came first, need no name."""

MIXTURE = "sostruct.networks.mixture.network.MixtureNetwork"
"""How settings name a mixture."""

LAYERED = "sostruct.networks.layered.network.LayeredNetwork"
"""How settings name a layered network."""


@dataclass
class LaggedSettings:
    """network=lagged: what may be in a causal graph, and how likely it is (`discovery.CausalDiscovery`)."""

    expected_parents: float = 2.0
    ridge: float = 1.0
    functions: str = "auto"
    contemporaneous: bool = True
    noise: str = "auto"
    probabilities: bool = True
    season: Any = None
    harmonics: int | None = None
    irregular: str = "refuse"
    discrete: str = "transform"
    forbidden: list[Any] = field(default_factory=list)
    required: list[Any] = field(default_factory=list)
    exogenous: list[Any] = field(default_factory=list)
    prior_odds: list[Any] = field(default_factory=list)


@dataclass
class BeliefSettings:
    """network=belief: how a belief network filters, and the file of the graph it starts from
    (`structure.StructureLearning`)."""

    _target_: str = BELIEF
    start: str | None = None
    update: str = "ehgf"
    mean_field: bool = True
    carry: str = "exact"
    linearize: str = "prediction"
    assimilate: str = "joint"
    dtype: str = "float64"


@dataclass
class MixtureSettings:
    """network=mixture: what components are expected to be like, null for what the columns suggest, and the file of the
    graph to start from (`clusters.MixtureLearning`). Center, spread and noise are one number, or one per column."""

    _target_: str = MIXTURE
    start: str | None = None
    center: Any = None
    spread: Any = None
    noise: Any = None
    concentration: float = 1.0
    freedom: float = 4.0
    memory: float | None = None


@dataclass
class LayeredSettings:
    """network=layered: which column is predicted, the network that learning starts from, and how it learns
    (`prediction.LayeredClassifier` where `predicts` is "classes", `prediction.LayeredRegressor` where it is
    "values")."""

    _target_: str = LAYERED
    predicts: str = "classes"
    target: Any = "label"
    start: str | None = None
    hidden: list[int] = field(default_factory=lambda: [32])
    function: str = "tanh"
    skip: bool = False
    rate: float = 0.003
    anneal: bool = False
    batch: int = 32
    passes: int = 1
    decay: float = 0.0
    noise: float = 0.0
    smoothing: float = 0.0
    patience: int | None = 20
    validation: float = 0.15
    standardize: bool = True


@dataclass
class ControllerSettings:
    """The loop (`control.Controller`, `control.run`)."""

    epochs: int = 100
    edits_per_epoch: int | None = None


@dataclass
class RunSettings:
    """How a run is carried out; none of it changes a result, except the last digits: by the number of threads and, on
    an accelerator, by being part of a population."""

    resume: str | None = None
    allow_external_targets: bool = False
    progress: bool = True
    report: bool = True
    threads: int | None = None
    population: int | None = None
    plan: str | None = None
    batch: int | None = None


@dataclass
class ReportSettings:
    """Whether a sweep ends with tables and figures, and what they show (`reports.sweep.SweepOptions`)."""

    at_end: bool = True
    metrics: list[str] | None = None
    baseline: str | None = None
    replicate: str = "seed"
    confidence: float = 0.95


@dataclass
class JaxSettings:
    """Every JAX flag this program relies on, set explicitly: launchers reuse processes and flags leak between jobs."""

    enable_x64: bool = False
    debug_nans: bool = False
    platform: str | None = None
    cache: str | None = "~/.cache/sostruct/jax"


@dataclass
class Settings:
    """The root of every config."""

    name: str = "discovery"
    seed: int = 0
    task: Any = None
    network: Any = None
    trigger: Any = None
    accept: Any = None
    restraint: Any = None
    growth: Any = None
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    run: RunSettings = field(default_factory=RunSettings)
    jax: JaxSettings = field(default_factory=JaxSettings)


def register() -> None:
    """Makes the types of the settings known to Hydra: of the root, and of every kind of network."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Settings)
    for name, node in (
        ("lagged", LaggedSettings),
        ("belief", BeliefSettings),
        ("mixture", MixtureSettings),
        ("layered", LayeredSettings),
    ):
        store.store(name=f"{name}_network", node=node)


def instantiate(node: DictConfig, *, external: bool) -> Any:
    """The object a config node describes.

    Args:
        node: a mapping with `_target_` and its arguments, nested at will.
        external: whether targets outside sostruct are allowed.

    Raises:
        ConfigError: a target that does not exist, is not allowed, or does not take these arguments.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as build

    _check_all(node, external)
    try:
        return build(node, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, ConfigError):
            raise cause from None
        raise ConfigError(
            f"Cannot build {node._get_full_key(None)} ({node._target_}). This is because {cause}. Try `sostruct "
            "--cfg job` to see its settings."
        ) from error


def accepts(node: DictConfig, argument: str, *, external: bool) -> bool:
    """Whether the target of a config node takes an argument of that name.

    Raises:
        ConfigError: see `instantiate`.
    """
    from hydra.utils import get_object

    _check_all(node, external)
    return argument in inspect.signature(get_object(node._target_)).parameters


def targets(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every `_target_` in a config, with the key it stands at."""
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    if isinstance(plain, dict):
        for name, value in plain.items():
            if name == "_target_":
                yield key, value
            else:
                yield from targets(value, f"{key}.{name!s}" if key else str(name))
    elif isinstance(plain, list):
        for position, value in enumerate(plain):
            yield from targets(value, f"{key}[{position}]")


def _check_all(node: DictConfig, external: bool) -> None:
    own = str(node._get_full_key(None))
    if not node.get("_target_"):
        raise ConfigError(
            f"Cannot build {own}. This is because it has no `_target_`. Try one of its options, as `sostruct --help` "
            "lists them."
        )
    for key, target in targets(node, own):
        _check(key, target, external)


def _check(key: str, target: Any, external: bool) -> None:
    from hydra.utils import get_object

    if external:
        return
    found = None
    if isinstance(target, str) and target.startswith("sostruct."):
        try:
            found = get_object(target)
        except Exception as error:
            raise ConfigError(
                f"Cannot build {key}. This is because its target {target} does not exist ({error}). Try a task or a "
                "part of a growth rule of sostruct."
            ) from error
    if not _is_part(found):
        raise ConfigError(
            f"Cannot build {key} from {target!r}. This is because it is no task and no part of a growth rule that "
            f"sostruct defines, and a config may not run other code by itself. Try {OPT_IN}=true on the command line "
            "if you trust it."
        )


def _is_part(found: Any) -> bool:
    """Whether an object is a class of settings that sostruct itself defines: the only thing a config may name."""
    from sostruct.growth.accept import AbstractAccept
    from sostruct.growth.base import AbstractGrowthRule
    from sostruct.growth.layered.pruning import AbstractMeasure
    from sostruct.growth.restraint import AbstractRestraint
    from sostruct.growth.score import AbstractScorer
    from sostruct.growth.trigger import AbstractTrigger
    from sostruct.tasks import AbstractTask

    rule = (AbstractGrowthRule, AbstractTrigger, AbstractScorer, AbstractMeasure, AbstractAccept, AbstractRestraint)
    parts = (AbstractTask, *rule)
    return inspect.isclass(found) and issubclass(found, parts) and found.__module__.startswith("sostruct.")
