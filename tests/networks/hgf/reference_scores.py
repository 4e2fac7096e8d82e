"""What one step of the reference filter is worth in nats: jointly, input by input, and as the literature counts.

These read the predictions of a `Filter` before anything is observed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tests.networks.hgf.reference_parts import binary_surprise, normal_surprise
from tests.networks.hgf.reference_variables import BINARY, categorical, groups, predicted

if TYPE_CHECKING:
    from tests.networks.hgf.reference import Filter


def predictive(state: Filter) -> tuple[dict[str, float], np.ndarray]:
    """Mean and covariance [input, input] of the inputs' linear predictors, before any of them is seen.

    The states' own innovations, with their variances given the parents, reach the inputs through every value
    coupling on the way.
    """
    reach = {}
    for name in state.order:
        own = [float(name == other) for other in state.states]
        reach[name] = np.array(own)
        for link in state.uncertain_parents(name):
            reach[name] += state.expected_slope(link) * reach[link.parent]
    innovations = np.diag([1.0 / state.belief[name].conditional_precision for name in state.states])
    B = np.array([reach[name] for name in state.inputs])
    center = {
        name: sum(link.strength * link.g(state.belief[link.parent].expected_mean) for link in state.value_parents[name])
        for name in state.inputs
    }
    return center, B @ (innovations + state.covariance) @ B.T


def score(state: Filter, observed: dict[str, float]) -> tuple[float, float, float, dict[str, float], list[str]]:
    """(joint surprise, sum of marginals, the literature's first level, excess of each input, leaves of variables whose
    expected statistics are those of no distribution) of one step."""
    center, covariance = predictive(state)
    seen = [name for name in state.inputs if not math.isnan(observed[name])]
    composite, first_level, excess = 0.0, 0.0, dict.fromkeys(state.inputs, 0.0)
    unsound: list[str] = []
    grouped = groups(state.kind, seen)
    for leaves in grouped.values():
        surprise, entropy, plug_in, sound = variable(state, leaves, observed, center, np.diag(covariance))
        composite, first_level = composite + surprise, first_level + plug_in
        for name, own in shares(state, leaves, observed, center, np.diag(covariance), surprise, entropy).items():
            excess[name] = own
        unsound += [] if sound else leaves
    for name in seen:
        row, u = state.inputs.index(name), observed[name]
        if any(name in leaves for leaves in grouped.values()):
            continue
        if state.kind[name] == "binary":
            marginal = binary_surprise(u, center[name], covariance[row, row])[0]
            opposite = binary_surprise(1.0 - u, center[name], covariance[row, row])[0]
            entropy = marginal * math.exp(-marginal) + opposite * math.exp(-opposite)
            probability = state.belief[name].expected_mean
            first_level -= math.log(probability if u > 0.5 else 1.0 - probability)
        else:
            noise = 1.0 / state.belief[name].expected_precision
            variance = covariance[row, row] + noise
            marginal = normal_surprise(u - center[name], variance)
            entropy = 0.5 * math.log(2.0 * math.pi * math.e * variance)
            parents = sum(
                state.expected_slope(link) ** 2 / state.belief[link.parent].expected_precision
                for link in state.uncertain_parents(name)
            )
            first_level += normal_surprise(u - center[name], parents or noise)
        composite += marginal
        excess[name] = marginal - entropy
    return joint_surprise(state, observed, seen, center, covariance), composite, first_level, excess, unsound


def variable(
    state: Filter, leaves: list[str], observed: dict[str, float], mean: dict[str, float], variances: np.ndarray
) -> tuple[float, float, float, bool]:
    """(surprise, entropy, first-level surprise, soundness) of a variable, from means and variances of all inputs."""
    kind = state.kind[leaves[0]]
    variance = {name: float(variances[state.inputs.index(name)]) for name in leaves}
    noise = {name: 1.0 / state.belief[name].expected_precision for name in leaves}
    surprise, entropy, sound = predicted(kind, leaves, mean, variance, noise, observed)
    plug_in = surprise
    if kind == "category":
        chances = {name: state.belief[name].expected_mean for name in leaves}
        (chosen,) = (name for name in leaves if observed[name] > 0.5)
        plug_in = -math.log(chances[chosen] / sum(chances.values()))
    return surprise, entropy, plug_in, sound


def shares(
    state: Filter,
    leaves: list[str],
    observed: dict[str, float],
    mean: dict[str, float],
    variances: np.ndarray,
    surprise: float,
    entropy: float,
) -> dict[str, float]:
    """Excess surprise of a variable by its leaves: labels that of their probabilities, statistics equal shares."""
    if state.kind[leaves[0]] != "category":
        return dict.fromkeys(leaves, (surprise - entropy) / len(leaves))
    own = categorical([mean[name] for name in leaves], [variances[state.inputs.index(name)] for name in leaves])
    return {
        name: -observed[name] * math.log(share) + share * math.log(share)
        for name, share in zip(leaves, own, strict=True)
    }


def joint_surprise(
    state: Filter, observed: dict[str, float], seen: list[str], center: dict[str, float], covariance: np.ndarray
) -> float:
    """-log p(all seen inputs): normal ones together, then binary ones, each given those before it."""
    mean = np.array([center[name] for name in state.inputs])
    gaussian = ("continuous", "volatile")
    normal = [state.inputs.index(name) for name in seen if state.kind[name] in gaussian]
    total = 0.0
    if normal:
        errors = np.array([observed[state.inputs[row]] for row in normal]) - mean[normal]
        noise = np.diag([1.0 / state.belief[state.inputs[row]].expected_precision for row in normal])
        S = covariance[np.ix_(normal, normal)] + noise
        gain = np.linalg.solve(S, covariance[normal]).T
        total += 0.5 * (np.linalg.slogdet(2.0 * math.pi * S)[1] + errors @ np.linalg.solve(S, errors))
        mean, covariance = mean + gain @ errors, covariance - gain @ covariance[normal]
    heads = groups(state.kind, seen)
    others = [name for name in seen if state.kind[name] not in gaussian]
    for name in sorted(others, key=lambda name: (state.kind[name], state.inputs.index(name))):
        row = state.inputs.index(name)
        variance = covariance[row, row]
        if name in heads:
            linear = dict(zip(state.inputs, mean, strict=True))
            total += variable(state, heads[name], observed, linear, np.diag(covariance))[0]
        if state.kind[name] in BINARY:
            surprise, tilted, tilted_variance = binary_surprise(observed[name], mean[row], variance)
            total += surprise if state.kind[name] == "binary" else 0.0
        else:
            share = variance / (variance + 1.0 / state.belief[name].expected_precision)
            tilted, tilted_variance = mean[row] + share * (observed[name] - mean[row]), (1.0 - share) * variance
        if variance > 0.0:
            gain = covariance[:, row] / variance
            mean = mean + gain * (tilted - mean[row])
            covariance = covariance - np.outer(gain, gain) * (variance - tilted_variance)
    return float(total)
