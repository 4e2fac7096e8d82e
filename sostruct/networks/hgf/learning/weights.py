"""Learning coupling strengths from data: which, by which rule, for how long, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray

from sostruct.errors import BeliefError, ConfigError, GraphError
from sostruct.graph import Edge
from sostruct.networks.hgf.admission import check_choice
from sostruct.networks.hgf.inputs import Series
from sostruct.networks.hgf.learning import rules
from sostruct.networks.hgf.learning.rules import Data, Places, Rule
from sostruct.networks.hgf.passes import failure
from sostruct.networks.hgf.settings import EdgeName, edge_of
from sostruct.numerics import double_precision
from sostruct.tasks.base import whole

if TYPE_CHECKING:
    from sostruct.networks.hgf.network import HGF

KINDS = ("standard", "precision_weighted", "evidence")
"""What a gradient is taken of."""

_ADAM = optax.adam(1e-2)
"""The optimizer by default, one object, so that all who use it share its compiled passes."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class LearnedWeights:
    """What learning found.

    Attributes:
        network: with the strengths of `best`, and the beliefs it began with.
        edges: whose strengths were learnt.
        path: strengths before the first epoch and after each [epoch, edge].
        training: surprise per step of the training data during each epoch, nats [epoch].
        validation: surprise per step of the validation data before the first epoch and after each, nats [epoch + 1];
            empty without such data.
        best: after how many epochs the network's strengths were reached: where validation is least, or the last.
    """

    network: HGF
    edges: tuple[Edge, ...]
    path: Float[np.ndarray, "epoch edge"]
    training: Float[np.ndarray, " epoch"]
    validation: Float[np.ndarray, " epoch"]
    best: int

    @property
    def weights(self) -> pd.DataFrame:
        """A row for each edge: parent, child, coupling, function, and the strength before and after."""
        return pd.DataFrame(
            {
                "parent": [edge.source for edge in self.edges],
                "child": [edge.target for edge in self.edges],
                "coupling": [edge.coupling for edge in self.edges],
                "function": [edge.function for edge in self.edges],
                "initial": self.path[0],
                "learned": self.path[self.best],
            }
        )

    @property
    def history(self) -> pd.DataFrame:
        """Surprise per step in nats by number of epochs: of the training data while that epoch ran, of validation."""
        epochs = len(self.path)
        validation = self.validation if len(self.validation) else np.full(epochs, np.nan)
        columns = {"training": np.concatenate([[np.nan], self.training]), "validation": validation}
        return pd.DataFrame(columns, index=pd.RangeIndex(epochs, name="epoch"))

    def __repr__(self) -> str:
        shown = f"training surprise {self.training[0]:.4g} to {self.training[-1]:.4g} nats per step"
        if len(self.validation):
            shown += f", validation {self.validation[0]:.4g} to {self.validation[self.best]:.4g}"
        return f"LearnedWeights: {len(self.edges)} strengths, {len(self.training)} epochs (best: {self.best}), {shown}"


def learn_weights(
    network: HGF,
    data: Any,
    *,
    optimizer: optax.GradientTransformation | None = None,
    edges: Iterable[EdgeName] | None = None,
    kind: str = "standard",
    epochs: int = 20,
    validation: Any = None,
    online: bool | None = None,
    parents: str = "prediction",
    time_steps: Any = None,
    validation_time_steps: Any = None,
) -> LearnedWeights:
    """Coupling strengths learnt from data by gradient steps, from those the network has.

        learned = network.learn_weights(frame, optimizer=optax.adam(1e-2), edges=[("x1", "y"), ("bias", "y")])

    The strength of b -> a follows the gradient `-u_a g(x_b)` (times dt where a is a state): see `learning.rules`.
    Strengths of constants are biases. Where both a state's strength and its scale are free, only their product is
    told by data: name the `edges` that are to move.

    Args:
        data: as in `filter`; gradients are averaged over subjects.
        optimizer: any of optax's; `optax.adam(1e-2)` by default.
        edges: (parent, child) of those to be learnt; by default all value couplings.
        kind: "standard", u = d, the error m - mh of the child; "precision_weighted", u = p d; or "evidence", the
            gradient of the log evidence by differentiation through the whole filter, which is dearer, and the
            measure of the others.
        epochs: passes over the data, each from the network's beliefs.
        validation: a series as in `filter` that is scored after every epoch; the best epoch's strengths are kept.
        online: whether strengths move after every step of the data, or once at the end of each pass; local rules
            are online by default, and the evidence cannot be.
        parents: where g is taken: at the parents' "prediction", which knows nothing of the error yet, or at their
            "posterior", as in predictive coding, which lets strengths grow too large.
        time_steps: as in `filter`.
        validation_time_steps: of the validation data.

    Raises:
        ConfigError: a setting is not one of its choices, or no edge is left.
        GraphError: there is no such edge, or a local rule is to learn a volatility coupling.
        DataError: see `filter`.
        BeliefError: a belief or a strength is no number any more: the epoch is named.
    """
    check_choice("kind", kind, KINDS)
    check_choice("parents", parents, ("prediction", "posterior"))
    check_choice("online", online, (None, True, False))
    if online and kind == "evidence":
        raise ConfigError(
            "Cannot follow the evidence online. This is because its gradient needs the whole series. Try online=False, "
            "or kind='standard'."
        )
    epochs = whole("a learner", "epochs", epochs, 1)
    chosen = _chosen(network, edges, kind)
    optimizer = _ADAM if optimizer is None else optimizer
    online = kind != "evidence" if online is None else online
    series = network._runner.read(data, time_steps)
    held = None if validation is None else network._runner.read(validation, validation_time_steps)
    wiring, start = network._runner.arrays
    places = _places(network, chosen)
    rule = Rule(kind == "precision_weighted", parents == "posterior")
    with double_precision(network.needs_double):
        seen = _arrays(series)
        judged = None if held is None else _arrays(held)
        learning: tuple[Any, Any] = (jnp.asarray([edge.strength for edge in chosen], seen.inputs.dtype), None)
        learning = (learning[0], optimizer.init(learning[0]))
        path, training, scores = [np.asarray(learning[0])], [], []
        if judged is not None:
            scores.append(_score(network, places, learning[0], judged))
        for epoch in range(epochs):
            if kind == "evidence":
                done = rules.evidence_pass(wiring, start, places, learning, seen, optimizer, network.drawn)
            else:
                done = rules.local_pass(wiring, start, places, learning, seen, rule, optimizer, online)
            _check(done, network, series, epoch)
            learning = (done.weights, done.memory)
            path.append(np.asarray(done.weights))
            training.append(float(done.surprise) / seen.inputs[..., 0].size)
            if judged is not None:
                scores.append(_score(network, places, done.weights, judged))
    best = int(np.nanargmin(scores)) if scores and not np.isnan(scores).all() else epochs
    found = network.with_parameters(
        {edge.key: {"strength": float(weight)} for edge, weight in zip(chosen, path[best], strict=True)}
    )
    return LearnedWeights(found, chosen, np.stack(path), np.array(training), np.array(scores), best)


def _chosen(network: HGF, edges: Iterable[EdgeName] | None, kind: str) -> tuple[Edge, ...]:
    """The edges to be learnt; by default all value couplings."""
    if edges is None:
        found = [edge for edge in network.topology.edges if edge.coupling == "value"]
    else:
        found = [network.topology.edge(edge_of(network.topology, name)) for name in edges]
    if not found or len({edge.key for edge in found}) < len(found):
        why = "an edge is named twice" if found else "there is none to be learnt"
        raise ConfigError(f"Cannot learn these strengths. This is because {why}. Try edges=[(parent, child)].")
    for edge in found:
        if edge.coupling == "volatility" and kind != "evidence":
            raise GraphError(
                f"Cannot learn the strength of {edge} by a local rule. This is because it is a volatility coupling, "
                "and the rule is that of value couplings. Try kind='evidence', or edges without it."
            )
    return tuple(found)


def _places(network: HGF, edges: Sequence[Edge]) -> Places:
    rows = [network.packing.slot[edge.target] for edge in edges]
    parents = [network.topology.parents(edge.target) for edge in edges]
    columns = [[one.key for one in own].index(edge.key) for own, edge in zip(parents, edges, strict=True)]
    return Places(np.array(rows, np.int32), np.array(columns, np.int32))


def _arrays(series: Series) -> Data:
    """The series of all subjects, in the working precision."""
    values = series.values if series.subjects is not None else series.values[None]
    elapsed: NDArray[np.float64] | None = series.time_steps
    if elapsed is not None:
        elapsed = np.broadcast_to(elapsed, values.shape[:2])
    number = jnp.result_type(float)
    return Data(jnp.asarray(values, number), None if elapsed is None else jnp.asarray(elapsed, number))


def _score(network: HGF, places: Places, weights: Any, data: Data) -> float:
    """Surprise per step, nats."""
    wiring, start = network._runner.arrays
    return float(rules.measured(wiring, start, places, weights, data, network.drawn)) / data.inputs[..., 0].size


def _check(done: rules.Passed, network: HGF, series: Series, epoch: int) -> None:
    """Refuse a pass in which beliefs broke down."""
    told = f" in epoch {epoch}"
    if done.tally is not None:
        tally = jax.tree.map(np.asarray, done.tally)
        if tally.count.any():
            own = tally if series.subjects is not None else jax.tree.map(lambda part: part[0], tally)
            names = [name or "" for name in network.packing.names]
            raise failure(own, names, series, network.options.update.name, told)
    if not np.isfinite(done.surprise) or not np.isfinite(np.asarray(done.weights)).all():
        raise BeliefError(
            f"Cannot learn these strengths. This is because the surprise of the training data, or a strength, is no "
            f"number{told}. Try an optimizer with a smaller step."
        )
