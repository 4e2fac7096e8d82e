"""What a report of a sweep compares, and which direction of a metric is better."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sostruct.errors import RunError

USUAL: Final = ("summary.auroc", "summary.f1", "adjusted_rand_index", "components", "edges", "surprise_per_step")
"""Metrics shown unless others are named, those of them that the runs have."""

HIGHER_IS_BETTER: Final[Mapping[str, bool]] = MappingProxyType(
    {
        "auroc": True,
        "auprc": True,
        "f1": True,
        "precision": True,
        "recall": True,
        "shd": False,
        "adjusted_rand_index": True,
        "heldout_adjusted_rand_index": True,
        "surprise_per_step": False,
    }
)
"""Last part of a metric's name -> direction. Metrics that are not here (edges, epochs) are compared, never ranked."""

_CAPITALS: Final = frozenset({"auroc", "auprc", "shd", "f1"})
_UNITS: Final = {"surprise_per_step": "nats", "surprise_per_step_before": "nats"}
_VIEWS: Final = {"summary": "summary graph", "lag_by_lag": "lag by lag"}


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What a report of a sweep compares.

    Args:
        metrics: dotted names from metrics.json, the most important first; None for those of `USUAL` that exist.
        baseline: what every condition is compared with: a level ("none"), a factor and its level ("growth=none"), or
            several, separated by commas. The condition compared with shares all other factors. None: a level called
            "none" if there is one, else the first.
        replicate: the override key that numbers replicates.
        confidence: of intervals, between 0 and 1; tests are judged at 1 - confidence.

    Raises:
        RunError: the confidence is not between 0 and 1, or no metric is named.
    """

    metrics: tuple[str, ...] | None = None
    baseline: str | None = None
    replicate: str = "seed"
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 < self.confidence < 1.0:
            raise RunError(
                f"Cannot report with a confidence of {self.confidence}. This is because it is a probability. Try 0.95."
            )
        if self.metrics is not None:
            object.__setattr__(self, "metrics", tuple(dict.fromkeys(self.metrics)))
            if not self.metrics:
                raise RunError("Cannot report on no metric. This is because tables need one. Try summary.auroc.")

    @property
    def level(self) -> float:
        """Probability of a false alarm at which tests are judged."""
        return 1.0 - self.confidence


def chosen_metrics(options: SweepOptions, available: Collection[str]) -> tuple[str, ...]:
    """The metrics to show: all there are where none is named and none of the usual is there; none without any.

    Raises:
        RunError: one that is named is in no run; the message lists what is.
    """
    if options.metrics is None:
        return tuple(name for name in USUAL if name in available) or tuple(available)
    if not available:
        return ()
    unknown = [name for name in options.metrics if name not in available]
    if unknown:
        raise RunError(
            f"Cannot report on {', '.join(unknown)}. This is because no finished run has such a metric. Try "
            f"{', '.join(available)}."
        )
    return options.metrics


def higher_is_better(metric: str) -> bool | None:
    """Direction of a metric; None where neither is better."""
    return HIGHER_IS_BETTER.get(metric.rpartition(".")[2])


def metric_label(metric: str, *, unit: bool = True) -> str:
    """A metric in words: "summary.auroc" is "AUROC, summary graph"."""
    group, _, name = metric.rpartition(".")
    words = name.upper() if name in _CAPITALS else name.replace("_", " ")
    if unit and name in _UNITS:
        words = f"{words}, {_UNITS[name]}"
    return f"{words}, {_VIEWS.get(group, group.replace('_', ' '))}" if group else words


def direction_note(metric: str) -> str:
    """Direction of a metric in words; empty where neither is better."""
    return {True: "higher is better", False: "lower is better", None: ""}[higher_is_better(metric)]
