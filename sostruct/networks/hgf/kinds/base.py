"""What a kind of node is: how it predicts, what it observes, what it tells its parents.

Every method is elementwise: it is written for one node and holds for a level of them, so the packed schedule applies it
to arrays and the unrolled schedule to scalars, and both are the same mathematics. A new kind is one file in this folder
that ends in `register(...)`; schedules, packing, results and tests find it through `KINDS`.

Notation of the docstrings: posterior mean m and precision p, prediction mh and ph, value error d = m - mh, volatility
error D (Mathys et al. 2014; Weber et al. 2023, arXiv 2305.10937).
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.updates.base import AbstractChildren, Options, Prediction, largest_exponent
from sostruct.networks.hgf.variables.groups import Group, Parts
from sostruct.numerics import Numbers


class Drive(NamedTuple):
    """What the parents contribute to a prediction, summed over them.

    Attributes:
        value: sum over value parents of w g(mh_b).
        value_variance: sum over value parents of (w g'(mh_b))^2 / ph_b; used by the relaxed filter.
        volatility: sum over volatility parents of kap mh_c, relaxed: + kap^2 / (2 ph_c).
        volatility_parents: their number.
    """

    value: Real
    value_variance: Real
    volatility: Real
    volatility_parents: Real


class Clock(NamedTuple):
    """Elapsed time of one step.

    Attributes:
        dt: time since the step before, the same for every node.
        regular: whether dt is 1 throughout, known when compiling.
    """

    dt: Real
    regular: bool


class Noise(NamedTuple):
    """Independent draws for one step of every node; see `AbstractKind.generate`.

    Attributes:
        normal: N(0, 1).
        inner: N(0, 1), for a level inside the node.
        uniform: between 0 and 1: the same draw as `normal`, by its rank.
    """

    normal: Real
    inner: Real
    uniform: Real


class ValueMessage(NamedTuple):
    """What a child tells its value parents about its linear predictor.

    Attributes:
        precision: q, how sharply the child saw it.
        error: r d, the precision-weighted error.
        curvature: q d where the second derivative of a coupling counts, else 0.
    """

    precision: Real
    error: Real
    curvature: Real


class Observation(NamedTuple):
    """What an observed input says about its linear predictor eta = sum w g(x), whose prediction is Gaussian.

    Attributes:
        log_density: log of its marginal predictive density or probability, nats.
        pull: d log_density / d mean: the mean of anything correlated with eta moves by its covariance times this.
        shrink: -d^2 log_density / d mean^2: its variance falls by its squared covariance times this.
        entropy: expected surprise of the same prediction, nats.
    """

    log_density: Real
    pull: Real
    shrink: Real
    entropy: Real


class Scored(NamedTuple):
    """Densities of observed variables, shared out among their parts [input].

    Attributes:
        log_density: log of the predictive density or probability of the whole variable, nats; sums over its parts.
        entropy: expected surprise of the same prediction, nats; likewise.
        sound: whether what is expected of the variable is a distribution at all, the same at all its parts.
    """

    log_density: Real
    entropy: Real
    sound: Real


class AbstractKind(abc.ABC):
    """Mathematics of one kind of node: an `AbstractLatent`, an `AbstractInput`, or both.

    Attributes:
        name: as graphs name it; its parameters are registered in `sostruct.graph`.
        state: names of its beliefs beside "mean" and "precision".
    """

    name: ClassVar[str]
    state: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """Beliefs before the first step: "mean", "precision" and the kind's own `state`; on the host."""

    @abc.abstractmethod
    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """Beliefs after a step without news: the prediction."""

    @abc.abstractmethod
    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """One step of the process whose filter this is.

        Args:
            values: before the step, each under the name of the belief about it: "mean", and those of levels inside.
            drive: from the values that the parents have in this step, which have no variance.
            observed: whether the node is an input, and so is drawn as its parents' sum seen through noise.

        Returns:
            the values after the step; one that is not finite says that the process has diverged.
        """


class AbstractLatent(AbstractKind):
    """A kind that can be a hidden state.

    Attributes:
        varies: whether its prediction has a variance, and so whether news can change it.
        caused: whether it can have parents.
    """

    varies: ClassVar[bool] = True
    caused: ClassVar[bool] = True

    @abc.abstractmethod
    def expect(self, parameters: Mapping[str, Real], state: Mapping[str, Real], value: Real, clock: Clock) -> Real:
        """mh of a hidden state, from `Drive.value`; no prediction needs more of its parents than this."""

    @abc.abstractmethod
    def predict(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        mean: Real,
        drive: Drive,
        clock: Clock,
        options: Options,
    ) -> Prediction:
        """The prediction of a hidden state whose mh is `mean`."""

    @abc.abstractmethod
    def posterior(
        self, state: Mapping[str, Real], prediction: Prediction, children: AbstractChildren, options: Options
    ) -> dict[str, Real]:
        """Beliefs after the children's news."""


class AbstractInput(AbstractKind):
    """A kind that can be observed.

    Attributes:
        gaussian: whether its predictive density is Gaussian in its linear predictor.
        noisy: whether it has a noise that volatility parents can set.
    """

    gaussian: ClassVar[bool] = True
    noisy: ClassVar[bool] = True

    @abc.abstractmethod
    def predict_input(
        self, parameters: Mapping[str, Real], state: Mapping[str, Real], drive: Drive, clock: Clock, options: Options
    ) -> Prediction:
        """The prediction of an observed node, which is its parents' sum: no dt, no autoconnection."""

    @abc.abstractmethod
    def observe(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        prediction: Prediction,
        value: Real,
        options: Options,
    ) -> dict[str, Real]:
        """Beliefs once `value` is seen."""

    @abc.abstractmethod
    def input_message(self, prediction: Prediction, value: Real) -> ValueMessage:
        """What an observed input tells its value parents."""

    @abc.abstractmethod
    def observation(self, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Observation:
        """The predictive density of `value` when the linear predictor is Gaussian with `mean` and `variance`."""

    @abc.abstractmethod
    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Why one of `values` (no NaN among them) cannot be observed, as "... is not ...", or None."""


class AbstractVariable(AbstractInput):
    """A kind of input that has its density as a whole variable, of which its nodes are parts.

    To their parents the parts are inputs by themselves: `observation` says how anything correlated with them moves
    (`pull` and `shrink`), and leaves the density, which is 0 there, to `density`.

    Attributes:
        labeled: whether the column of data holds labels, of which every part is one.
    """

    labeled: ClassVar[bool] = False

    @abc.abstractmethod
    def columns(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The columns of data of the variable with these parts; `labels` is ("",) where a node is all of it.

        Raises:
            GraphError: they make no variable.
        """

    @abc.abstractmethod
    def group(self, positions: tuple[int, ...], labels: tuple[str, ...]) -> Group:
        """The variable by the positions of its parts."""

    @abc.abstractmethod
    def spread(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """What the parts observe, each [...], of values [..., column] that numpy or JAX holds.

        NaN in any column makes all of them NaN.
        """

    @abc.abstractmethod
    def gather(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """The columns of data, each [...], of what the parts observe [..., part]: `spread` the other way."""

    @abc.abstractmethod
    def drawn(self, parts: Parts, expected: Real, noise: Noise) -> Real:
        """What the parts of every variable observe, drawn from what is expected of them [input].

        `expected` is what `generate` made of the parts one by one. A part of a variable that is no distribution is not
        finite.
        """

    @abc.abstractmethod
    def density(self, parts: Parts, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Scored:
        """Predictive densities of variables whose parts have independent Gaussian linear predictors [input].

        Every result is finite at inputs of any kind, so that those of other kinds can be masked.
        """


_kinds: dict[str, AbstractKind] = {}
KINDS: Mapping[str, AbstractKind] = MappingProxyType(_kinds)
"""Every kind of belief node by name: a live view."""


def register(kind: AbstractKind) -> AbstractKind:
    """Make a kind known to every belief network, and return it."""
    _kinds[kind.name] = kind
    return kind


def latent_message(prediction: Prediction, mean: Real, precision: Real, options: Options) -> ValueMessage:
    """What a hidden state tells its value parents.

    Mean field, q = r = ph: the posterior of the child is taken as an observation with the precision of its prediction.
    Relaxed, with y = p - ph the child's own news and pc its conditional precision:
    q = pc y / (pc + y), r = pc p / (pc + y).
    """
    error = mean - prediction.mean
    if not options.relaxed:
        sharp = 1.0 / prediction.variance
        return ValueMessage(sharp, sharp * error, sharp * error)
    news = precision - 1.0 / prediction.variance
    share = 1.0 / (1.0 + news * prediction.conditional)
    return ValueMessage(news * share, precision * share * error, news * share * error)


def spread(log_variance: Real) -> Real:
    """The standard deviation of a draw; infinite where the variance leaves the numbers that a filter works with."""
    return jnp.where(log_variance < largest_exponent(log_variance.dtype), jnp.exp(0.5 * log_variance), jnp.inf)


def zeros(like: Real) -> Real:
    """Zeros of the same shape and type."""
    return jnp.zeros_like(like)


def gaussian_held(prediction: Prediction) -> dict[str, Real]:
    """The prediction as posterior."""
    return {"mean": prediction.mean, "precision": 1.0 / prediction.variance}
