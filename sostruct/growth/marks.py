"""Short marks by which a rule remembers graphs from epoch to epoch: its state is JSON."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from sostruct.graph import Topology


def signature(topology: Topology, data: str) -> str:
    """Says which graph, with which numbers, over which data."""
    return digest(_text(topology), data)


@lru_cache(maxsize=1024)
def shape(topology: Topology) -> str:
    """Says which graph, whatever its numbers."""
    nodes = (f"{node.name}:{node.kind}" for node in topology.nodes)
    return digest(*nodes, *(":".join(map(str, edge.key)) for edge in topology.edges))


@lru_cache(maxsize=1024)
def _text(topology: Topology) -> str:
    return topology.to_json()


def digest(*words: str) -> str:
    """Sixteen characters that stand for these words."""
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
