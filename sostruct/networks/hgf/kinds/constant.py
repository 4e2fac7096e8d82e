"""The constant node: always 1 with certainty, so that its couplings are biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import AbstractLatent, Clock, Drive, Noise, register, zeros
from sostruct.networks.hgf.updates.base import AbstractChildren, Options, Prediction
from sostruct.numerics import Numbers


@final
class Constant(AbstractLatent):
    """mh = m = 1 with infinite expected precision; as a parent it adds its strength and no uncertainty."""

    name: ClassVar[str] = "constant"
    varies: ClassVar[bool] = False
    caused: ClassVar[bool] = False

    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """Mean 1; the precision is never used."""
        del parameters
        return {"mean": 1.0, "precision": 1.0}

    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """What it always is."""
        del prediction
        return {"mean": state["mean"], "precision": state["precision"]}

    def expect(self, parameters: Mapping[str, Real], state: Mapping[str, Real], value: Real, clock: Clock) -> Real:
        """1."""
        del parameters, state, clock
        return zeros(value) + 1.0

    def predict(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        mean: Real,
        drive: Drive,
        clock: Clock,
        options: Options,
    ) -> Prediction:
        """1 without variance."""
        del parameters, state, drive, clock, options
        none = zeros(mean)
        return Prediction(mean, none, none, none, none, none, none + 1.0, none, {})

    def posterior(
        self, state: Mapping[str, Real], prediction: Prediction, children: AbstractChildren, options: Options
    ) -> dict[str, Real]:
        """Nothing is learnt about a constant."""
        del prediction, children, options
        return {"mean": state["mean"], "precision": state["precision"]}

    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """1."""
        del parameters, values, clock, noise, observed
        return {"mean": zeros(drive.value) + 1.0}


register(Constant())
