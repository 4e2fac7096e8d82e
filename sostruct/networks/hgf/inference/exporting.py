"""Draws as arviz knows them, for its pictures, diagnostics and leave-one-out.

What was explained is one axis, "observation", with the subject and the step of each as coordinates, so that subjects of
unequal length and missing responses need no padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.networks.hgf.inference.extras import extra
from sostruct.networks.hgf.inference.pointwise import log_likelihoods, scored_steps
from sostruct.numerics import double_precision

if TYPE_CHECKING:
    from sostruct.networks.hgf.inference.draws import Draws


def to_arviz(draws: Draws, prior: int, key: PRNGKeyArray | None) -> Any:
    """See `Draws.to_arviz`."""
    arviz = extra("arviz", "make an arviz.InferenceData")
    xarray = extra("xarray", "make an arviz.InferenceData")
    chains, panel = draws.chains, draws.mode.panel
    alone = panel.subjects is None
    names = [f"{free.label}.{free.name}" for free in draws.mode.free]

    def whole(variables: dict[str, NDArray[Any]]) -> Any:
        """Arrays [subject, chain, draw] as a dataset."""
        dims = ("chain", "draw") if alone else ("chain", "draw", "subject")
        first = next(iter(variables.values()))
        labels: dict[str, Any] = {"chain": np.arange(first.shape[1]), "draw": np.arange(first.shape[2])}
        if not alone:
            labels["subject"] = list(panel.labels)
        moved = {name: (dims, array[0] if alone else np.moveaxis(array, 0, -1)) for name, array in variables.items()}
        return xarray.Dataset(moved, coords=labels)

    groups = {
        "posterior": whole({name: draws.values[..., column] for column, name in enumerate(names)}),
        "sample_stats": whole(
            {
                "lp": chains.joint,
                "diverging": chains.divergent,
                "beliefs_broke_down": chains.broken,
                "acceptance_rate": chains.acceptance,
                "n_steps": chains.steps,
                "tree_depth": chains.depth,
                "energy": chains.energy,
            }
        ),
        **_explained(draws, xarray),
    }
    if prior:
        drawn = _from_prior(draws, prior, jax.random.key(0) if key is None else key)
        groups["prior"] = whole({name: drawn[..., column] for column, name in enumerate(names)})
    if int(arviz.__version__.split(".")[0]) < 1:
        return arviz.InferenceData(**groups)
    return xarray.DataTree.from_dict(groups)


def _explained(draws: Draws, xarray: Any) -> dict[str, Any]:
    """What was explained, and the log likelihood of each of it."""
    panel, there = draws.mode.panel, scored_steps(draws.mode.panel)
    every = panel.arrays()
    chains, made = draws.chains.joint.shape[1:]
    terms = []
    for number in range(len(there)):
        subject = jax.tree.map(lambda numbers, number=number: numbers[number], every)
        points = draws.chains.points[number].reshape(chains * made, -1)
        terms.append(log_likelihoods(draws.model, subject, points)[:, there[number]])
    likelihood = np.concatenate(terms, 1).reshape(chains, made, -1)
    owner, step = np.nonzero(there)
    labels: dict[str, Any] = {
        "chain": np.arange(chains),
        "draw": np.arange(made),
        "step": ("observation", np.array([panel.indices[own][int(at)] for own, at in zip(owner, step, strict=True)])),
    }
    if panel.subjects is not None:
        labels["subject"] = ("observation", np.array(panel.subjects)[owner])
    name = "inputs" if panel.responses is None else "responses"
    seen: Any = (("observation", "input"), panel.values[there])
    if panel.responses is not None:
        seen = ("observation", panel.responses[there])
    observed = {label: labels[label] for label in labels if label in ("step", "subject")}
    if panel.responses is None:
        parts = {
            at: (one.name, label)
            for one in panel.variables
            for at, label in zip(one.positions, one.labels, strict=True)
        }
        observed["input"] = [f"{name} {label}".strip() for _, (name, label) in sorted(parts.items())]
    return {
        "log_likelihood": xarray.Dataset({name: (("chain", "draw", "observation"), likelihood)}, coords=labels),
        "observed_data": xarray.Dataset({name: seen}, coords=observed),
    }


def _from_prior(draws: Draws, count: int, key: PRNGKeyArray) -> NDArray[np.float64]:
    """Draws from the priors as one chain [subject, 1, draw, parameter]."""
    free = draws.mode.free
    shape = (len(draws.values), 1, count)
    with double_precision():
        drawn = [
            np.asarray(one.prior.sample(own, shape), np.float64)
            for one, own in zip(free, jax.random.split(key, len(free)), strict=True)
        ]
    return np.stack(drawn, -1)
