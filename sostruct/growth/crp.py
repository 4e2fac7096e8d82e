"""The Chinese restaurant as a scorer: components are born, die and merge, and every move is priced in nats.

A point is recruited by a new component when `alpha / (alpha + n) p_new(x)` exceeds every `n_k / (alpha + n) p_k(x)`
(Blackwell & MacQueen 1973). One such point may be an outlier and many may be one cluster, so births are priced and not
triggered: places where a component of their own would explain most of the epoch are found among the points, by a score
that is cheap (one pass of expectation-maximization from each), and the best few are run. A component costs what its
place is worth under the prior (`networks.mixture.conjugate.seed_price`), so all prices can be compared: the evidence of
the epoch with the move minus that without. The K moves that add or change something pay log K for the choice; deaths
and merges, which leave less, do not. A merge must pay in closed form as well, which also counts what was seen before
the epoch. Since every component competes for every point, moves are made one per epoch: each touches all inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray
from scipy.special import gammaln

from sostruct.errors import ConfigError
from sostruct.graph import AbstractEdit, Node, SetParameters
from sostruct.growth.base import Evaluate, State
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.mixture.conjugate import Prior
from sostruct.networks.mixture.moves import absorb, begin, births, born, death, split
from sostruct.networks.mixture.network import MixtureNetwork
from sostruct.networks.mixture.packed import MixtureGains
from sostruct.surprise import Signals

Points = NDArray[np.float64]

_PLACES = 128
"""Points that are tried as places: a cluster worth a component has many, some of which are among so many."""

_TOGETHER = (2, 4)
"""How many components are also tried at once: one alone, where several are missing, takes the labels of all."""

_FEW = 8
"""Inputs up to which each is tried with another precision."""

_SHARES = (0.05, 0.2, 0.5)
"""Shares of the points a new component is supposed to get when places are compared."""

_WIDTHS = (1.0, 4.0, 16.0)
"""How precise it is supposed to be then, over what is expected: it will learn its width, and a broad neighbor has."""


@final
@dataclass(frozen=True)
class CRP(AbstractScorer):
    """Births, splits, deaths and merges of the components of a `MixtureNetwork`, and their expected width.

    Attributes:
        births: places run after every epoch.
        splits: splits run after every epoch, of the widest components that had points in it.
        moves: components that are tried with another beginning after every epoch, of those that began with it.
        merges: merges run after every epoch, the best in closed form, and as many of the components that shared most
            points without regard to what they have seen before.
        deaths: deaths run after every epoch, of the components that had the fewest points in it. What a component knows
            from before the epoch is lost, so its death must also outbid what a birth in its place would cost; one that
            remembers less than a point has nothing to lose, and its place is paid back.
        widths: factors on the expected precision of the inputs, each tried on all of them together, and on every one
            where there are no more than 8.
    """

    births: int = 6
    splits: int = 2
    moves: int = 2
    merges: int = 2
    deaths: int = 2
    widths: Sequence[float] = (0.25, 4.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(float(factor) for factor in self.widths))
        for what in ("births", "splits", "moves", "merges", "deaths"):
            if getattr(self, what) < 0:
                raise ConfigError(
                    f"Cannot try {getattr(self, what)} {what}. This is because it is a count. Try {what}=2."
                )
        if not all(factor > 0.0 and math.isfinite(factor) for factor in self.widths):
            raise ConfigError(
                f"Cannot try the widths {list(self.widths)}. This is because each is a factor on a precision. Try "
                "positive numbers such as [0.25, 4]."
            )

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember.

        Raises:
            ConfigError: the network is no mixture.
        """
        if not isinstance(network, MixtureNetwork):
            raise ConfigError(
                f"Cannot use growth=crp for a network of the class {type(network).__name__}. This is because only a "
                "mixture has components. Try network=mixture, or another rule."
            )
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """All moves tried after the epoch, priced, best first.

        Raises:
            ConfigError: the network is no mixture.
        """
        gains = signals.gains
        if not isinstance(network, MixtureNetwork) or not isinstance(gains, MixtureGains):
            raise ConfigError(
                f"Cannot recruit components for a {type(network).__name__}. This is because only a mixture has "
                "components. Try a MixtureNetwork, or another scorer."
            )
        if evaluate.since:
            return (), state
        merges = sorted(
            network.candidates(signals, best=1, moves=frozenset({"prune"})), key=lambda candidate: -candidate.nats
        )[: self.merges]
        deaths = [*self._deaths(network, gains), *self._absorptions(network, gains)]
        others = [
            *self._births(network, gains),
            *self._splits(network, gains),
            *self._moves(network, gains),
            *self._widths(network),
        ]
        if not (tried := [*merges, *deaths, *others]):
            return (), state
        prices = iter(evaluate([candidate.edits for candidate in tried]).tolist())
        choice = math.log(max(len(others), 1))
        found = [
            *(replace(candidate, nats=min(next(prices), candidate.nats)) for candidate in merges),
            *(replace(candidate, nats=next(prices) + candidate.nats) for candidate in deaths),
            *(replace(candidate, nats=next(prices) - choice) for candidate in others),
        ]
        return sorted(found, key=lambda candidate: -candidate.nats), state

    def _births(self, network: MixtureNetwork, gains: MixtureGains) -> list[Candidate]:
        """A component at each of the best places, and at the best few of them together."""
        points = np.asarray(gains.points)
        explained = np.maximum(np.asarray(gains.log_density), network.log_density(points))
        prior, inputs = network.packed.prior, network.inputs
        found = places(prior, points, explained, self.births)
        groups = [[place] for place in found] + [found[:size] for size in _TOGETHER if size <= len(found)]
        edits = [births(network.topology, inputs, group) for group in groups]
        return [_candidate(born(edit), edit, network) for edit in edits]

    def _splits(self, network: MixtureNetwork, gains: MixtureGains) -> list[Candidate]:
        """The widest components that have had points, each begun again at the better of two places, with a component
        at the other."""
        points, names = np.asarray(gains.points), network.components
        rest = np.log1p(-np.minimum(np.asarray(gains.share), 1.0 - 1e-12))
        others = rest + np.asarray(gains.log_density)[:, None]
        volume = np.log(network.moments()[1]).sum(axis=1)
        had = np.flatnonzero(np.asarray(gains.share).sum(axis=0) > 2.0)
        found = []
        for slot in had[np.argsort(-volume[had], kind="stable")][: self.splits]:
            two = places(network.packed.prior, points, others[:, slot], 2)
            if len(two) == 2:
                edit = split(names[slot], network.topology, network.inputs, two)
                found.append(_candidate(names[slot], edit, network))
        return found

    def _moves(self, network: MixtureNetwork, gains: MixtureGains) -> list[Candidate]:
        """Of the components that began in this epoch, those whose points are farthest from it begin where these are."""
        means, variances = network.moments()
        begun = np.asarray(network.packed.start.mean)[: len(means)]
        far = np.where(np.asarray(gains.fresh), ((means - begun) ** 2 / variances).sum(axis=1), 0.0)
        chosen = [slot for slot in np.argsort(-far, kind="stable")[: self.moves] if far[slot] > 0.0]
        names = [network.components[slot] for slot in chosen]
        return [
            _candidate(name, begin(name, network.inputs, means[slot].tolist()), network)
            for name, slot in zip(names, chosen, strict=True)
        ]

    def _deaths(self, network: MixtureNetwork, gains: MixtureGains) -> list[Candidate]:
        """The removal of each of the components that had least; `nats` is what of its price the epoch cannot know."""
        had = np.asarray(gains.share).sum(axis=0)
        known, worth = np.asarray(network.packed.state.weight), network.charges()
        found = []
        for slot in np.argsort(had, kind="stable")[: self.deaths]:
            name = network.components[slot]
            own = 0.0 if gains.fresh[slot] else float(worth[slot] if known[slot] >= 1.0 else -worth[slot])
            found.append(replace(_candidate(name, death(name), network), nats=own))
        return found

    def _absorptions(self, network: MixtureNetwork, gains: MixtureGains) -> list[Candidate]:
        """Of the two components that shared most points, either goes and the other answers for them: two that have come
        together are one now, whatever they were. In an epoch that is all they know, that is the death of one."""
        shares, names = np.asarray(gains.share), network.components
        together = np.triu(shares.T @ shares, 1)
        best = np.argsort(-together, axis=None, kind="stable")[: self.merges]
        found = []
        for one, other in zip(*np.unravel_index(best, together.shape), strict=True):
            if together[one, other] == 0.0 or (gains.fresh[one] and gains.fresh[other]):
                continue
            for gone, heir in ((names[one], names[other]), (names[other], names[one])):
                count = dict(network.topology.node(heir).parameters)["count"]
                found.append(replace(_candidate(gone, absorb(gone, heir, count), network), nats=0.0))
        return found

    def _widths(self, network: MixtureNetwork) -> list[Candidate]:
        """Other precisions of each input, and of all."""
        groups: list[tuple[str, ...]] = [(name,) for name in network.inputs] if len(network.inputs) <= _FEW else []
        groups += [network.inputs] if len(network.inputs) != 1 else []
        return [
            _candidate(names[0], tuple(_width(network.topology.node(name), factor) for name in names), network)
            for names in groups
            for factor in self.widths
        ]


def places(prior: Prior, points: Points, explained: NDArray[np.float64], most: int) -> list[list[float]]:
    """Where new components would explain most, the best first, each given those before it.

    With a share w of the points, a component at z that gives point x the density p_z(x) is worth
    `sum log(1 - w + w p_z(x) / p(x))`, p being what the mixture makes of x. Places are points which a component of
    their own would give more than the mixture does, each moved to the mean of what it explains.

    Args:
        prior: of the mixture.
        points: [time, dim], NaN where missing.
        explained: log density of each under the mixture [time], nats.
        most: how many places.
    """
    complete = ~np.isnan(points).any(axis=1)
    own = np.stack([_density(prior, factor, points, points[:, None])[:, 0] for factor in _WIDTHS]).max(axis=0)
    eligible = np.flatnonzero(complete & (own + math.log(max(_SHARES)) > explained))
    if len(eligible) == 0 or most == 0:
        return []
    tried = points[eligible[np.unique(np.linspace(0, len(eligible) - 1, _PLACES).astype(int))]]
    densities = np.concatenate([_density(prior, factor, tried, points[None]) for factor in _WIDTHS])
    found: list[list[float]] = []
    current = explained
    values = np.where(np.isnan(points), np.asarray(prior.center), points)
    for _ in range(most):
        ratio = np.exp(np.minimum(densities - current, 500.0))
        worth = np.stack([np.log1p(share * (ratio - 1.0)).sum(axis=1) for share in _SHARES])
        which, best = np.unravel_index(int(np.argmax(worth)), worth.shape)
        if worth[which, best] <= 0.0:
            break
        share = _SHARES[which]
        joint = np.logaddexp(math.log1p(-share) + current, math.log(share) + densities[best])
        belongs = np.exp(math.log(share) + densities[best] - joint)
        found.append((belongs @ values / belongs.sum()).tolist())
        current = joint
    return found


def _density(prior: Prior, factor: float, centers: Points, points: Points) -> Points:
    """Log density of points [center or 1, time, dim] under components known to be at centers [center, dim], `factor`
    times as precise as expected; one more degree of freedom, for the point at the center."""
    nu = float(prior.freedom) + 1.0
    wide = nu / (factor * np.asarray(prior.precision))
    front = gammaln((nu + 1.0) / 2.0) - gammaln(nu / 2.0) - 0.5 * np.log(math.pi * wide)
    logs = front - (nu + 1.0) / 2.0 * np.log1p((points - centers[:, None]) ** 2 / wide)
    return np.asarray(np.where(np.isnan(logs), 0.0, logs).sum(axis=2))


def _width(node: Node, factor: float) -> SetParameters:
    return SetParameters(node.name, {"precision": dict(node.parameters)["precision"] * factor})


def _candidate(target: str, edit: tuple[AbstractEdit, ...], network: MixtureNetwork) -> Candidate:
    return Candidate(target, edit, float("nan"), frozenset({*network.inputs, target}))
