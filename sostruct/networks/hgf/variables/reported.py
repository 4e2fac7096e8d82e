"""What beliefs say about a whole variable: probabilities of labels, a Dirichlet distribution, pseudo-counts.

Everything here is read off the beliefs in the parents of the variable's parts, whose Gaussians make those of the parts'
linear predictors. Before a step they are the predictions, with the variances that the filter scored by; after it, the
posteriors of the value parents, taken as independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from sostruct.errors import ConfigError
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput
from sostruct.networks.hgf.kinds.category import Category
from sostruct.networks.hgf.kinds.outcome import chance_of, expected_chance
from sostruct.networks.hgf.kinds.statistic import AbstractStatistic
from sostruct.networks.hgf.variables.names import Variable, variables_of
from sostruct.numerics import double_precision
from sostruct.tasks.base import listed

if TYPE_CHECKING:
    from sostruct.networks.hgf.beliefs import Beliefs

Floats: TypeAlias = NDArray[np.float64]
When: TypeAlias = Literal["before", "after"]


def variables(beliefs: Beliefs) -> dict[str, Variable]:
    """The variables that were observed, by name."""
    kinds = {name: cast(AbstractInput, KINDS[beliefs.topology.node(name).kind]) for name in beliefs.inputs}
    return {variable.name: variable for variable in variables_of(beliefs.inputs, kinds)}


def categorical(beliefs: Beliefs, name: str) -> Variable:
    """A categorical variable.

    Raises:
        ConfigError: there is none of that name.
    """
    return _variable(beliefs, name, Category, "categorical variable, one of the kind 'category'")


def probabilities(beliefs: Beliefs, variable: Variable, when: When = "before") -> Floats:
    """P_k = p_k / sum_j p_j [..., label]; see `kinds.category`."""
    with double_precision():
        chance = np.asarray(expected_chance(*map(jnp.asarray, linear(beliefs, variable, when))))
    shares: Floats = chance / chance.sum(-1, keepdims=True)
    return shares


def concentration(beliefs: Beliefs, variable: Variable, when: When = "before") -> Floats:
    """Concentrations alpha_k = nu P_k of the Dirichlet distribution of a categorical variable [..., label].

    A label's log odds with mean mh and variance v move by (u - mh) v / (1 + v s), s = sigmoid(mh) sigmoid(-mh), when
    the label is seen or not, and its chance by s times that: the ratio of error to step is 1 + 1 / (v s), so its belief
    is worth nu_k = 1 / (v s) observations, and that in the variable is worth nu, their mean over labels.
    """
    mean, variance = linear(beliefs, variable, when)
    with double_precision():
        sharpness = 1.0 / np.asarray(chance_of(jnp.asarray(mean)).variance)
    worth = np.mean(1.0 / (variance * sharpness), -1, keepdims=True)
    found: Floats = worth * probabilities(beliefs, variable, when)
    return found


def divergence(after: Floats, before: Floats) -> Floats:
    """KL(Dirichlet(after) || Dirichlet(before)) [...], nats, of concentrations [..., label]."""
    total = after.sum(-1)
    constant = gammaln(total) - gammaln(after).sum(-1) - gammaln(before.sum(-1)) + gammaln(before).sum(-1)
    found: Floats = constant + ((after - before) * (digamma(after) - digamma(total)[..., None])).sum(-1)
    return found


def worth(beliefs: Beliefs, name: str) -> Floats:
    """nu of a variable of the exponential family before each step [...]; see `kinds.statistic`.

    Raises:
        ConfigError: there is none of that name.
    """
    wanted = "variable of the exponential family, one of the kinds 'normal', 'bernoulli', 'poisson' and 'exponential'"
    variable = _variable(beliefs, name, AbstractStatistic, wanted)
    places = [beliefs.nodes.index(beliefs.inputs[position]) for position in variable.positions]
    noise = 1.0 / beliefs.expected_precision[..., places].astype(np.float64)
    found: Floats = np.mean(noise / beliefs.spread[..., list(variable.positions)], -1)
    return found


def linear(beliefs: Beliefs, variable: Variable, when: When) -> tuple[Floats, Floats]:
    """Means and variances of the linear predictors of a variable's parts [..., part]."""
    center = beliefs.expected_mean if when == "before" else beliefs.mean
    sharpness = beliefs.expected_precision if when == "before" else beliefs.precision
    means, variances = [], []
    with double_precision():
        for position in variable.positions:
            mean: Any = np.zeros(center.shape[:-1])
            variance: Any = np.zeros_like(mean)
            for edge in beliefs.topology.parents(beliefs.inputs[position]):
                if edge.coupling == "value":
                    parent, function = beliefs.nodes.index(edge.source), FUNCTIONS[edge.function]
                    at = jnp.asarray(center[..., parent], jnp.float64)
                    mean = mean + edge.strength * np.asarray(function.value(at))
                    if beliefs.topology.node(edge.source).kind != "constant":
                        own = sharpness[..., parent].astype(np.float64)
                        variance = variance + (edge.strength * np.asarray(function.slope(at))) ** 2 / own
            means.append(mean)
            variances.append(variance)
    spread = beliefs.spread[..., list(variable.positions)] if when == "before" else np.stack(variances, -1)
    return np.stack(means, -1), spread


def _variable(beliefs: Beliefs, name: str, kind: type, wanted: str) -> Variable:
    found = variables(beliefs)
    if name not in found or not isinstance(found[name].kind, kind):
        fitting = [own.name for own in found.values() if isinstance(own.kind, kind)]
        advice = f"one of {listed(fitting)}" if fitting else "a network that observes one"
        raise ConfigError(
            f"Cannot report on the variable {name!r}. This is because the network observes no {wanted}, of that name. "
            f"Try {advice}."
        )
    return found[name]
