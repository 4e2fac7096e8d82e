"""Predictive checks: would the network, or the subject it stands for, have produced data like these?

Data are drawn again from the network, or from several that a posterior is represented by, and numbers that summarize
them are compared with those of what was observed (Gelman, Meng and Stern, "Posterior predictive assessment of model
fitness via realized discrepancies", Statistica Sinica 6:733-807, 1996). Inputs are drawn from the generative model;
responses from the response model on the beliefs that the observed inputs led to. What is missing in the data is missing
in every draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError
from sostruct.networks.hgf.generative import process
from sostruct.networks.hgf.generative.agents import Form
from sostruct.networks.hgf.generative.posterior import data_of, drawn_from
from sostruct.networks.hgf.generative.sampling import check_bounded, read_key
from sostruct.networks.hgf.generative.simulation import check_networks, check_response, joined, response_values
from sostruct.networks.hgf.generative.statistics import Statistic, chosen
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.inference.result import Fit
from sostruct.networks.hgf.inputs import Series
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.trace import Trace
from sostruct.numerics import double_precision
from sostruct.tasks.base import whole


@final
@dataclass(frozen=True, eq=False, repr=False)
class PredictiveCheck:
    """Statistics of what was observed beside those of what was drawn.

    Attributes:
        observed: by statistic.
        replicated: [draw x statistic], for histograms.
    """

    observed: pd.Series
    replicated: pd.DataFrame

    def frame(self, interval: float = 0.95) -> pd.DataFrame:
        """A row for each statistic: observed, mean, sd and interval of the draws, and p-values.

        `upper` is the chance that a draw is at least as large, (1 + #{drawn >= observed}) / (1 + draws), `lower` that
        it is at most as large, and `p` is twice the smaller, at most 1: small where the network does not produce data
        like these. With draws from a posterior that saw the same data they are conservative.

        Args:
            interval: the share of the draws that is inside.

        Raises:
            ConfigError: it is not inside (0, 1).
        """
        if not 0.0 < interval < 1.0:
            raise ConfigError(
                f"Cannot make an interval of {interval!r} of the draws. This is because it is not a share inside "
                "(0, 1). Try 0.95."
            )
        draws, count = self.replicated, 1.0 + len(self.replicated)
        upper = (1.0 + (draws >= self.observed).sum()) / count
        lower = (1.0 + (draws <= self.observed).sum()) / count
        return pd.DataFrame(
            {
                "observed": self.observed,
                "mean": draws.mean(),
                "sd": draws.std(ddof=0),
                "from": draws.quantile(0.5 - 0.5 * interval),
                "to": draws.quantile(0.5 + 0.5 * interval),
                "upper": upper,
                "lower": lower,
                "p": np.minimum(1.0, 2.0 * np.minimum(upper, lower)),
            }
        ).rename_axis("statistic")

    def plot(self, **options: Any) -> NDArray[np.object_]:
        """Histograms of the draws with what was observed; see `checks_figure.draw_check`. Returns the axes."""
        from sostruct.networks.hgf.generative.checks_figure import draw_check

        return draw_check(self, **options)

    def __repr__(self) -> str:
        p = self.frame()["p"]
        return (
            f"PredictiveCheck: {len(self.replicated)} draws, {len(p)} statistics, least p {p.min():.3g} ({p.idxmin()})"
        )


def predictive_check(
    networks: HGF | Sequence[HGF] | Fit | Draws,
    inputs: Any = None,
    responses: Any = None,
    response: AbstractResponse | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    statistics: Sequence[str] | Mapping[str, Statistic] | None = None,
    draws: int = 200,
    time_steps: Any = None,
    subject: Any = None,
    key: PRNGKeyArray,
) -> PredictiveCheck:
    """Whether data drawn again look like what was observed, in the eyes of some statistics.

        ss.predictive_check(network, frame, key=jax.random.key(0)).frame()  # prior predictive: of the inputs
        ss.predictive_check(posterior, frame, choices, model, values={"inverse_temperature": b}, key=key)
        ss.predictive_check(fit, subject="anna", key=key)  # posterior predictive: of what was fitted

    Args:
        networks: the network; or draws of one from a posterior: the same graph and settings, other parameters; or a
            fit or a sampler's draws, whose posterior of one subject is drawn from (of a fit, Laplace's), and whose data
            and response model are taken.
        inputs: what was observed, as in `HGF.filter`; subjects are independent series of the same network, and a
            statistic is the mean over them.
        responses: what was done [time] or [subject, time], NaN where missing. Given these, responses are drawn again,
            on the beliefs of the observed inputs; without them, inputs are.
        response: the response model, where there are responses.
        values: of its parameters, as far as they are not its own: a number, or one for each network.
        statistics: names, or functions of (inputs [time, input], responses [time] or None) of one subject by name. Of
            each input: "mean", "variance", "autocorrelation", "longest_run"; of choices: "mean", "variance",
            "longest_run", "switch_rate" and, where one input of two outcomes is what they predict, "accuracy"; of
            other responses as of an input. By default all.
        draws: how many data sets are drawn, at least one from each network.
        time_steps: as in `HGF.filter`.
        subject: of a fit of several.
        key: a random key.

    Raises:
        ConfigError: settings, networks, statistics or the response model do not fit each other.
        DataError: inputs or responses cannot be used.
        GraphError: see `HGF.filter`.
        BeliefError: a drawn path diverges, or beliefs about the observed inputs break down.
    """
    draws, key = whole("a check", "draws", draws, 1), read_key(key)
    if isinstance(networks, Fit | Draws):
        if inputs is not None or responses is not None or response is not None or values is not None:
            raise ConfigError(
                "Cannot check a fit on other data. This is because a fit has its own data and response model. Try "
                "predictive_check(fit, key=...), or networks from `posterior.drawn_from` with other data."
            )
        fit = networks.mode if isinstance(networks, Draws) else networks
        networks, values = drawn_from(networks, draws, jax.random.fold_in(key, 1), subject)
        inputs, responses = data_of(fit, subject)
        response = fit.response
    members = [networks] if isinstance(networks, HGF) else list(networks)
    check_networks(members, len(members))
    each = -(-draws // len(members))
    first = members[0]
    series = first._runner.read(inputs, time_steps)
    if (responses is None) != (response is None):
        raise ConfigError(
            f"Cannot check {'responses' if response is None else 'the inputs with a response model'}. This is because "
            f"{'there is no response model' if response is None else 'it is given no responses'}. Try both, or neither."
        )
    seen = series.values if series.subjects is not None else series.values[None]
    done = _responses(responses, seen.shape[:2], response)
    sort = None
    if done is not None:
        sort = "choices" if (np.nan_to_num(done) == np.round(np.nan_to_num(done))).all() else "measurements"
    told = _told(first, response) if sort == "choices" else None
    functions = chosen(statistics, first.inputs, sort, told)
    if response is None:
        again = _inputs_again(members, series, seen, each, key)
        drawn: list[Any] = [(own, None) for own in again]
    else:
        numbers = response_values(response, values, len(members))
        acted = _responses_again(members, series, response, numbers, each, key)
        missing = np.isnan(np.asarray(done, np.float64))
        drawn = [(seen, np.where(missing, np.nan, own)) for own in acted]
    replicated = pd.DataFrame([_summary(functions, *one) for one in drawn][:draws])
    return PredictiveCheck(pd.Series(_summary(functions, seen, done)), replicated)


def _summary(
    functions: Mapping[str, Statistic], inputs: NDArray[np.float64], responses: NDArray[np.float64] | None
) -> dict[str, float]:
    """Every statistic, its mean over subjects; inputs [subject, time, input], responses [subject, time]."""
    own = [None] * len(inputs) if responses is None else list(responses)
    return {
        name: float(np.mean([float(function(one, done)) for one, done in zip(inputs, own, strict=True)]))
        for name, function in functions.items()
    }


def _inputs_again(
    networks: Sequence[HGF], series: Series, seen: NDArray[np.float64], each: int, key: PRNGKeyArray
) -> NDArray[np.float64]:
    """Inputs [draw, subject, time, input]."""
    first, (subjects, steps, width) = networks[0], seen.shape
    elapsed = series.time_steps
    if elapsed is not None and elapsed.ndim == 2:
        elapsed = np.tile(elapsed, (each, 1))
    wiring, start = process.stacked(joined(networks))
    placed = first.at_capacity(wiring.capacity)
    numbers = np.arange(each * subjects, dtype=np.uint32)
    with double_precision(first.needs_double):
        keys = jax.random.split(key, len(networks))
        identity = process.identities(placed.packing.names)
        drawn = process.drawn_by_each(wiring, start, identity, keys, numbers, elapsed, steps)
        found = process.as_numbers(drawn)
    check_bounded(found, placed)
    values = np.asarray(found["mean"])[..., :width].reshape(len(networks), each, subjects, steps, width)
    # one draw of every network, then the next: a few draws are of as many networks as there can be
    mixed = np.moveaxis(values, 1, 0).reshape(-1, subjects, steps, width)
    return np.where(np.isnan(seen), np.nan, mixed)


def _responses_again(
    networks: Sequence[HGF],
    series: Series,
    response: AbstractResponse,
    values: Mapping[str, NDArray[np.float64]],
    each: int,
    key: PRNGKeyArray,
) -> NDArray[np.float64]:
    """Responses [draw, subject, time]."""
    check_response(response, networks[0])
    found = []
    for number, network in enumerate(networks):
        trace = network.trace(series.values, series.time_steps)
        if not np.asarray(trace.sound).all():
            network.filter(series.values, series.time_steps)  # which says where and why
        own = {name: numbers[number] for name, numbers in values.items()}
        if series.subjects is None:
            trace = jax.tree.map(lambda part: part[None], trace)
        seen = series.values if series.subjects is not None else series.values[None]
        with double_precision(network.needs_double):
            drawn = _acted(jax.random.fold_in(key, number), trace, jnp.asarray(seen), own, Form(response), each)
        found.append(np.asarray(drawn))
    return np.moveaxis(np.stack(found), 1, 0).reshape(-1, *series_shape(series))


@partial(jax.jit, static_argnums=(4, 5))
def _acted(
    key: PRNGKeyArray,
    trace: Trace,
    inputs: Float[Array, "subject time input"],
    values: Mapping[str, Array],
    form: Form,
    draws: int,
) -> Float[Array, "draw subject time"]:
    def one(key: PRNGKeyArray, trace: Trace, inputs: Array) -> Array:
        return form.response.sample(key, trace, inputs, values)

    def all(key: PRNGKeyArray) -> Array:
        drawn: Array = jax.vmap(one)(jax.random.split(key, inputs.shape[0]), trace, inputs)
        return drawn

    found: Array = jax.vmap(all)(jax.random.split(key, draws))
    return found


def series_shape(series: Series) -> tuple[int, int]:
    """Subjects, 1 where there is one series, and steps."""
    shape = series.values.shape
    return (1, shape[0]) if series.subjects is None else (shape[0], shape[1])


def _responses(responses: Any, shape: tuple[int, ...], response: AbstractResponse | None) -> NDArray[np.float64] | None:
    """Responses [subject, time]."""
    if responses is None or response is None:
        return None
    if isinstance(responses, Mapping):
        responses = np.stack([np.asarray(own, np.float64) for own in responses.values()])
    try:
        values = np.asarray(responses, np.float64)
        values = values.reshape(shape) if values.size == np.prod(shape) else values
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != shape:
        raise DataError(
            f"Cannot read the responses. This is because their shape is {np.shape(responses)} and the series has "
            f"{shape[0]} subjects and {shape[1]} steps. Try one number for each step, NaN where a response is missing."
        )
    known = values[~np.isnan(values)]
    refusal = "all of them are missing" if not known.size else response.refusal(known)
    if refusal is not None:
        raise DataError(
            f"Cannot use the responses. This is because {refusal}. Try correcting them, or NaN where one is missing."
        )
    return values


def _told(network: HGF, response: AbstractResponse | None) -> str | None:
    """The one binary input that choices between 0 and 1 are about."""
    nodes = () if response is None else response.nodes()
    inputs = [name for name in nodes if name in network.inputs and network.topology.node(name).kind == "binary"]
    return inputs[0] if len(nodes) == len(inputs) == 1 else None
