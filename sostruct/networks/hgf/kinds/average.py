"""The average: what its children have shown, each observation counting as one against the nu before it.

Its steps are delta / (1 + nu) of their errors delta whatever happens, so it is the fixed learning rate of Rescorla and
Wagner (1972) as a node among beliefs, and the expected sufficient statistic xi of a variable of the exponential family
(Mathys and Weber 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import jax.numpy as jnp

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import AbstractLatent, Clock, Drive, Noise, register, zeros
from sostruct.networks.hgf.updates.base import MAXIMUM_PRECISION, AbstractChildren, Options, Prediction
from sostruct.numerics import Numbers


@final
class Average(AbstractLatent):
    """A hidden state that stands still, mh = m and ph = p, and forgets how much it has seen.

    Its mean moves as that of a continuous state with these predictions. Of what the children add to its precision it
    keeps the share `growth`: p + growth (P - p), with P the full posterior precision. Under an input of noise precision
    q and strength 1, nu = p / q: a step is delta / (1 + nu), and nu grows by `growth` with every observation. With
    growth 0 nu is fixed, with 1 the mean is that of everything seen so far and of nu observations worth `mean`.
    Time that passes without observations changes nothing.
    """

    name: ClassVar[str] = "average"
    caused: ClassVar[bool] = False

    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """The parameters "mean" and "precision"."""
        return {"mean": parameters["mean"], "precision": parameters["precision"]}

    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """What it was."""
        del prediction
        return {"mean": state["mean"], "precision": state["precision"]}

    def expect(self, parameters: Mapping[str, Real], state: Mapping[str, Real], value: Real, clock: Clock) -> Real:
        """m."""
        del parameters, value, clock
        return state["mean"]

    def predict(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        mean: Real,
        drive: Drive,
        clock: Clock,
        options: Options,
    ) -> Prediction:
        """m with the variance 1 / p."""
        del drive, clock, options
        none = zeros(mean)
        variance = 1.0 / state["precision"]
        inner = {"growth": parameters["growth"] + none}
        return Prediction(mean, variance, variance, variance, none, none, none + 1.0, none + 1.0, inner)

    def posterior(
        self, state: Mapping[str, Real], prediction: Prediction, children: AbstractChildren, options: Options
    ) -> dict[str, Real]:
        """The update's mean, and the share `growth` of what it adds to the precision."""
        mean, precision = options.update.posterior(state["mean"], prediction, children, options)
        kept = state["precision"] + prediction.inner["growth"] * (precision - state["precision"])
        return {"mean": mean, "precision": jnp.minimum(kept, MAXIMUM_PRECISION)}

    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """It stands still."""
        del parameters, drive, clock, noise, observed
        return {"mean": values["mean"]}


register(Average())
