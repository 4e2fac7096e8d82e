"""Fixtures for the graph tests."""

from __future__ import annotations

import pytest

from sostruct.graph import Edge, Node, Topology, schema


@pytest.fixture
def small():
    """Two observed series and a latent with a volatility parent: every kind of thing once."""
    return Topology(
        (
            Node("price", "continuous", {"precision": 10.0}),
            Node("volume", "continuous"),
            Node("level", "continuous", {"mean": 0.5}),
            Node("turbulence", "continuous"),
        ),
        (
            Edge("level", "price"),
            Edge("level", "volume", strength=-0.4, function="tanh"),
            Edge("turbulence", "level", coupling="volatility"),
            Edge("price", "volume", lag=2),
            Edge("volume", "volume", lag=1, strength=0.9),
        ),
    )


@pytest.fixture
def registries(monkeypatch):
    """Registries that a test may add to; what it adds is gone afterwards."""
    monkeypatch.setattr(schema, "_kinds", dict(schema._kinds))
    monkeypatch.setattr(schema, "_functions", set(schema._functions))
    before = dict(schema._annotations)
    yield
    schema._annotations.update(before)


@pytest.fixture
def refusal():
    """Checks that an error reads "Cannot X. This is because Y. Try Z." and names what it must name."""

    def check(raised, *named):
        message = str(raised.value)
        cannot, because, remedy = message.find("Cannot "), message.find("This is because "), message.find("Try ")
        assert cannot == 0, message
        assert 0 < because < remedy, message
        assert message.endswith("."), message
        for part in named:
            assert part in message, (part, message)

    return check
