"""Simulated behavior under the users' names: what agents saw, did, earned and believed, ready to be fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, final

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.generative import agents, process
from sostruct.networks.hgf.generative.environments import AbstractEnvironment
from sostruct.networks.hgf.generative.sampling import labeled, read_key, read_subjects
from sostruct.networks.hgf.inference.priors import AbstractPrior
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.inputs import Reader, Series, read_time_steps
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.passes import check_time, failure
from sostruct.networks.hgf.trace import QUANTITIES
from sostruct.numerics import double_precision
from sostruct.tasks.base import listed, whole


@final
@dataclass(frozen=True, eq=False, repr=False)
class Simulated:
    """What agents did and why: arrays [time, ...], or [subject, time, ...].

    Attributes:
        reader: knows the network's columns of data.
        nodes: names of all nodes, sorted.
        seen: what the network observed, NaN where nothing [*subject, time, column].
        actions: responses [*subject, time].
        log_density: log probability or density of each action when it was made, nats [*subject, time].
        rewards: what was earned [*subject, time].
        facts: what else the environment says, by name [*subject, time, ...].
        beliefs: by quantity, as in `Beliefs.frame` [*subject, time, node].
        time_steps: elapsed time before each step, or None where it is 1.
        subjects: labels of the agents, or None where there is one.
        values: of the response model's parameters, by name: a number for each agent [*subject].
    """

    reader: Reader
    nodes: tuple[str, ...]
    seen: Float[np.ndarray, "*subject time column"]
    actions: Float[np.ndarray, "*subject time"]
    log_density: Float[np.ndarray, "*subject time"]
    rewards: Float[np.ndarray, "*subject time"]
    facts: Mapping[str, NDArray[Any]]
    beliefs: Mapping[str, NDArray[np.float64]]
    time_steps: NDArray[np.float64] | None
    subjects: tuple[Any, ...] | None
    values: Mapping[str, NDArray[np.float64]]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What was observed [time x column], as `filter` and a fit take it; subjects make the index (subject, time)."""
        return labeled(self._framed(self.seen, self.reader.columns), self.reader)

    @cached_property
    def responses(self) -> pd.Series:
        """What was done, with the index of `frame`."""
        return pd.Series(self.actions.reshape(-1), index=self._index, name="response")

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every step as a row: what was seen, done and earned, and what the environment says beside."""
        columns: dict[str, Any] = {name: self.frame[name].to_numpy() for name in self.reader.columns}
        columns |= {"response": self.actions, "reward": self.rewards, "log_density": self.log_density}
        for name, numbers in self.facts.items():
            if numbers.ndim == self.actions.ndim:
                columns[name] = numbers
            else:
                columns |= {f"{name}_{place}": numbers[..., place] for place in range(numbers.shape[-1])}
        return pd.DataFrame({name: numbers.reshape(-1) for name, numbers in columns.items()}, index=self._index)

    def belief(self, quantity: str = "expected_mean") -> pd.DataFrame:
        """One quantity of every node [time x node]; see `Beliefs.frame`.

        Raises:
            ConfigError: there is no such quantity.
        """
        if quantity not in QUANTITIES:
            raise ConfigError(
                f"Cannot make a frame of {quantity!r}. This is because no such quantity is recorded. Try one of "
                f"{listed(QUANTITIES)}."
            )
        return self._framed(self.beliefs[quantity], self.nodes)

    @property
    def _index(self) -> pd.Index:
        steps = pd.RangeIndex(self.actions.shape[-1])
        if self.subjects is None:
            return steps
        return pd.MultiIndex.from_product([list(self.subjects), steps], names=["subject", "time"])

    def _framed(self, numbers: NDArray[Any], names: tuple[str, ...]) -> pd.DataFrame:
        columns = pd.Index(names, dtype="object")
        return pd.DataFrame(numbers.reshape(-1, len(names)), index=self._index, columns=columns, copy=True)

    def __repr__(self) -> str:
        many = "" if self.subjects is None else f" of {len(self.subjects)} agents"
        return f"Simulated: {self.actions.shape[-1]} steps{many}, mean reward {self.rewards.mean():.3g}"


def simulate(
    network: HGF | Sequence[HGF],
    response: AbstractResponse,
    environment: AbstractEnvironment,
    steps: int,
    *,
    key: PRNGKeyArray,
    values: Mapping[str, Any] | None = None,
    subjects: int | Iterable[Any] | None = None,
    time_steps: Any = None,
) -> Simulated:
    """Agents that predict, act on what they predict, and learn from what follows.

        agents = ss.simulate(network, ss.ArmSoftmax(network.inputs), ss.Bandit([0.2, 0.8]), 200, key=jax.random.key(0),
                             values={"inverse_temperature": 5.0}, subjects=30)

    Every agent starts from its network's beliefs and has random numbers of its own; longer lives begin with the shorter
    ones. `Simulated.frame` and `Simulated.responses` are what `network.trace`, the response model's `log_density` and a
    fit take: they give back the probability that every action had.

    Args:
        network: of all agents, or one for each (the same graph and settings, other parameters and beliefs).
        response: how an agent acts on its predictions. It sees one step at a time, so a model of one's own cannot look
            back at earlier steps; nor can it read the posterior, which its action comes before.
        environment: what follows from an action; what it shows are the network's `columns`, in their order, with labels
            that are no whole numbers counted from 0.
        steps: length of each life.
        key: a random key.
        values: numbers of the response model's parameters: one for all agents, or [agent]; by default its own.
        subjects: how many agents, or their labels; by default as many as there are networks, or one.
        time_steps: elapsed time before each step, as in `HGF.filter`.

    Raises:
        ConfigError: networks, response model, environment, numbers or subjects do not fit each other, or an action is
            not a number.
        DataError: the time steps cannot be used.
        GraphError: see `HGF.filter`.
        BeliefError: some posterior is no belief: the first such node, step and cause are named.
    """
    steps = whole("a simulation", "steps", steps, 1)
    networks = [network] if isinstance(network, HGF) else list(network)
    if subjects is None and not isinstance(network, HGF):
        subjects = len(networks)
    labels = read_subjects(subjects)
    count = 1 if labels is None else len(labels)
    check_networks(networks, count)
    check_response(response, networks[0])
    _check_horizon(environment, steps)
    elapsed = None
    if time_steps is not None:
        elapsed = read_time_steps(time_steps, (steps,) if labels is None else (count, steps), labels)
    if elapsed is not None:
        for one in networks:
            check_time(one.packing, one.packed.wiring.parameters)
    key, first = read_key(key), networks[0]
    numbers = response_values(response, values, count)
    wiring, start = first._runner.arrays if len(networks) == 1 else process.stacked(joined(networks))
    columns = tuple((name, first.packing.slot[name]) for name in first.nodes)
    own = elapsed[None] if elapsed is not None and elapsed.ndim == 1 and labels is None else elapsed
    with double_precision(first.needs_double):
        _check_width(environment, first)
        lived = agents.lives(
            wiring,
            start,
            environment,
            numbers,
            key,
            np.arange(count, dtype=np.uint32),
            own,
            agents.Form(response),
            columns,
            first._runner.reader.variables,
            steps,
            len(networks) > 1,
        )
        lived = jax.tree.map(np.asarray, lived)
    seen = lived.seen
    if np.asarray(lived.tally.count).any():
        series = Series(seen, elapsed, pd.RangeIndex(steps), labels or (0,))
        names = [name or "" for name in first.packing.names]
        raise failure(lived.tally, names, series, first.options.update.name)
    if not np.isfinite(lived.action).all():
        step = int(np.argmin(np.isfinite(lived.action).all(0)))
        raise ConfigError(
            f"Cannot act at step {step}. This is because the response model drew an action that is not a finite "
            "number. Try other values of its parameters."
        )

    def bare(part: Any) -> Any:
        return part if labels is not None else part[0]

    found: dict[str, Any] = jax.tree.map(bare, lived._replace(tally=None))._asdict()
    return Simulated(
        first._runner.reader,
        first.nodes,
        found["seen"],
        found["action"],
        found["log_density"],
        found["reward"],
        found["facts"],
        found["beliefs"],
        elapsed,
        labels,
        {name: bare(number) for name, number in numbers.items()},
    )


def response_values(
    response: AbstractResponse, values: Mapping[str, Any] | None, count: int
) -> dict[str, NDArray[np.float64]]:
    """Numbers of a response model's parameters, one for each agent.

    Raises:
        ConfigError: a parameter has no number, is not one of the model's, or has another number of them than agents.
    """
    given, known = dict(values or {}), response.parameters
    model = type(response).__name__
    if unknown := [name for name in given if name not in known]:
        raise ConfigError(
            f"Cannot simulate {model} with {listed(unknown)}. This is because its parameters are "
            f"{listed(known) if known else 'none'}. Try leaving it out."
        )
    numbers = {}
    for name, own in known.items():
        value = given.get(name, own)
        if isinstance(value, AbstractPrior):
            raise ConfigError(
                f"Cannot simulate {model}. This is because its {name} is a prior and an agent needs a number. "
                f"Try values={{{name!r}: 1.0}}."
            )
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (count,)) or not np.isfinite(array).all():
            raise ConfigError(
                f"Cannot simulate {model}. This is because its {name} is {value!r}, and there must be one finite "
                f"number, or one for each of {count} agents. Try values={{{name!r}: 1.0}}."
            )
        numbers[name] = np.broadcast_to(array, (count,)).copy()
    return numbers


def check_networks(networks: Sequence[HGF], count: int) -> None:
    """Refuse networks that differ in more than their numbers.

    Raises:
        ConfigError: they do, or there is neither one nor `count` of them.
    """
    if not networks or len(networks) not in (1, count):
        raise ConfigError(
            f"Cannot simulate {count} agents. This is because there are {len(networks)} networks. Try one for all, or "
            "one for each."
        )
    first = networks[0]
    for number, one in enumerate(networks):
        same = one.inputs == first.inputs and one.nodes == first.nodes and one.options == first.options
        if not same or one.dtype != first.dtype or _links(one) != _links(first):
            raise ConfigError(
                f"Cannot simulate these networks together. This is because network {number} has another graph or other "
                "settings than network 0. Try `with_parameters`, or a simulation for each graph."
            )


def _links(network: HGF) -> list[Any]:
    return [(edge.key, edge.function) for edge in network.topology.edges]


def joined(networks: Sequence[HGF]) -> list[Any]:
    """Wirings and beliefs of networks in one capacity."""
    capacity = reduce(lambda joined, one: joined.join(one.packed.capacity), networks, networks[0].packed.capacity)
    placed = [one.at_capacity(capacity) for one in networks]
    return [(one.packed.wiring, one.packed.state) for one in placed]


def check_response(response: AbstractResponse, network: HGF) -> None:
    """Refuse a response model that reads nodes which the network does not have, or options in another order.

    Raises:
        ConfigError: it does.
    """
    nodes = response.nodes()
    if missing := [name for name in nodes if name not in network.nodes]:
        raise ConfigError(
            f"Cannot act on {listed(missing)}. This is because the network has no node of that name. Try some of "
            f"{listed(network.nodes)}."
        )
    if len(nodes) > 1 and set(nodes) <= set(network.inputs) and nodes != network.inputs:
        raise ConfigError(
            f"Cannot choose between {listed(nodes)}. This is because options are counted in the order of the network's "
            f"inputs, {listed(network.inputs)}. Try that order, or HGF(graph, inputs=...)."
        )


def _check_horizon(environment: AbstractEnvironment, steps: int) -> None:
    if environment.horizon is not None and steps > environment.horizon:
        raise ConfigError(
            f"Cannot simulate {steps} steps. This is because the environment's schedule has {environment.horizon}. "
            f"Try steps={environment.horizon}, or a longer schedule."
        )


def _check_width(environment: AbstractEnvironment, network: HGF) -> None:
    action, step = np.zeros((), jax.numpy.result_type(float)), np.zeros((), np.int32)
    shown = jax.eval_shape(environment.respond, jax.random.key(0), action, step, environment.start).seen.shape
    if shown != (len(network.columns),):
        raise ConfigError(
            f"Cannot live in this environment. This is because it shows an array of shape {shown}, and the network has "
            f"{len(network.columns)} columns ({listed(network.columns)}). Try one number for each, NaN for what is "
            "not seen."
        )
