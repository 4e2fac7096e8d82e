"""The verb: from data, priors and a response model to a `Fit`.

Order of work: everything is read and refused first; then starts are drawn, searched and polished; then what did not
converge is said, in the result and as a warning.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import BeliefError, ConfigError, FitWarning
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.choosing import chosen
from sostruct.networks.hgf.inference.group import Group
from sostruct.networks.hgf.inference.hierarchy import climb
from sostruct.networks.hgf.inference.objective import Behavior, Independent, Model, Specification
from sostruct.networks.hgf.inference.parameters import RESPONSE, Free, Priors, free_parameters, known_numbers
from sostruct.networks.hgf.inference.reading import Panel, read_panel
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.inference.result import CONVERGED, Fit
from sostruct.networks.hgf.inference.sampled import sampled, sampling_of
from sostruct.networks.hgf.inference.search import PROMISE, Found, search
from sostruct.networks.hgf.moving import spot
from sostruct.numerics import double_precision

if TYPE_CHECKING:
    from sostruct.networks.hgf.inference.draws import Draws
    from sostruct.networks.hgf.network import HGF

METHODS = ("map", "hierarchical", "nuts")


def fit(
    network: HGF,
    inputs: Any,
    responses: Any,
    priors: Priors | None,
    response: AbstractResponse | str | Callable[..., Any] | None,
    *,
    method: str,
    starts: int,
    correlated: bool,
    time_steps: Any,
    key: PRNGKeyArray | None,
    sampling: Mapping[str, Any],
) -> Fit | Draws:
    """See `HGF.fit`."""
    if method not in METHODS:
        raise ConfigError(
            f"Cannot fit by method={method!r}. This is because there is no such method. Try one of "
            f"{', '.join(map(repr, METHODS))}."
        )
    if isinstance(starts, bool) or not isinstance(starts, int) or starts < 1:
        raise ConfigError(
            f"Cannot fit from starts={starts!r}. This is because it is not a whole number above 0. Try starts=8."
        )
    if starts > _DRAWS // _CANDIDATES:
        raise ConfigError(
            f"Cannot fit from starts={starts}. This is because at most {_DRAWS // _CANDIDATES} are drawn. Try fewer."
        )
    if correlated and method != "hierarchical":
        raise ConfigError(
            f"Cannot fit correlations by method={method!r}. This is because they are between the members of a group. "
            "Try method='hierarchical', or leaving correlated out."
        )
    if sampling and method != "nuts":
        raise ConfigError(
            f"Cannot fit by method={method!r} with {next(iter(sampling))}. This is because only a sampler has such a "
            "setting. Try method='nuts', or leaving it out."
        )
    how = sampling_of(sampling) if method == "nuts" else None
    model = chosen(network.topology, network.inputs, response, responses is not None)
    panel = read_panel(network._runner, inputs, time_steps, responses, model)
    free = free_parameters(network.topology, priors, model, irregular=panel.irregular)
    if method == "hierarchical" and len(panel.labels) < 2:
        raise ConfigError(
            "Cannot fit a group of one. This is because its variance is that between members. Try method='map', or "
            "several subjects: an array [subject, time, input] or a dict."
        )
    if _alternating(network, free):
        panel = panel.regular()
    whole = objective(network, model, free, panel)
    key = jax.random.key(0) if key is None else key
    points, scale = starting_points(free, starts, key)
    found = search(whole, panel.arrays(), points, starts, scale)
    _check_ends(network, free, panel, found)
    group = None
    if method == "hierarchical":
        drawn = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        level, found = climb(whole, panel.arrays(), found, points[0], scale, starts, drawn, correlated=correlated)
        group = Group(free, level, found.curvature, panel.labels, float(panel.scored.sum()))
    if how is None:
        return finished(network, model, free, panel, method, found, group, stacklevel=4)
    mode = finished(network, model, free, panel, "map", found, None, stacklevel=None)
    return sampled(mode, whole, how, key, stacklevel=4)


def objective(network: HGF, response: AbstractResponse | None, free: tuple[Free, ...], panel: Panel) -> Model:
    """The log joint of each subject of a panel.

    Args:
        network: with the numbers that are not fitted, and the beliefs that a subject starts with.
        response: the response model, or None.
        free: what is fitted.
        panel: the data.
    """
    own = [one for one in free if one.place != RESPONSE]
    behavior = None
    if response is not None:
        behavior = Behavior.of(response, [one.name for one in free if one.place == RESPONSE], network._runner.columns)
    specification = Specification(
        drawn=network.drawn,
        spots=tuple((spot(network.topology, network.packing, one.place), one.name) for one in own),
        supports=tuple(one.prior.support for one in free),
        behavior=behavior,
        complete=panel.complete,
    )
    known = {name: np.asarray(value, np.float64) for name, value in known_numbers(response, free).items()}
    return Model(network.packed, Independent([one.prior for one in free]), known, specification)


def starting_points(
    free: tuple[Free, ...], starts: int, key: PRNGKeyArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Candidates for starts in z [candidate, parameter], and the sd of the prior of z [parameter].

    The first candidate is the centers of the priors; the others are draws.
    """
    center = coordinates.inward([one.prior.support for one in free], np.array([one.prior.center for one in free]))
    with double_precision():
        drawn = np.asarray(_drawn(Independent([one.prior for one in free]), key, _DRAWS))
    return np.concatenate([center[None], drawn])[: _CANDIDATES * starts], drawn.std(0)


_drawn = eqx.filter_jit(Independent.draw)


_CANDIDATES = 4
"""Draws for each start: those at which beliefs break down are passed over."""

_DRAWS = 512
"""From each prior; more starts than there are draws for are refused."""


def finished(
    network: HGF,
    response: AbstractResponse | None,
    free: tuple[Free, ...],
    panel: Panel,
    method: str,
    found: Found,
    group: Group | None,
    *,
    stacklevel: int | None,
) -> Fit:
    """A search as a result, with a warning where it did not converge, unless `stacklevel` is None."""
    values = coordinates.outward([one.prior.support for one in free], found.point)
    steepest = np.abs(found.slope).max(-1, initial=0.0)
    reasons = tuple(_reason(*one) for one in zip(found.value, found.promise, steepest, strict=True))
    result = Fit(
        base=network,
        response=response,
        free=free,
        panel=panel,
        method=method,
        points=found.point,
        values=values,
        curvature=found.curvature,
        joint=found.value,
        likelihood=found.value - found.prior,
        ends=found.ends,
        reasons=reasons,
        group=group,
    )
    if group is not None and not group.level.rested and stacklevel is not None:
        warnings.warn(
            f"The group did not come to rest in {group.level.rounds} rounds: its numbers may still move. Try fewer "
            "parameters, or `correlated=False`.",
            FitWarning,
            stacklevel=stacklevel,
        )
    lost = [label for label, reason in zip(panel.labels, reasons, strict=True) if reason != CONVERGED]
    if lost and stacklevel is not None:
        who = "The fit" if panel.subjects is None else f"The fits of {len(lost)} of {len(reasons)} subjects"
        which = "" if panel.subjects is None else f" (first {lost[0]!r})"
        why = next(reason for reason in reasons if reason != CONVERGED)
        warnings.warn(
            f"{who} did not converge{which}: {why}. Its intervals and evidence are not to be trusted. Try more starts, "
            "narrower priors, or fewer parameters; `Fit.reason` says why for each.",
            FitWarning,
            stacklevel=stacklevel,
        )
    return result


def _reason(value: float, promise: float, steepest: float) -> str:
    if not math.isfinite(value):
        return "beliefs break down at every start"
    if math.isnan(promise):
        return "the posterior is flat or curves upward where the search ended, so that it is no peak"
    if promise > PROMISE:
        return f"one more step promised {promise:.2g} nats (gradient {steepest:.2g})"
    return CONVERGED


def _alternating(network: HGF, free: tuple[Free, ...]) -> bool:
    """Whether some autoconnection is negative, or may become so."""
    parameters = network.packed.wiring.parameters
    return any(
        bool((np.asarray(values) < 0.0).any()) for name, values in parameters.items() if name.endswith("autoconnection")
    ) or any(one.name.endswith("autoconnection") and one.prior.support[0] < 0.0 for one in free)


def _check_ends(network: HGF, free: tuple[Free, ...], panel: Panel, found: Found) -> None:
    """Refuse priors under which no start of a subject gives beliefs.

    Raises:
        BeliefError: the node, step and cause at the centers of the priors.
    """
    broken = ~np.isfinite(found.ends).any(-1)
    if not broken.any():
        return
    number = int(np.argmax(broken))
    who = "" if panel.subjects is None else f" subject {panel.labels[number]!r}"
    values: dict[Any, dict[str, float]] = {}
    for one in free:
        if one.place != RESPONSE:
            values.setdefault(one.place, {})[one.name] = one.prior.center
    why = "the response model gives no finite density there"
    try:
        network.with_parameters(values).filter(panel.series(number))
    except BeliefError as error:
        why = f"at the centers of the priors: {error}"
    raise BeliefError(
        f"Cannot fit{who or ' the series'}. This is because every start drawn from the priors breaks down; {why} "
        f"Under update={network.options.update.name!r}, try priors closer to values that work, or update='unbounded'."
    )
