"""Columns of data as what inputs observe: labels as numbers, and one column as the several inputs of its variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.networks.hgf.kinds.base import AbstractVariable
from sostruct.networks.hgf.kinds.category import keys
from sostruct.networks.hgf.variables.names import Variable
from sostruct.tasks.base import listed


def spread(variables: Sequence[Variable], values: Any) -> Any:
    """What inputs observe [..., input], of data [..., column] in numpy or JAX."""
    if all(not isinstance(variable.kind, AbstractVariable) for variable in variables):
        return values
    seen: dict[int, Any] = {}
    column = 0
    for variable in variables:
        own = values[..., column : column + len(variable.columns)]
        column += len(variable.columns)
        kind = variable.kind
        parts = kind.spread(own, variable.labels) if isinstance(kind, AbstractVariable) else [own[..., 0]]
        seen.update(zip(variable.positions, parts, strict=True))
    ordered = [seen[position] for position in range(len(seen))]
    return jnp.stack(ordered, -1) if isinstance(values, jax.Array) else np.stack(ordered, -1)


def gathered(variables: Sequence[Variable], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of data [..., column] of what inputs observe [..., input]; labels as the numbers that stand for them."""
    found: list[Any] = []
    for variable in variables:
        own, kind = values[..., list(variable.positions)], variable.kind
        found += kind.gather(own, variable.labels) if isinstance(kind, AbstractVariable) else [own[..., 0]]
    return np.stack(found, -1)


def written(variable: Variable, column: NDArray[np.float64]) -> NDArray[np.object_]:
    """A column of numbers that stand for labels, as the labels; None where it is missing."""
    names = dict(zip(keys(variable.labels), variable.labels, strict=True))
    return np.array([names.get(float(number)) for number in column.ravel()], object).reshape(column.shape)


def is_labeled(variable: Variable) -> bool:
    """Whether its column holds labels."""
    return isinstance(variable.kind, AbstractVariable) and variable.kind.labeled


def numbered(variable: Variable, column: pd.Series) -> NDArray[np.float64]:
    """A column of labels as the numbers that stand for them, NaN where it is missing.

    A label is recognized by what it is written as, whole numbers without a decimal point, so that 1, 1.0 and "1" are
    the same.

    Raises:
        DataError: a cell is none of the labels.
    """
    known = dict(zip(variable.labels, keys(variable.labels), strict=True))
    codes, found = pd.factorize(column.astype(object).to_numpy(), use_na_sentinel=True)
    numbers = [known.get(_written(label), np.nan) for label in found]
    unknown = [number for number, value in enumerate(numbers) if np.isnan(value)]
    if unknown:
        step = int(np.flatnonzero(codes == unknown[0])[0])
        place = "" if isinstance(column.index, pd.RangeIndex) else f", at {column.index[step]}"
        raise DataError(
            f"Cannot use column {variable.name!r}. This is because {found[unknown[0]]!r}, in step {step} (counting "
            f"from 0{place}), is none of its labels, which are {listed(variable.labels)}. Try a node "
            f"{variable.name + '=' + _written(found[unknown[0]])!r} for it, or NaN where the value is missing."
        )
    return np.append(np.array(numbers, np.float64), np.nan)[codes]


def _written(label: Any) -> str:
    if isinstance(label, (bool, np.bool_)):
        return str(label)
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        return str(int(label))
    return str(label)
