"""The belief network: a graph of beliefs that is filtered, scored in nats, and edited.

`HGF` translates between a `Topology` in the user's names and the arrays of `packed.py`; it is what users hold. A graph
that is small and has never been edited runs on the unrolled schedule, any other on the packed one, which is compiled
once however often the graph changes. What evolves is the belief: every pass starts from the network's `state`, a filter
returns the state it ends in, and an epoch returns a network that holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Literal, TypeVar, cast, final, overload

import equinox as eqx
import jax
import networkx as nx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import AbstractEdit, Capacity, Packing, RemoveNode, SetParameters, Topology, apply
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.additions import draw
from sostruct.networks.hgf.admission import check_choice, check_graph, read_inputs, read_topology
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.blueprint import Blueprint, blueprint
from sostruct.networks.hgf.filtering import BeliefState
from sostruct.networks.hgf.generative import sampling as generation
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.result import Fit
from sostruct.networks.hgf.layout import packing
from sostruct.networks.hgf.learning import weights
from sostruct.networks.hgf.moving import assigned, differing, given, moved, replaced
from sostruct.networks.hgf.packed import Observations, PackedHGF, fresh, initial
from sostruct.networks.hgf.runner import Runner
from sostruct.networks.hgf.settings import EdgeName, settings
from sostruct.networks.hgf.trace import Trace
from sostruct.networks.hgf.updates import UPDATES, Options
from sostruct.numerics import Numbers
from sostruct.surprise import Signals

_SMALL = 8
"""Nodes up to which an unedited graph is unrolled by itself: packed, a step of so few takes several times as long."""

_UNROLLED = 16
"""Nodes up to which a graph may be unrolled: compiling takes seconds there, and the packed schedule is as fast."""


_Function = TypeVar("_Function", bound=Callable[..., Any])


@final
class _Plain:
    """A method that binds as a partial function, which JAX can hash; equinox's bound methods flatten the network at
    every access, which takes half as long as filtering a short series."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __get__(self, network: HGF | None, owner: type[HGF]) -> Callable[..., Any]:
        return self.function if network is None else partial(self.function, network)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)


def _plain(function: _Function) -> _Function:
    return cast(_Function, _Plain(function))


@final
class HGF(AbstractNetwork):
    """A generalized hierarchical Gaussian filter on any acyclic graph of value and volatility couplings.

    Each node holds a Gaussian belief about a hidden state or observes a series. A value parent drives the mean of its
    children and a volatility parent the log variance of their steps (Mathys et al. 2014; Weber et al. 2023,
    arXiv 2305.10937). Filters run in double precision by themselves, whatever JAX's flag.

    Attributes:
        topology: the graph: kinds, parameters, couplings.
        packed: the same as arrays, with the beliefs.
        inputs: the observed leaves, in the order of the data's `columns`.
        schedule: as in the arguments.
        dtype: as in the arguments.
        packing: where every node and edge stands in the arrays.
        drawn: the graph as the unrolled schedule compiles it, or None where the packed one runs.
    """

    topology: Topology
    packed: PackedHGF
    inputs: tuple[str, ...] = eqx.field(static=True)
    schedule: str = eqx.field(static=True)
    dtype: str = eqx.field(static=True)
    packing: Packing = eqx.field(static=True)
    drawn: Blueprint | None = eqx.field(static=True)

    def __init__(
        self,
        graph: nx.DiGraph | Topology,
        *,
        inputs: Sequence[str] | None = None,
        update: str = "ehgf",
        mean_field: bool = True,
        carry: str = "exact",
        linearize: str = "prediction",
        assimilate: str = "joint",
        schedule: str = "auto",
        dtype: str = "float64",
    ) -> None:
        """
        Args:
            graph: edges point from parents to children. Nodes have `kind` ("continuous", "binary", "volatile",
                "constant", "average"; of inputs also "category", "normal", "bernoulli", "poisson", "exponential") and
                that kind's parameters; edges have `coupling` ("value" or "volatility"), `strength` and
                `function` (a name, or a function with a name of its own). It is copied.
            inputs: names of the observed leaves; by default every leaf that is not a constant, sorted by name. Other
                leaves are hidden states without data.
            update: how posteriors are computed: "ehgf", "standard" or "unbounded".
            mean_field: whether a prediction takes its parents' means for certain, as the literature's filter does;
                if not, their variances enter it.
            carry: which variance is carried to the next step and to volatility parents: "exact", where an
                autoconnection lam shrinks it by lam^2 and an observed input has none left, or the "literature"'s, where
                neither is so.
            linearize: where coupling functions are linearized: at the "prediction" or the "previous" posterior.
            assimilate: whether several value parents share their child's error by one gain ("joint", exact for linear
                couplings) or each corrects all of it ("separate", the literature's).
            schedule: "unrolled" compiles one graph of at most 16 nodes, "packed" any graph that fits its capacity;
                "auto" unrolls up to 8 nodes until the first edit.
            dtype: "float64" or "float32".

        Raises:
            GraphError: the graph does not follow the schema or is not one a filter can express; the message names the
                node or edge.
            ConfigError: a setting is not one of its choices.
        """
        topology = read_topology(graph)
        self.inputs = read_inputs(topology, inputs)
        check_graph(topology, self.inputs)
        choices = {
            "update": (update, ("ehgf", *sorted(UPDATES.keys() - {"ehgf"}))),
            "mean_field": (mean_field, (True, False)),
            "carry": (carry, ("exact", "literature")),
            "linearize": (linearize, ("prediction", "previous")),
            "assimilate": (assimilate, ("joint", "separate")),
            "schedule": (schedule, ("auto", "packed", "unrolled")),
            "dtype": (dtype, ("float64", "float32")),
        }
        for setting, (value, known) in choices.items():
            check_choice(setting, value, known)
        options = Options(
            update=UPDATES[update],
            relaxed=not mean_field,
            exact=carry == "exact",
            at_prediction=linearize == "prediction",
            joint=assimilate == "joint",
        )
        self.topology, self.schedule, self.dtype = topology, schedule, dtype
        self.packing = packing(topology, self.inputs)
        self.packed = fresh(self.packing, options)
        self.drawn = _drawn(self.packing, schedule, unroll=topology.size <= _SMALL)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes, sorted."""
        return self.topology.names

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data: the inputs, but one for a categorical variable and those of a normal one."""
        return self._runner.reader.columns

    @property
    def options(self) -> Options:
        """How the filter approximates."""
        return self.packed.wiring.options

    @property
    def state(self) -> BeliefState:
        """The beliefs that the next pass starts from."""
        return self.packed.state

    @property
    def needs_double(self) -> bool:
        """Whether it filters in double precision."""
        return self.dtype == "float64"

    @_plain
    def filter(
        self, inputs: Any, time_steps: Any = None, *, start: BeliefState | None = None, strict: bool = True
    ) -> Beliefs:
        """Beliefs after every step of a series, or of several subjects' series at once.

        Args:
            inputs: what was observed, NaN where missing: an array [time] (one input), [time, input] or
                [subject, time, input]; a DataFrame whose columns are the inputs; a dict of subject -> frame.
            time_steps: elapsed time before each step, all positive: [time] or [subject, time]; 1 by default.
            start: the `last` of earlier beliefs of this network, one for all subjects or one for each; the network's
                own `state` by default.
            strict: whether to refuse a posterior that is no belief. If not, the node holds its prediction for that
                step and `Beliefs.held` counts it.

        Raises:
            DataError: the series or its time steps cannot be used; see `inputs.read_series`.
            GraphError: time steps other than 1 meet a negative autoconnection.
            BeliefError: `strict`, and some posterior is no belief: the first such node, step and cause are named.
        """
        return self._runner.filter(inputs, time_steps, start, strict)

    @_plain
    def log_evidence(self, inputs: Any, time_steps: Any = None) -> Float[Array, ""]:
        """Log predictive density of a series, nats: minus the joint surprise summed over steps and subjects.

        Traceable: differentiate it through `with_parameters`, and map or differentiate it over arrays of data. While
        JAX traces, it runs in the caller's precision; set `jax_enable_x64` for gradients in double precision. It is
        nan where some posterior is no belief.

        Args:
            inputs: as in `filter`; while it is traced, an array.
            time_steps: as in `filter`.

        Raises:
            DataError: see `filter`.
            GraphError: see `filter`.
        """
        return self._runner.log_evidence(inputs, time_steps)

    @_plain
    def trace(self, inputs: Any, time_steps: Any = None) -> Trace:
        """Beliefs along a series as JAX arrays by node name, for losses, responses and agents of one's own.

        Traceable like `log_evidence`; nothing is checked but what `filter` checks before it starts, and `Trace.sound`
        says whether all beliefs were valid.

        Args:
            inputs: as in `filter`; while it is traced, an array.
            time_steps: as in `filter`.

        Raises:
            DataError: see `filter`.
            GraphError: see `filter`.
        """
        return self._runner.trace(inputs, time_steps)

    @overload
    def fit(self, inputs: Any, *_: Any, method: Literal["nuts"], **settings: Any) -> Draws: ...

    @overload
    def fit(self, inputs: Any, *_: Any, **settings: Any) -> Fit: ...

    @_plain  # type: ignore[misc]
    def fit(
        self,
        inputs: Any,
        responses: Any = None,
        priors: Mapping[Any, Any] | None = None,
        response: Any = None,
        *,
        method: str = "map",
        starts: int = 8,
        correlated: bool = False,
        time_steps: Any = None,
        key: PRNGKeyArray | None = None,
        **sampling: Any,
    ) -> Fit | Draws:
        """Parameters of every subject at the mode of their posterior, given what was observed or what subjects did.

            net.fit(inputs, priors={"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 2.0)}})
            net.fit(inputs, choices, {"x2": {...}, ("x3", "x2"): {"strength": ...}}, "unit_square_sigmoid")

        Without responses, `log p(inputs | x) + log p(z)` is maximized; with them, `log p(responses | x, inputs) +
        log p(z)`, z being x without bounds; see `inference.objective` and docs/fitting.md. Parameters without a prior
        keep the network's values, and every subject starts with the network's beliefs.

        Args:
            inputs: as in `filter`; members of a dict of subjects may differ in length.
            responses: what was done at each step, NaN where missing: [time], [subject, time], or a dict of subject ->
                [time].
            priors: by node name or (parent, child), as in `with_parameters`: parameter -> prior (`ss.priors`); those of
                the response model under "response".
            response: how beliefs became responses: an object of `ss.responses`; "binary_softmax",
                "unit_square_sigmoid", "value_softmax" or "gaussian" of the only input; or a function of (responses,
                trace, inputs, values) that returns log densities.
            method: "map": every subject by itself under the priors. "hierarchical": subjects are members of a group
                whose mean and variance, in z, are fitted as well (empirical Bayes); the priors are then the mean's.
                "nuts": draws from the posterior, begun around the modes, as `Draws` (needs the extra `bayes`).
            starts: from how many points each subject is fitted: the centers of the priors, and draws from them.
            correlated: whether parameters may be correlated across the members of a group.
            time_steps: as in `filter`.
            key: of the draws; by default always the same ones.
            **sampling: of "nuts": draws, warmup, chains, acceptance, progress; see docs/sampling_posteriors.md.

        Raises:
            ConfigError: a setting, a prior or the response model does not fit; nothing has a prior.
            GraphError: there is no such node, edge or parameter.
            DataError: see `filter`; or responses do not fit the inputs or the model, or all of them are missing.
            BeliefError: beliefs break down wherever a subject's fit could start.
        """
        from sostruct.networks.hgf.inference.estimate import fit

        return fit(
            self,
            inputs,
            responses,
            priors,
            response,
            method=method,
            starts=starts,
            correlated=correlated,
            time_steps=time_steps,
            key=key,
            sampling=sampling,
        )

    sample = _plain(generation.sample)
    learn_weights = _plain(weights.learn_weights)

    def with_parameters(self, values: Mapping[str | EdgeName, Mapping[str, Any]]) -> HGF:
        """The same network with other parameters; traceable.

            net.with_parameters({"x1": {"tonic_volatility": -2.0}, ("x2", "x1"): {"strength": 0.5}})

        Setting "mean" or "precision", what a node believes before its first step, sets what it believes now. Plain
        numbers change the graph too; traced ones change the arrays alone.

        Args:
            values: by node name, or (parent, child), which (parent, child, coupling) makes unambiguous: parameter ->
                number.

        Raises:
            GraphError: there is no such node, edge or parameter, or a plain number does not fit it.
        """
        numbers = settings(self.topology, values)
        plain = [one for one in numbers if not isinstance(one[2], jax.core.Tracer)]
        edits = [SetParameters(place, {name: value}) for place, name, value in plain]
        topology = apply(self.topology, edits) if edits else self.topology
        return self._with(topology=topology, packed=assigned(self.packed, self.topology, self.packing, numbers))

    def with_state(self, state: BeliefState) -> HGF:
        """The same network believing what an earlier filter of it ended with (`Beliefs.last`): what an edit then moves.

        Raises:
            ConfigError: the beliefs are of a network of another shape, or of several subjects.
        """
        own = self.packed.state
        if state.beliefs.keys() != own.beliefs.keys() or state.beliefs["mean"].shape != own.beliefs["mean"].shape:
            raise ConfigError(
                "Cannot take over these beliefs. This is because they come from a network of another shape or from "
                "several subjects. Try the `last` of a filter of this network over one series."
            )
        return self.with_packed(PackedHGF(self.packed.wiring, state))

    @_plain
    def reset(self) -> HGF:
        """The same network with the beliefs it has before its first step."""
        wiring = self.packed.wiring
        return self.with_packed(PackedHGF(wiring, initial(self.packing, wiring.parameters, wiring.options)))

    @property
    def sequential(self) -> bool:
        """True: its state goes on from chunk to chunk."""
        return True

    @_plain
    def begun(self) -> HGF:
        """The network with its initial beliefs."""
        return self.reset()

    @_plain
    def with_packed(self, packed: PackedHGF) -> HGF:
        """The same network holding other arrays for the same graph."""
        return self._with(packed=packed)

    def prepare(self, data: Any, time_steps: Any = None) -> Observations:
        """A series as `epoch` takes it; arguments as in `filter`.

        Raises:
            DataError: see `filter`; several subjects are refused, since an epoch moves one state of beliefs.
        """
        series = self._runner.read(data, time_steps)
        if series.subjects is not None:
            raise DataError(
                "Cannot prepare several subjects for an epoch. This is because an epoch moves the network's one state "
                "of beliefs. Try one subject, or `filter`, which takes them all."
            )
        return Observations(series.values, series.time_steps)

    @_plain
    def reported(self, signals: Signals) -> Signals:
        """The rows of the nodes, on the host."""
        rows = np.array([self.packing.slot[name] for name in self.nodes])

        def own(numbers: Numbers) -> NDArray[Any]:
            found = np.asarray(numbers)
            return found[..., rows] if found.ndim else found

        reported: Signals = jax.tree.map(own, signals)
        return reported

    @_plain
    def edited(self, edits: Sequence[AbstractEdit], *, key: PRNGKeyArray) -> HGF:
        """The network on the edited graph, which runs packed unless `schedule` says otherwise.

        Nodes and edges that the edits do not touch keep parameters, strengths and beliefs bit for bit; new ones come
        from the graph. A new leaf is a hidden state without data: the inputs stay. Deterministic: `key` is unused.

        Raises:
            GraphError: an edit does not fit the graph, removes an input, or leaves what a filter can express.
            ConfigError: the graph outgrows the unrolled schedule.
        """
        del key
        topology = apply(self.topology, edits)
        for edit in edits:
            if isinstance(edit, RemoveNode) and edit.name in self.inputs:
                raise GraphError(
                    f"Cannot {edit}. This is because it is an input, and the data have a column for it. Try removing "
                    "its parents, or a new network on other inputs."
                )
        after = self._moved(topology, replaced(edits))
        values = given(edits, topology)
        return after._assigned(values) if values else after

    def at_topology(self, topology: Topology) -> HGF:
        """The network on another graph over the same inputs; what both graphs have in common keeps its numbers.

        Raises:
            GraphError: see `edited`.
            ConfigError: see `edited`.
        """
        values = differing(self.topology, topology)
        return self._moved(topology, ())._assigned(values)

    def at_capacity(self, capacity: Capacity) -> HGF:
        """The same network in at least that capacity; it never shrinks."""
        joined = self.packed.capacity.join(capacity)
        if joined == self.packed.capacity:
            return self
        return self._placed(self.topology, packing(self.topology, self.inputs, joined), self.drawn is not None)

    def candidates(self, signals: Signals, *, best: int, moves: frozenset[str]) -> Sequence[Candidate]:
        """None: a belief network has no closed-form price of an edit. `growth.counterfactual.evaluate` prices any."""
        del signals, best, moves
        return ()

    def draw(self, *, key: PRNGKeyArray) -> Sequence[Candidate]:
        """A random value or volatility coupling for every node that can take one; all of them can be made together."""
        return draw(self.topology, self.inputs, np.random.default_rng(np.asarray(jax.random.key_data(key))))

    def plot(self, **options: Any) -> Any:
        """A drawing of the graph with its parameters; see `network_figure.draw_network`. Returns the axes."""
        from sostruct.networks.hgf.network_figure import draw_network

        return draw_network(self, **options)

    def __repr__(self) -> str:
        return f"HGF({self.topology.size} nodes, inputs {', '.join(self.inputs)}, update={self.options.update.name!r})"

    @_plain
    def _moved(self, topology: Topology, gone: Any) -> HGF:
        """On another graph."""
        inputs = read_inputs(topology, self.inputs)
        check_graph(topology, inputs)
        return self._placed(topology, packing(topology, inputs, self.packed.capacity), False, gone)

    @_plain
    def _placed(self, topology: Topology, places: Packing, unroll: bool, gone: Any = ()) -> HGF:
        packed = moved(self.packed, (self.topology, self.packing), (topology, places), gone)
        drawn = _drawn(places, self.schedule, unroll=unroll)
        return self._with(topology=topology, packed=packed, packing=places, drawn=drawn)

    @_plain
    def _assigned(self, values: Any) -> HGF:
        return self._with(packed=assigned(self.packed, self.topology, self.packing, values))

    @_plain
    def _with(self, **changes: Any) -> HGF:
        """A copy with other fields. Nothing is checked: `__init__` is for graphs nobody has checked."""
        network = object.__new__(HGF)
        for name in _FIELDS:
            object.__setattr__(network, name, changes[name] if name in changes else getattr(self, name))
        return network

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self.topology, self.packing, self.packed, self.drawn, self.needs_double)


_FIELDS = ("topology", "packed", "inputs", "schedule", "dtype", "packing", "drawn")


def _drawn(places: Packing, schedule: str, *, unroll: bool) -> Blueprint | None:
    """The graph for the unrolled schedule where that is to run; "auto" leaves it to `unroll`."""
    size = len(places.slot)
    if schedule == "unrolled" and size > _UNROLLED:
        raise ConfigError(
            f"Cannot unroll {size} nodes. This is because each is compiled by itself, and from {_UNROLLED + 1} on that "
            "takes longer than it saves. Try schedule='packed'."
        )
    return blueprint(places) if schedule == "unrolled" or (schedule == "auto" and unroll) else None
