"""Which connections between two populations of units are there, as text that an edge carries.

Design note. A journal must replay to the very connections a network had, so they belong to the graph and not only to
the arrays of a network. Bits in hexadecimal take a quarter of a character per connection, are hashable and equal
exactly when the connections are, and GraphML and JSON hold them; where all connections are there, as almost everywhere,
the text is empty. From a population to itself (an edge of lag 1) units act on the units after them, in their order, and
on no others: all connections are then those above the diagonal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError

Mask = NDArray[np.bool_]


def all_connections(rows: int, columns: int, ordered: bool = False) -> Mask:
    """Every connection that there may be [source unit, target unit]; of ordered units, from each to those after it."""
    mask = np.ones((rows, columns), np.bool_)
    return np.triu(mask, 1) if ordered else mask


def encode_connections(mask: Mask, ordered: bool = False) -> str:
    """Connections as text.

    Args:
        mask: which are there [source unit, target unit].
        ordered: whether units act on those after them only, as within a population.
    """
    if np.array_equal(mask, all_connections(mask.shape[0], mask.shape[1], ordered)):
        return ""
    return np.packbits(mask).tobytes().hex()


def decode_connections(text: str, rows: int, columns: int, ordered: bool = False) -> Mask:
    """The connections that `encode_connections` wrote [source unit, target unit].

    Raises:
        GraphError: the text is not of so many units, or has a connection that ordered units cannot have.
    """
    full = all_connections(rows, columns, ordered)
    if not text:
        return full
    if len(text) != 2 * (-(-rows * columns // 8)):
        raise GraphError(
            f"Cannot read the connections of {rows} units with {columns}. This is because their text has {len(text)} "
            f"characters and {2 * (-(-rows * columns // 8))} are needed. Try encode_connections."
        )
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))
    mask = bits[: rows * columns].astype(np.bool_).reshape(rows, columns)
    if (mask & ~full).any() or bits[rows * columns :].any():
        raise GraphError(
            f"Cannot read the connections of {rows} units with {columns}. This is because some are between units that "
            "cannot be connected. Try encode_connections."
        )
    return mask
