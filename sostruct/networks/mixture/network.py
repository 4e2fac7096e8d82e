"""The mixture: a Dirichlet process whose components are nodes of a graph that grows.

`MixtureNetwork` translates between a `Topology` and the arrays of `packed.py`. An input is a leaf of the kind
"continuous": its `mean` and `precision` say where components are expected and how precisely points stay by them. A
component is a node of the kind "component" with one value edge to every input; the strength of an edge is where the
component begins in that dimension and its `count` how many points that is worth. So the graph holds the beginning of
everything, and what has been learned since is `packed.state`: an epoch continues from there, `reset` goes back to the
beginning. Rows of components are in the order of their names, a pure function of the topology, so that a resumed run
rounds exactly as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from sostruct.graph import AbstractEdit, AddNode, Capacity, Node, RemoveNode, Topology, apply
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.mixture.admission import check_graph, each, read_inputs, read_points, read_prior
from sostruct.networks.mixture.conjugate import believe, log_density, nothing, seed_price
from sostruct.networks.mixture.moves import birth, merge, merges, touched
from sostruct.networks.mixture.moving import begins_alike, carried, components_of, needed_capacity, seeded
from sostruct.networks.mixture.packed import MixtureData, MixtureGains, PackedMixture, label_density
from sostruct.numerics import Numbers, double_precision
from sostruct.surprise import Signals

if TYPE_CHECKING:
    import pandas as pd


@final
class MixtureNetwork(AbstractNetwork):
    """Points predicted by a growing number of components.

    Attributes:
        topology: inputs of kind "continuous", components of kind "component", a value edge from each to each.
        packed: the same as arrays.
        inputs: the inputs in the order of the data's columns.
    """

    topology: Topology
    packed: PackedMixture
    inputs: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        graph: nx.MultiDiGraph | Topology,
        *,
        inputs: Sequence[str] | None = None,
        spread: float | Sequence[float] = 1.0,
        concentration: float = 1.0,
        freedom: float = 4.0,
        memory: float | None = None,
    ) -> MixtureNetwork:
        """The mixture of a graph.

        Args:
            graph: leaves of kind "continuous", components of kind "component" with a value edge to every leaf.
            inputs: the leaves in the order of the data's columns; sorted by name when not given.
            spread: standard deviation of the centers of components about the input's `mean`, one number or one per
                input, in its units.
            concentration: alpha of the Dirichlet process: the larger, the more components are expected.
            freedom: how many points the input's `precision` is worth as an expectation of a component's own.
            memory: steps over which what was seen fades to 1 / e, so that components may drift and be forgotten; None
                for never.

        Raises:
            GraphError: the graph is not that of a mixture.
            ConfigError: a setting is out of its range.
        """
        topology = graph if isinstance(graph, Topology) else Topology.from_networkx(graph)
        names = read_inputs(topology, inputs)
        check_graph(topology, names)
        prior = read_prior(names, spread, concentration, freedom, memory)
        return cls(topology, seeded(topology, names, prior, needed_capacity(topology, names)), names)

    @classmethod
    def bare(
        cls,
        inputs: Sequence[str],
        *,
        center: float | Sequence[float] = 0.0,
        spread: float | Sequence[float] = 1.0,
        noise: float | Sequence[float] = 0.25,
        components: int = 1,
        concentration: float = 1.0,
        freedom: float = 4.0,
        memory: float | None = None,
    ) -> MixtureNetwork:
        """A mixture before it has grown.

        Args:
            inputs: names of the data's columns, in order.
            center: where components are expected, one number or one per input, in its units.
            spread: standard deviation of their centers about it.
            noise: expected standard deviation of points about their component.
            components: how many there are to begin with (0 or 1), the one at the center.
            concentration: see `of`.
            freedom: see `of`.
            memory: see `of`.

        Raises:
            ConfigError: a setting is out of its range.
            GraphError: two inputs have one name.
        """
        names = tuple(inputs)
        centers = each("center", center, names, positive=False)
        precisions = 1.0 / each("noise", noise, names, positive=True) ** 2
        topology = Topology(
            tuple(
                Node(name, "continuous", {"mean": float(middle), "precision": float(precision)})
                for name, middle, precision in zip(names, centers, precisions, strict=True)
            ),
            (),
        )
        settings: dict[str, Any] = {"concentration": concentration, "freedom": freedom, "memory": memory}
        for _ in range(components):
            topology = apply(topology, birth(topology, names, centers.tolist()))
        return cls.of(topology, inputs=names, spread=spread, **settings)

    @classmethod
    def suited(cls, frame: pd.DataFrame, **settings: Any) -> MixtureNetwork:
        """A bare mixture in the units of a table: center and spread are the columns' means and standard deviations, and
        a component is expected to be a fifth as wide. `settings` as in `bare`; they win.

        Raises:
            ConfigError: a column is constant, or a setting is out of its range.
        """
        wide = np.asarray(frame.std(ddof=0), np.float64)
        own: dict[str, Any] = {"center": frame.mean().tolist(), "spread": wide.tolist(), "noise": (wide / 5.0).tolist()}
        return cls.bare([str(name) for name in frame.columns], **(own | settings))

    @property
    def needs_double(self) -> bool:
        """Always: prices are small differences of large numbers."""
        return True

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes, sorted."""
        return self.topology.names

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components, in the order of their rows."""
        return components_of(self.topology)

    def table(self) -> pd.DataFrame:
        """What every component believes now: a row each, indexed by its name.

        Columns: `weight` (points it remembers), then per input `mean` and `sd` of the next point it would make, named
        "x mean" and "x sd".
        """
        import pandas as pd

        means, variances = self.moments()
        deviations, count = np.sqrt(variances), len(means)
        columns: dict[str, Any] = {"weight": np.asarray(self.packed.state.weight)[:count]}
        for place, name in enumerate(self.inputs):
            columns |= {f"{name} mean": means[:, place], f"{name} sd": deviations[:, place]}
        return pd.DataFrame(columns, index=list(self.components))

    def charges(self) -> NDArray[np.float64]:
        """What a birth at the mean of each component would pay for its place, at most 0 unless alpha is above 1
        [component], nats."""
        prior, means = self.packed.prior, self.moments()[0]
        with double_precision():
            prices = np.asarray(seed_price(prior, np.ones(len(means)), means)) + np.log(prior.concentration)
        return np.asarray(prices)

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of the next point that each component would make [component, input]."""
        state, count = self.packed.state, len(self.components)
        with double_precision():
            belief = believe(self.packed.prior, state.seen, state.mean, state.square)
            return np.asarray(belief.mean)[:count], np.asarray(belief.variance)[:count]

    def log_density(self, data: Any) -> NDArray[np.float64]:
        """Log predictive density of every row of new data by itself, as the mixture stands: nothing is learned [time].

        Raises:
            DataError: see `prepare`.
        """
        return np.asarray(logsumexp(self._labelled(data), axis=1))

    def share(self, data: Any) -> NDArray[np.float64]:
        """Probability that each row belongs to each component, then to a new one [time, component + 1]; rows sum to 1.

        Raises:
            DataError: see `prepare`.
        """
        shares = np.asarray(softmax(self._labelled(data), axis=1))
        return shares[:, [*range(len(self.components)), -1]]

    def _labelled(self, data: Any) -> NDArray[np.float64]:
        points = self.prepare(data).values
        with double_precision():
            return np.asarray(_labelled(self.packed, points))

    def prepare(self, data: Any) -> MixtureData:
        """Points [time, input] from a table with the inputs' columns or an array in their order; NaN is missing.

        Raises:
            DataError: columns are missing, there are no rows, or a value is infinite or no number.
        """
        return MixtureData(read_points(data, self.inputs))

    def reset(self) -> MixtureNetwork:
        """The same mixture, having seen nothing but the beginnings its graph tells of."""
        packed = self.packed
        return self.with_packed(eqx.tree_at(lambda one: one.state, packed, packed.start))

    def afresh(self, topology: Topology) -> MixtureNetwork:
        """A mixture with the same settings on another graph over the same inputs, which has seen nothing but the
        beginnings that the graph tells of, in no larger capacity than that needs.

        Raises:
            GraphError: see `edited`.
        """
        check_graph(topology, self.inputs)
        capacity = needed_capacity(topology, self.inputs)
        return MixtureNetwork(topology, seeded(topology, self.inputs, self.packed.prior, capacity), self.inputs)

    @property
    def sequential(self) -> bool:
        """True: its state goes on from chunk to chunk."""
        return True

    def begun(self) -> MixtureNetwork:
        """The same mixture, `reset`."""
        return self.reset()

    def reported(self, signals: Signals) -> Signals:
        """The rows of the nodes; components without their padding."""
        gains, dims = signals.gains, len(self.inputs)
        if not isinstance(gains, MixtureGains):
            raise TypeError("signals do not come from a mixture")
        rows = {name: place for place, name in enumerate((*self.inputs, *self.components))}
        order, count = np.array([rows[name] for name in self.nodes]), len(rows) - dims

        def own(numbers: Numbers) -> Array:
            return jnp.asarray(np.asarray(numbers)[order])

        return Signals(
            surprise=own(signals.surprise),
            expected=own(signals.expected),
            error=own(signals.error),
            precision=own(signals.precision),
            count=own(signals.count),
            evidence=signals.evidence,
            gains=MixtureGains(
                reducible=own(gains.reducible),
                merge=jnp.asarray(np.asarray(gains.merge)[:count, :count]),
                charge=jnp.asarray(np.asarray(gains.charge)[:count]),
                fresh=jnp.asarray(np.asarray(gains.fresh)[:count]),
                share=jnp.asarray(np.asarray(gains.share)[:, :count]),
                log_density=gains.log_density,
                points=gains.points,
            ),
        )

    def with_packed(self, packed: PackedMixture) -> MixtureNetwork:
        """The same mixture holding other arrays for the same graph."""
        return MixtureNetwork(self.topology, packed, self.inputs)

    def edited(self, edits: Sequence[AbstractEdit], *, key: PRNGKeyArray) -> MixtureNetwork:
        """The mixture on the edited graph. Components that no edit names keep what they have seen, bit for bit; a new
        one begins as the graph says; two that merge are pooled (`moves.merge`). Deterministic: `key` is unused.

        Raises:
            GraphError: an edit does not fit the graph, or leaves what a mixture can express.
        """
        del key
        topology = apply(self.topology, edits)
        removed = {edit.name for edit in edits if isinstance(edit, RemoveNode)}
        heirs = {gone: merged for gone, merged in merges(edits).items() if gone not in topology}
        return self._moved(topology, removed | (touched(edits) - {heir for heir, _ in heirs.values()}), heirs)

    def at_topology(self, topology: Topology) -> MixtureNetwork:
        """The mixture on another graph over the same inputs; components that begin alike in both keep what they have
        seen.

        Raises:
            GraphError: see `edited`.
        """
        other = [name for name in components_of(topology) if not begins_alike(self.topology, topology, name)]
        return self._moved(topology, set(other), {})

    def at_capacity(self, capacity: Capacity) -> MixtureNetwork:
        """The same mixture with at least as many slots."""
        joined = self.packed.capacity.join(capacity)
        return self if joined == self.packed.capacity else self._placed(self.topology, joined, (), {})

    def candidates(self, signals: Signals, *, best: int, moves: frozenset[str]) -> Sequence[Candidate]:
        """The `best` merges of every component into a heavier one ("prune"), in closed form, best first.

        Births are priced by `growth.crp.CRP`: what a component would explain depends on where it begins.
        """
        gains, names = signals.gains, self.components
        if not isinstance(gains, MixtureGains):
            raise TypeError("signals do not come from a mixture")
        if "prune" not in moves or len(names) < 2:
            return ()
        prices, charge = np.asarray(gains.merge), np.asarray(gains.charge)
        state = self.packed.state
        weight, seen, mean = (np.asarray(getattr(state, part)) for part in ("weight", "seen", "mean"))
        found = []
        for gone, name in enumerate(names):
            heavier = [heir for heir in range(len(names)) if (weight[heir], -heir) > (weight[gone], -gone)]
            ranked = sorted(heavier, key=lambda heir: -prices[gone, heir])[:best]
            for heir in ranked:
                total = np.where(seen[gone] + seen[heir] > 0.0, seen[gone] + seen[heir], 1.0)
                place = (seen[gone] * mean[gone] + seen[heir] * mean[heir]) / total
                nats = float(prices[gone, heir] - charge[gone])
                edit = merge(name, names[heir], self.inputs, place.tolist())
                found.append(Candidate(name, edit, nats, frozenset({*self.inputs, name, names[heir]})))
        return found

    def draw(self, *, key: PRNGKeyArray) -> Sequence[Candidate]:
        """A birth at a place drawn from the prior, without a price."""
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        prior = self.packed.prior
        place = generator.normal(np.asarray(prior.center), np.asarray(prior.spread))
        edit = birth(self.topology, self.inputs, place.tolist())
        name = next(one.name for one in edit if isinstance(one, AddNode))
        return [Candidate(name, edit, float("nan"), frozenset({*self.inputs, name}))]

    def __repr__(self) -> str:
        return f"MixtureNetwork({len(self.components)} components, inputs {', '.join(self.inputs)})"

    def _moved(
        self, topology: Topology, begun: Collection[str], heirs: Mapping[str, tuple[str, bool]]
    ) -> MixtureNetwork:
        """On another graph, some of whose components have just begun and others are heirs."""
        check_graph(topology, self.inputs)
        needed = needed_capacity(topology, self.inputs).join(self.packed.capacity)
        return self._placed(topology, needed, begun, heirs)

    def _placed(
        self, topology: Topology, capacity: Capacity, begun: Collection[str], heirs: Mapping[str, tuple[str, bool]]
    ) -> MixtureNetwork:
        fresh = seeded(topology, self.inputs, self.packed.prior, capacity)
        state = carried(
            self.packed.state, fresh.state, self.components, components_of(topology), frozenset(begun), heirs
        )
        return MixtureNetwork(topology, eqx.tree_at(lambda one: one.state, fresh, state), self.inputs)


@jax.jit
def _labelled(packed: PackedMixture, points: Float[Numbers, "time dim"]) -> Float[Array, "time label"]:
    """Log joint density of every point and its label, the last label being "new"."""
    prior, state = packed.prior, packed.state
    own = believe(prior, state.seen, state.mean, state.square)
    labels = label_density(prior, jnp.asarray(packed.mask), jnp.asarray(state.weight))

    def one(point: Float[Array, " dim"]) -> Float[Array, " label"]:
        present = ~jnp.isnan(point)
        value = jnp.where(present, point, 0.0)
        rows = jnp.concatenate([log_density(own, value), log_density(nothing(prior), value)[None]])
        return labels + jnp.sum(jnp.where(present, rows, 0.0), axis=1)

    return jax.vmap(one)(jnp.asarray(points))
