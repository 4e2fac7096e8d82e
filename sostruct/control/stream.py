"""A run that goes on: chunks of a live stream come in, and the graph follows.

What is remembered is bounded: the last rows of the stream, cut where chunks met, with the network's state before each.
Edits are priced over the whole of it, and over its recent parts alone. Where a recent part gains more than the whole,
the past is over: what came before is forgotten. After an edit the remembered rows
are filtered again, so beliefs are those that the new graph would have come to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from sostruct.errors import ConfigError, DataError
from sostruct.growth.counterfactual import Pricing
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals, merged

_NARROWER = 0.75
"""Each recent part over which edits are priced is about this share of the one before."""


@final
@dataclass
class Stream:
    """The remembered end of a stream.

    Attributes:
        limit: most rows remembered; whole chunks are forgotten, so that up to a chunk less are. The last chunk is
            remembered however long it is.
        shortest: fewest rows over which an edit is priced.
        starts: the network before each remembered chunk.
        chunks: the prepared chunks.
        signals: what the epoch over each reported.
        network: the network after the last.
    """

    network: AbstractNetwork
    limit: int = 1000
    shortest: int = 100
    starts: list[AbstractNetwork] = field(default_factory=list)
    chunks: list[PyTree] = field(default_factory=list)
    signals: list[Signals] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.network.sequential:
            raise ConfigError(
                "Cannot observe a stream. This is because this network sums a whole series up before it runs. Try a "
                "belief network or a mixture."
            )
        if self.limit < self.shortest or self.shortest < 1:
            raise ConfigError(
                f"Cannot remember {self.limit} rows and price edits over at least {self.shortest}. This is because the "
                "first must be as many and the second positive. Try limit=1000, shortest=100."
            )

    @property
    def lengths(self) -> list[int]:
        """Rows of every remembered chunk."""
        return [length(chunk) for chunk in self.chunks]

    def take(self, chunk: PyTree, key: PRNGKeyArray) -> Signals:
        """Filters a chunk, remembers it, and forgets what is beyond the limit.

        Raises:
            DataError: it comes with time steps and those before without, or the other way round.
        """
        _alike([*self.chunks[-1:], chunk])
        self._append(chunk, key)
        while len(self.chunks) > 1 and sum(self.lengths) > self.limit:
            del self.starts[0], self.chunks[0], self.signals[0]
        return self.signals[-1]

    def pricing(self, key: PRNGKeyArray, mark: str) -> Pricing:
        """What edits are worth over the remembered rows, and over ever fewer of the last."""
        whole, *narrower = (
            Pricing(
                self.starts[first],
                joined(self.chunks[first:]),
                key,
                f"{mark}:{first}",
                True,
                merged(self.signals[first:]),
                since=first,
                looks=len(self.chunks),
            )
            for first in self._firsts()
        )
        return replace(whole, narrower=tuple(narrower))

    def _firsts(self) -> list[int]:
        """Chunks with which the whole and its more recent parts begin."""
        found = [0]
        lengths = self.lengths
        rows = float(sum(lengths))
        for first in range(1, len(lengths)):
            left = sum(lengths[first:])
            if left >= self.shortest and (left <= _NARROWER * rows or sum(lengths[first + 1 :]) < self.shortest):
                found.append(first)
                rows = left
        return found

    def replay(self, network: AbstractNetwork, chunks: Sequence[PyTree], key: PRNGKeyArray) -> None:
        """Begins again with a network and the chunks that follow it; what came before is forgotten."""
        self.network, self.chunks, self.starts, self.signals = network, [], [], []
        for chunk in list(chunks):
            self._append(chunk, key)

    def _append(self, chunk: PyTree, key: PRNGKeyArray) -> None:
        self.starts.append(self.network)
        self.chunks.append(chunk)
        self.network, signals = self.network.epoch(chunk, key=key)
        self.signals.append(signals)


def length(chunk: PyTree) -> int:
    """Rows of prepared data."""
    return len(jax.tree.leaves(chunk)[0])


def joined(chunks: Sequence[PyTree]) -> PyTree:
    """Chunks one after another.

    Raises:
        DataError: some come with time steps and some without.
    """
    _alike(chunks)
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *chunks)


def cut(data: PyTree, lengths: Sequence[int]) -> list[PyTree]:
    """The inverse of `joined`."""
    ends = np.cumsum(lengths).tolist()

    def rows(first: int, last: int) -> Any:
        return jax.tree.map(lambda part: np.asarray(part)[first:last], data)

    return [rows(end - size, end) for end, size in zip(ends, lengths, strict=True)]


def _alike(chunks: Sequence[PyTree]) -> None:
    if len({jax.tree.structure(chunk) for chunk in chunks}) > 1:
        raise DataError(
            "Cannot join the chunks of the stream. This is because some have time steps other than 1 and some have "
            "not. Try giving time steps with every chunk."
        )
