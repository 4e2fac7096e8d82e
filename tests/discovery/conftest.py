"""One system and what is found in it, shared by the folder: five series, 300 rows, lags 1 to 3."""

from __future__ import annotations

import pytest

from sostruct.discovery.estimator import discover
from sostruct.tasks import SparseVAR

MAX_LAG = 3


@pytest.fixture(scope="session")
def task():
    return SparseVAR(nodes=5, steps=300, max_lag=MAX_LAG).load(4)


@pytest.fixture(scope="session")
def frame(task):
    return task.frame


@pytest.fixture(scope="session")
def found(frame):
    return discover(frame, max_lag=MAX_LAG)
