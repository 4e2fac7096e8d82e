"""Posterior updates of belief nodes: one file each."""

from sostruct.networks.hgf.updates.base import (
    MAXIMUM_PRECISION,
    AbstractChildren,
    AbstractUpdate,
    Options,
    Prediction,
    VolatilityMessage,
    largest_exponent,
    volatility_message,
)
from sostruct.networks.hgf.updates.ehgf import Ehgf
from sostruct.networks.hgf.updates.standard import Standard
from sostruct.networks.hgf.updates.unbounded import Unbounded

UPDATES: dict[str, AbstractUpdate] = {update.name: update for update in (Standard(), Ehgf(), Unbounded())}
"""Every posterior update by name."""

__all__ = [
    "MAXIMUM_PRECISION",
    "UPDATES",
    "AbstractChildren",
    "AbstractUpdate",
    "Options",
    "Prediction",
    "VolatilityMessage",
    "largest_exponent",
    "volatility_message",
]
