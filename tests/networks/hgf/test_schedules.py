"""Both schedules against the plain reference filter: random graphs of every kind, every choice of settings.

The packed schedule runs all graphs in one capacity, so that six settings are six compilations; the unrolled schedule
compiles every graph. Time steps are always given (all 1 for regular series) for the same reason.
"""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.networks.hgf.schedules import (
    ALL,
    CHOICES,
    PAIRS,
    SHARED,
    Run,
    Settings,
    System,
    deviations,
    example,
    filtered,
    held,
    random_system,
    steady,
    worst,
)

TOLERANCE = 1e-9
STEPS = 12


def ids(settings: list[Settings], fast: int) -> list:
    """Test parameters, all but the first few of them marked slow."""
    marks = [() if number < fast else (pytest.mark.slow,) for number in range(len(settings))]
    return [pytest.param(one, id=str(one), marks=own) for one, own in zip(settings, marks, strict=True)]


def drawn(rng: np.random.Generator, nodes: int, steps: int, missing: float, irregular: bool) -> System:
    several = bool(rng.random() < 0.5)
    system = random_system(rng, nodes, steps, missing=missing, irregular=irregular, several_parents=several)
    elapsed = np.ones(steps) if system.time_steps is None else system.time_steps
    return System(system.graph, system.inputs, system.data, elapsed)


def compare(run: Run, system: System, settings: Settings) -> bool:
    """Whether the whole series could be compared; up to where the reference diverges, it must agree."""
    truth = system.truth(settings)
    steps = steady(truth)
    off, where = worst(deviations(run, truth), steps)
    assert off < TOLERANCE, f"{where} is off by {off} within the first {steps} steps"
    if steps == len(system.data):
        assert held(run) == held(truth)
    return steps == len(system.data)


def test_the_pairs_cover_every_two_choices() -> None:
    for first in range(len(CHOICES)):
        for second in range(first):
            met = {tuple(vars(one).values())[second : first + 1 : first - second] for one in PAIRS}
            assert len(met) == len(CHOICES[first]) * len(CHOICES[second])
    assert len(ALL) == len(set(ALL)) == 48


@pytest.mark.parametrize("settings", ids(PAIRS, 1))
def test_packed_graphs_of_up_to_60_nodes(settings: Settings) -> None:
    """84 random graphs for each of six settings."""
    whole = []

    @hypothesis.given(
        nodes=st.integers(2, 60),
        seed=st.integers(0, 2**32 - 1),
        missing=st.sampled_from([0.0, 0.2, 0.6]),
        irregular=st.booleans(),
    )
    @hypothesis.settings(max_examples=84, phases=[hypothesis.Phase.generate])
    def agrees(nodes: int, seed: int, missing: float, irregular: bool) -> None:
        rng = np.random.default_rng((PAIRS.index(settings), seed))
        system = drawn(rng, nodes, STEPS, missing, irregular)
        run = filtered(system, settings, at_least=SHARED)
        whole.append(compare(run, system, settings))

    agrees()
    assert len(whole) >= 84
    assert np.mean(whole) > 0.85


@pytest.mark.parametrize("settings", ids(PAIRS, 1))
@pytest.mark.parametrize("nodes", [6])
def test_unrolled_graphs(settings: Settings, nodes: int) -> None:
    """And the packed schedule in the same capacity as above, which must agree with it to rounding.

    A network can be chaotic: then rounding is whatever data changed in their last digit make of the packed filter.
    """
    rng = np.random.default_rng((nodes, PAIRS.index(settings)))
    system = drawn(rng, nodes, 40, missing=0.2, irregular=PAIRS.index(settings) % 2 == 0)
    run = filtered(system, settings, "unrolled")
    assert compare(run, system, settings)
    packed = filtered(system, settings, at_least=SHARED)
    moved = filtered(replace(system, data=system.data * (1.0 + 1e-15)), settings, at_least=SHARED)

    def agree(own: np.ndarray, wanted: np.ndarray, shaken: np.ndarray) -> None:
        np.testing.assert_allclose(own, wanted, rtol=1e-11, atol=1e-12 + np.abs(shaken - wanted).max())

    for quantity, columns in run.beliefs.items():
        for name, column in columns.items():
            wanted = packed.beliefs[quantity][name]
            if np.isfinite(wanted).all():
                agree(column, wanted, moved.beliefs[quantity][name])
            else:
                np.testing.assert_array_equal(column, wanted)
    agree(run.surprise, packed.surprise, moved.surprise)
    for name, column in run.marginal.items():
        agree(column, packed.marginal[name], moved.marginal[name])


@pytest.mark.slow
@pytest.mark.parametrize("settings", ids(ALL[::5], 0))
def test_unrolled_graphs_under_more_choices_of_settings(settings: Settings) -> None:
    """Small graphs, whose compilation is quick. Odd ones hold no predictions, as strict filters do."""
    number = ALL.index(settings)
    rng = np.random.default_rng((0, number))
    complete = number % 3 == 0
    system = drawn(rng, 2 + number % 3, 40, 0.0 if complete else 0.2, irregular=number % 2 == 0)
    run = filtered(system, settings, "unrolled", hold=number % 2 == 0, complete=complete)
    assert compare(run, system, settings)


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_a_graph_with_everything(schedule: str) -> None:
    system, settings = example(), Settings()
    assert compare(filtered(system, settings, schedule), system, settings)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
@pytest.mark.parametrize("settings", ids(PAIRS[3:4], 0))
def test_a_graph_with_everything_under_other_settings(settings: Settings, schedule: str) -> None:
    system = example()
    assert compare(filtered(system, settings, schedule), system, settings)
