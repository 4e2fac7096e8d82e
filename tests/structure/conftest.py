"""A small series with a hidden structure, and a network that was grown on it."""

from __future__ import annotations

import pytest

from sostruct.growth import catalogue
from sostruct.structure.estimator import StructureLearning
from sostruct.tasks import HiddenStructure


@pytest.fixture(scope="session")
def task():
    """Three series of 120 rows, 60 more held out, and a start whose parameters are as the truth has them."""
    return HiddenStructure(inputs=3, steps=120, heldout=60, wrong=0.0).load(0)


@pytest.fixture(scope="session")
def learner(task):
    """An estimator that has made a few random edits."""
    return StructureLearning(task.start, growth=catalogue.random(1), epochs=2, seed=1).fit(task.frame)


@pytest.fixture(scope="session")
def found(learner):
    return learner.result_
