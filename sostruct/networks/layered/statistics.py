"""What single rows say about every node: sums, and slopes of their surprise, as rules of growth ask for them.

The slope of a node is that of a row's surprise with respect to its weighted sum z, all later nodes following. From
these and what parents send, everything that rules score is made of products over rows: gradients of weights that do not
exist yet, their curvature, and what a unit would explain.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped
from numpy.typing import NDArray

from sostruct.graph import width_of
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.forward import sums
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.packed import LayeredData, PackedLayered
from sostruct.networks.layered.plan import edges_of, nodes_of
from sostruct.numerics import Numbers, double_precision


class RowStatistics(eqx.Module):
    """Of some rows, without padding.

    Attributes:
        sums: z of every node by name [row, unit]; of inputs, what they observe, standardized.
        slopes: d surprise / d z of every node by name [row, unit], nats.
    """

    sums: dict[str, NDArray[np.float64]]
    slopes: dict[str, NDArray[np.float64]]

    def sent(self, source: str, function: str) -> NDArray[np.float64]:
        """What a node sends through a function [row, unit]."""
        with double_precision(False):
            return np.asarray(_value(function, self.sums[source].astype(np.float32)), np.float64)

    def take(self, rows: NDArray[np.int64]) -> RowStatistics:
        """The same of some of the rows."""
        return RowStatistics(*({name: own[rows] for name, own in part.items()} for part in (self.sums, self.slopes)))


def statistics(network: LayeredNetwork, data: LayeredData, *, heldout: bool = False) -> RowStatistics:
    """What the learned rows say, or those held out of learning."""
    inputs, target = (data.heldout_inputs, data.heldout_target) if heldout else (data.inputs, data.target)
    with double_precision(False):
        z, slopes = _rows(network.packed, inputs, target)
    names, topology = nodes_of(network.topology), network.topology
    widths = [width_of(topology.node(name)) for name in names]
    return RowStatistics(
        *(
            {name: np.asarray(own, np.float64)[:, :width] for name, own, width in zip(names, part, widths, strict=True)}
            for part in (z, slopes)
        )
    )


@jax.jit
def _rows(
    packed: PackedLayered, inputs: Float[Numbers, "row column"], target: Shaped[Numbers, row * unit]
) -> tuple[list[Array], list[Array]]:
    given = packed.standardized(inputs)
    wanted, noise = packed.standardized_target(target), jnp.asarray(packed.noise)

    def total(nudges: list[Array]) -> tuple[Array, list[Array]]:
        z = sums(packed.plan, packed.parameters, given, nudges)
        return jnp.sum(packed.output.surprise(z[packed.plan.output], wanted, noise)), z

    rows = given[0].shape[0]
    nudges = [jnp.zeros((rows, packed.plan.slots(place))) for place in range(len(packed.plan.kinds))]
    slopes, z = jax.grad(total, has_aux=True)(nudges)
    return z, slopes


def _value(function: str, z: Float[Numbers, "row unit"]) -> Array:
    return FUNCTIONS[function].value(jnp.asarray(z))


def squares(network: LayeredNetwork, data: LayeredData) -> dict[tuple[str, str, str, int], NDArray[np.float64]]:
    """Mean over learned rows of the squared slope of a row's surprise with respect to every weight, by edge [source
    unit, target unit]: the diagonal of the empirical Fisher information of one row.

    A weight's slope is what is sent times the slope of the sum that receives it, so its square over rows is a product
    of matrices.
    """
    rows = statistics(network, data)
    count = len(data.target)
    return {
        edge.key: (rows.sent(edge.source, edge.function) ** 2).T @ rows.slopes[edge.target] ** 2 / count
        for edge in edges_of(network.topology)
    }


def gradients(network: LayeredNetwork, data: LayeredData) -> dict[tuple[str, str, str, int], NDArray[np.float64]]:
    """Slope of the mean surprise per learned row with respect to every weight there could be, by edge [source unit,
    target unit], nats."""
    rows = statistics(network, data)
    count = len(data.target)
    return {
        edge.key: rows.sent(edge.source, edge.function).T @ rows.slopes[edge.target] / count
        for edge in edges_of(network.topology)
    }


def slope_at_zero(function: str) -> tuple[float, float]:
    """The value and the slope of a function at 0."""
    with double_precision(False):
        value, slope = jax.jvp(FUNCTIONS[function].value, (jnp.zeros(()),), (jnp.ones(()),))
    return float(value), float(slope)
