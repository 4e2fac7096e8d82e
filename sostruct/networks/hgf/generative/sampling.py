"""Series drawn from a belief network, under the users' names, or a refusal that says where they diverged.

Design note. A sample starts from what the network believes now, as a filter does: of a new network that is the initial
beliefs; of one that holds what a filter ended with (`HGF.with_state`), sampling is forecasting, with all the
uncertainty there is. What comes back goes into `filter` as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import BeliefError, ConfigError
from sostruct.graph import Topology
from sostruct.networks.hgf.generative import process
from sostruct.networks.hgf.inputs import Reader, read_time_steps
from sostruct.networks.hgf.passes import check_time
from sostruct.networks.hgf.variables.reading import gathered, written
from sostruct.numerics import Numbers, double_precision
from sostruct.tasks.base import whole

if TYPE_CHECKING:
    from sostruct.networks.hgf.network import HGF


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sampled:
    """Series drawn from a network's generative model: arrays [time, node], or [subject, time, node].

    Attributes:
        inputs: names of the inputs.
        reader: knows which columns of data they are.
        nodes: names of all nodes, sorted: the last axis of `values`.
        values: of every node after every step.
        inside: of the levels inside volatile nodes, in the order of `volatile`.
        volatile: the nodes that have such a level.
        time_steps: elapsed time before each step, or None where it is 1; `filter` takes it as it is.
        subjects: labels of the subjects, or None where there is one series.
    """

    inputs: tuple[str, ...]
    reader: Reader
    nodes: tuple[str, ...]
    values: Float[np.ndarray, "*subject time node"]
    inside: Float[np.ndarray, "*subject time volatile"]
    volatile: tuple[str, ...]
    time_steps: NDArray[np.float64] | None
    subjects: tuple[Any, ...] | None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What was observed [time x column]; subjects make it a MultiIndex (subject, time). `filter` takes it.

        The columns are `HGF.columns`: the inputs, but that a categorical variable is one column of labels, and a normal
        one its own columns.
        """
        return labeled(self._framed(self.series, self.reader.columns), self.reader)

    @cached_property
    def series(self) -> Float[np.ndarray, "*subject time column"]:
        """What was observed, as an array in the order of the network's columns; labels as numbers that stand for them,
        which only `frame` says as `filter` reads them."""
        seen = self.values[..., [self.nodes.index(name) for name in self.inputs]]
        return gathered(self.reader.variables, seen)

    @cached_property
    def states(self) -> pd.DataFrame:
        """What was hidden [time x node], constants among it; subjects make it a MultiIndex (subject, time)."""
        hidden = tuple(name for name in self.nodes if name not in self.inputs)
        return self._framed(self.values[..., [self.nodes.index(name) for name in hidden]], hidden)

    @cached_property
    def levels(self) -> pd.DataFrame:
        """The levels inside volatile nodes [time x volatile]: log variances, without the nodes' tonic volatility."""
        return self._framed(self.inside, self.volatile)

    def _framed(self, numbers: NDArray[Any], names: tuple[str, ...]) -> pd.DataFrame:
        index: pd.Index = pd.RangeIndex(numbers.shape[-2])
        if self.subjects is not None:
            index = pd.MultiIndex.from_product([list(self.subjects), index], names=["subject", "time"])
        return pd.DataFrame(
            numbers.reshape(len(index), len(names)), index=index, columns=pd.Index(names, dtype="object"), copy=True
        )

    def __repr__(self) -> str:
        many = "" if self.subjects is None else f" of {len(self.subjects)} subjects"
        hidden = len(self.nodes) - len(self.inputs)
        return f"Sampled: {self.values.shape[-2]} steps{many}, inputs {', '.join(self.inputs)}, {hidden} hidden nodes"


def sample(
    network: HGF,
    key: PRNGKeyArray,
    steps: int,
    *,
    subjects: int | Iterable[Any] | None = None,
    time_steps: Any = None,
) -> Sampled:
    """Series drawn from the process whose filter this network is: what it observes and what is hidden.

    Of a state, `x = lam x' + dt (rho + sum_b w g(x_b)) + N(0, dt exp(om + sum_c kap x_c))` with x' the step before
    and x_b, x_c the value and volatility parents in this one; of an input, `u = sum_b w g(x_b) + N(0, 1/p)`, with
    volatility parents `+ N(0, exp(sum_c kap x_c))`; of a binary one, 1 with probability `sigmoid(sum_b w g(x_b))`.
    Before the first step states are drawn from N(m, 1/p) of what the network believes now: the initial beliefs,
    or, in a network that has seen data, those it ended with, so that samples are forecasts.

    Deterministic in the key, whatever the schedule. Every node draws from a stream of its own, so longer series
    begin with the shorter ones, more subjects with the fewer, and an edit leaves the draws of other nodes alone.

    Args:
        key: a random key, `jax.random.key(0)`.
        steps: length of each series.
        subjects: how many independent series there are, or their labels; by default one series.
        time_steps: elapsed time before each step, as in `filter`.

    Raises:
        ConfigError: `steps`, `subjects` or `key` is not one.
        DataError: the time steps cannot be used.
        GraphError: see `filter`.
        BeliefError: a path diverges: the first node and step are named.
    """
    if network._runner.traced:
        raise ConfigError(
            "Cannot sample while JAX traces the parameters. This is because samples come back as numpy arrays. "
            "Try `generative.process.series`, which can be traced."
        )
    steps = whole("a sample", "steps", steps, 1)
    labels = read_subjects(subjects)
    shape = (steps,) if labels is None else (len(labels), steps)
    elapsed = None if time_steps is None else read_time_steps(time_steps, shape, labels)
    if elapsed is not None:
        check_time(network.packing, network.packed.wiring.parameters)
    key = read_key(key)
    identity = process.identities(network.packing.names)
    numbers = np.arange(1 if labels is None else len(labels), dtype=np.uint32)
    wiring, start = network._runner.arrays
    with double_precision(network.needs_double):
        found = process.as_numbers(process.drawn(wiring, start, identity, key, numbers, elapsed, steps))
    check_bounded(found, network)
    return named(found, network, elapsed, labels)


def named(
    values: dict[str, Numbers], network: HGF, time_steps: NDArray[np.float64] | None, subjects: tuple[Any, ...] | None
) -> Sampled:
    """Values [subject, time, slot] under the names of a network."""
    volatile = tuple(node.name for node in network.topology.nodes if node.kind == "volatile")

    def taken(numbers: Numbers, names: tuple[str, ...]) -> NDArray[Any]:
        found: NDArray[Any] = np.asarray(numbers)[..., [network.packing.slot[name] for name in names]]
        found = found if subjects is not None else found[0]
        found.flags.writeable = False
        return found

    inside = taken(values.get("volatility_mean", values["mean"]), volatile)
    return Sampled(
        network.inputs,
        network._runner.reader,
        network.nodes,
        taken(values["mean"], network.nodes),
        inside,
        volatile,
        time_steps,
        subjects,
    )


def labeled(frame: pd.DataFrame, reader: Reader) -> pd.DataFrame:
    """Columns of numbers that stand for labels as the labels."""
    for name, variable in reader.labeled.items():
        frame[name] = written(variable, frame[name].to_numpy())
    return frame


def check_bounded(values: dict[str, Numbers], network: HGF) -> None:
    """Refuse values that are not finite: the first step is named, and the node that diverged before its children.

    Args:
        values: [..., subject, time, slot].

    Raises:
        BeliefError: some value of some node is not finite.
    """
    slots = [network.packing.slot[name] for name in network.nodes]
    finite = np.logical_and.reduce([np.isfinite(numbers) for numbers in values.values()])[..., slots]
    if finite.all():
        return
    each = finite.reshape(-1, *finite.shape[-2:])
    steps = np.where(each.all(2).all(1), each.shape[1], np.argmin(each.all(2), axis=1))
    series = int(np.argmin(steps))
    step = int(steps[series])
    broken = {name for name, good in zip(network.nodes, each[series, step], strict=True) if not good}
    name = _first_of(broken, network.topology)
    raise BeliefError(
        f"Cannot sample {name!r} at step {step} (counting from 0, series {series}). This is because its value, or the "
        "variance of its step there, leaves the numbers a filter works with. Try an autoconnection below 1, or a lower "
        "tonic volatility, in it and in its volatility parents."
    )


def _first_of(broken: set[str], topology: Topology) -> str:
    """A node among these none of whose parents is among them; the graph is acyclic, so there is one."""
    return min(name for name in broken if not any(edge.source in broken for edge in topology.parents(name)))


def read_subjects(subjects: int | Iterable[Any] | None) -> tuple[Any, ...] | None:
    """Labels of subjects, from how many there are or from themselves.

    Raises:
        ConfigError: there is none, or a label occurs twice.
    """
    if subjects is None:
        return None
    if isinstance(subjects, str):
        subjects = (subjects,)
    if not isinstance(subjects, Iterable):
        return tuple(range(whole("a sample", "subjects", subjects, 1)))
    labels = tuple(subjects)
    if not labels or len(set(labels)) < len(labels):
        why = "a label occurs twice" if labels else "there is none"
        raise ConfigError(f"Cannot sample these subjects. This is because {why}. Try subjects=10.")
    return labels


def read_key(key: Any) -> Array:
    """A random key, whether of the new style or the old.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    if isinstance(key, jax.Array) and key.dtype == jnp.uint32 and key.ndim == 1:
        found: Array = jax.random.wrap_key_data(key)
        return found
    raise ConfigError(
        f"Cannot draw with the key {key!r}. This is because it is not one random key. Try jax.random.key(0)."
    )
