"""From the names of inputs to the columns of the data: `x` is a column, `variable=label` a part of a variable.

A kind whose variables have several parts says what their labels mean; all this file knows is that what stands before
the first "=" names the variable and what stands behind it the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from sostruct.errors import GraphError
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractVariable
from sostruct.networks.hgf.variables.groups import Group


@final
@dataclass(frozen=True, slots=True)
class Variable:
    """What some columns of the data say something about.

    Args:
        name: of the variable.
        kind: of its parts.
        positions: of its parts among the inputs.
        labels: of its parts; ("",) where the variable is one input of its name.
        columns: of the data.
    """

    name: str
    kind: AbstractInput
    positions: tuple[int, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def group(self) -> Group:
        """Its parts by their positions."""
        kind = self.kind
        return kind.group(self.positions, self.labels) if isinstance(kind, AbstractVariable) else Group(self.positions)


def variables_of(inputs: Sequence[str], kinds: Mapping[str, AbstractInput]) -> tuple[Variable, ...]:
    """The variables that some inputs are parts of, in the order of their first parts.

    Args:
        inputs: names of the inputs.
        kinds: the kind of each.

    Raises:
        GraphError: parts of one variable are of different kinds, make no variable of their kind, or two variables are
            read from one column.
    """
    found: dict[str, tuple[AbstractInput, list[int], list[str]]] = {}
    for position, name in enumerate(inputs):
        kind = kinds[name]
        variable, labeled, label = name.partition("=") if isinstance(kind, AbstractVariable) else (name, "", "")
        if labeled and not (variable and label):
            raise GraphError(
                f"Cannot observe {name!r}. This is because a name with '=' is that of a part, VARIABLE=LABEL, and "
                f"{'the variable' if label else 'the label'} is empty. Try another name."
            )
        own, positions, labels = found.setdefault(variable, (kind, [], []))
        if own is not kind or (positions and not (labeled and labels[0])):
            raise GraphError(
                f"Cannot observe {name!r} beside {inputs[positions[0]]!r}. This is because both would be read as the "
                f"variable {variable!r}, and all parts of one are of one kind. Try another name for one of them."
            )
        positions.append(position)
        labels.append(label)
    made = []
    for variable, (kind, positions, labels) in found.items():
        columns: tuple[str, ...] = (variable,)
        if isinstance(kind, AbstractVariable):
            columns = kind.columns(variable, tuple(labels))
        made.append(Variable(variable, kind, tuple(positions), tuple(labels), columns))
    _check_columns(made)
    return tuple(made)


def columns_of(variables: Iterable[Variable]) -> tuple[str, ...]:
    """The columns of the data, in the order in which an array has them."""
    return tuple(column for variable in variables for column in variable.columns)


def _check_columns(variables: Sequence[Variable]) -> None:
    owner: dict[str, str] = {}
    for variable in variables:
        for column in variable.columns:
            other = owner.setdefault(column, variable.name)
            if other != variable.name:
                raise GraphError(
                    f"Cannot observe the variables {other!r} and {variable.name!r} together. This is because both are "
                    f"read from the column {column!r}, which would count twice. Try another name in one of them."
                )
