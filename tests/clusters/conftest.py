"""Rows of three clusters that are known, and a mixture that was grown on them."""

from __future__ import annotations

import pytest

from sostruct.clusters.estimator import MixtureLearning
from sostruct.tasks import DriftingMixture


@pytest.fixture(scope="session")
def task():
    """Rows of three clusters that stay where they are: 120, and 60 more held out."""
    return DriftingMixture(clusters=3, steps=120, heldout=60, events=(), wander=0.0).load(0)


@pytest.fixture(scope="session")
def learner(task):
    """A fitted estimator."""
    return MixtureLearning().fit(task.frame)


@pytest.fixture(scope="session")
def found(learner):
    return learner.result_
