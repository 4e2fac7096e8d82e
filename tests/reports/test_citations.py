"""What to cite, and that every entry of the registry is sound."""

import re
from pathlib import Path

import pytest

from sostruct.errors import RunError
from sostruct.reports.citations import citations, registry

from .sweep.fake import write_job, write_sweep

ALWAYS = {"jax2018github", "kidger2021equinox", "hagberg2008networkx", "yadan2019hydra", "sostruct"}
METHOD = {"zellner1971introduction", "kass1995reference", "friston2011post", "granger1969investigating"}
SWEEPS = {"demsar2006statistical", "holm1979simple", "wilcoxon1945individual"}
CONTROL = {"evci2022gradmax", "maile2022when"}


def keys(bibtex: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),$", bibtex, re.MULTILINE)


def test_the_registry_is_sound() -> None:
    entries = registry()
    source = (Path(__file__).parents[2] / "sostruct" / "references.bib").read_text()
    assert len(entries) == len(re.findall(r"^@", source, re.MULTILINE))
    assert len({entry.key for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.keywords, entry.key
        assert "keywords" not in entry.bibtex
        assert entry.bibtex.count("{") == entry.bibtex.count("}")
        for field in ("author", "title", "year"):
            assert re.search(rf"^  {field} = \{{.+\}},$", entry.bibtex, re.MULTILINE), (entry.key, field)
        assert entry.bibtex.isascii()


LAYERED = ("cascade", "expansion", "gradmax", "pruning", "rewiring")
GROWTH = ("accept", "crp", "grid", "residual", "restraint", "retirement", "rule", "score", "trigger")
GROWTH += tuple(f"layered.{name}" for name in LAYERED)
"""Modules of growth that have parts with references."""


def test_every_part_of_the_registry_exists() -> None:
    from importlib import import_module

    homes = {
        "tasks": ["sostruct.tasks"],
        "growth": [f"sostruct.growth.{name}" for name in GROWTH],
        "networks": [f"sostruct.networks.{name}.network" for name in ("lagged", "hgf", "mixture", "layered")],
    }
    for part in {word for entry in registry() for word in entry.keywords} - {"always", "sweep"}:
        room, _, name = part.partition(".")
        assert any(hasattr(import_module(home), name) for home in homes[room]), part


def test_a_run_is_cited_by_what_it_used(tmp_path: Path) -> None:
    run = write_job(tmp_path / "run", ["growth=evidence", "seed=0"])
    found = citations(run)
    assert keys(found.bibtex) == sorted(ALWAYS | METHOD)
    assert "note = {Version 0.1.0}" in found.bibtex
    assert found.runs == 1


def test_a_control_and_another_task_bring_their_papers(tmp_path: Path) -> None:
    run = write_job(tmp_path / "run", ["growth=every", "task=lorenz96", "seed=0"])
    chaos = {"lorenz1996predictability", "khanna2020economy", "tank2018neural"}
    assert keys(citations(run).bibtex) == sorted(ALWAYS | METHOD | CONTROL | chaos)


def test_a_sweep_is_cited_once_with_its_statistics(tmp_path: Path) -> None:
    found = citations(write_sweep(tmp_path / "sweep", seeds=range(2)))
    assert keys(found.bibtex) == sorted(ALWAYS | METHOD | CONTROL | SWEEPS)
    assert found.runs == 8
    assert citations(tmp_path).bibtex == found.bibtex


def test_other_networks_bring_their_papers(tmp_path: Path) -> None:
    run = write_job(tmp_path / "run", ["seed=0"])
    (run / "config.yaml").write_text("network:\n  _target_: sostruct.networks.hgf.network.HGF\n")
    found = keys(citations(run).bibtex)
    assert "mathys2014uncertainty" in found
    assert not METHOD & set(found)


def test_parts_of_others_are_named_and_not_cited(tmp_path: Path) -> None:
    run = write_job(tmp_path / "run", ["seed=0"])
    (run / "config.yaml").write_text("growth:\n  _target_: mine.Rule\n  parts:\n    - _target_: theirs.Part\n")
    assert citations(run).unknown == ("mine.Rule", "theirs.Part")


def test_versions_are_those_that_ran(tmp_path: Path) -> None:
    for name, version in (("one", "0.2.0"), ("two", "0.1.0")):
        write_job(tmp_path / name, ["seed=0"], versions={"sostruct": version})
        (tmp_path / name / "job.json").unlink()
    assert "note = {Version 0.1.0 and 0.2.0}" in citations(tmp_path).bibtex


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        citations(tmp_path)


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    run = write_job(tmp_path / "run", ["seed=0"])
    (run / "config.yaml").write_text("a: [1")
    with pytest.raises(RunError, match=r"config\.yaml"):
        citations(run)
