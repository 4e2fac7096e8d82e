"""Folders of jobs: the same for the same job, another for any other."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from sostruct.app.naming import job_folder, run_id

KEYS = ["seed", "growth", "task.path", "network.forbidden"]
WORDS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.text(max_size=60)).map("=".join),
    max_size=4,
    unique_by=lambda word: word.partition("=")[0],
)


def test_readable_where_that_is_possible() -> None:
    assert job_folder(["seed=3", "growth=evidence"]) == "growth=evidence,seed=3"
    assert job_folder(["task.ridge=0.5", "+task.extra=-1"]) == "task.extra=-1,task.ridge=0.5"
    assert job_folder([]) == "default"


def test_how_a_job_is_carried_out_is_not_part_of_it() -> None:
    carried = ["run.report=false", "run.threads=1", "hydra.sweep.dir=x", "launcher=basic", "report.confidence=0.9"]
    assert job_folder(["seed=1", *carried, "hydra/launcher=basic"]) == "seed=1"
    assert job_folder(["seed=1", "jax.enable_x64=true"]) != "seed=1"


@hypothesis.given(WORDS, st.randoms(use_true_random=False))
def test_any_order_gives_one_folder(words: list[str], random) -> None:
    shuffled = list(words)
    random.shuffle(shuffled)
    assert job_folder(words) == job_folder(shuffled)


@hypothesis.given(WORDS, WORDS)
def test_other_settings_have_other_folders(one: list[str], other: list[str]) -> None:
    if sorted(one) != sorted(other):
        assert job_folder(one).lower() != job_folder(other).lower() or job_folder(one) != job_folder(other)


@hypothesis.given(WORDS)
def test_a_name_is_one_folder_on_any_system(words: list[str]) -> None:
    name = job_folder(words)
    assert 0 < len(name) <= 130
    assert not set(name) & set('/\\:*?"<>| ')
    assert name[0] != "."


@pytest.mark.parametrize("tried", range(3))
def test_single_runs_do_not_collide(tried: int) -> None:
    assert run_id() != run_id()
