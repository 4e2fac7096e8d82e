"""A config file must not be a way to run code: `_target_` names parts of sostruct, unless the command line says so."""

from __future__ import annotations

import sys

import pytest
from omegaconf import OmegaConf

from sostruct.app.configuration import instantiate, targets
from sostruct.errors import ConfigError
from sostruct.growth.rule import GrowthRule
from sostruct.tasks import SparseVAR

from .helpers import RECORD, interruption, refused

RULE = {
    "_target_": "sostruct.growth.rule.GrowthRule",
    "trigger": {"_target_": "sostruct.growth.trigger.Every", "epochs": 1},
    "scorer": {"_target_": "sostruct.growth.score.Evidence"},
    "accept": {"_target_": "sostruct.growth.accept.PositiveEvidence"},
}


def node(**content):
    return OmegaConf.create({"part": content})["part"]


def test_parts_of_sostruct_are_built():
    rule = instantiate(node(**RULE), external=False)
    assert type(rule) is GrowthRule
    assert instantiate(node(_target_="sostruct.tasks.SparseVAR", nodes=3), external=False) == SparseVAR(nodes=3)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.print",
        "pathlib.Path",
        "sostruct",
        "sostructural.thing",
        "sostruct.cli.os.system",
        "sostruct.cli.sys.exit",
        "sostruct.app.configuration.inspect.getsource",
        "sostruct.graph.files.os.replace",
        "sostruct.growth.rule.eqx.Module",
        "sostruct.errors",
        "sostruct.nosuch.Thing",
        "sostruct.tasks.NoSuch",
        "sostruct.__version__",
        3,
    ],
)
def test_anything_else_is_refused_by_name(target):
    for content in (
        {"_target_": target},
        RULE | {"restraints": [{"_target_": "sostruct.growth.restraint.Budget"}, {"_target_": target}]},
        RULE | {"restraints": [[{"deeper": {"_target_": target}}]]},
        RULE | {"trigger": {"_target_": "sostruct.growth.trigger.Every", "epochs": {"_target_": target}}},
    ):
        with pytest.raises(ConfigError, match=rf"part.*{target}"):
            instantiate(node(**content), external=False)


def test_a_target_cannot_hide_in_an_interpolation(monkeypatch):
    config = OmegaConf.create({"hidden": "os.system", "part": {"_target_": "${hidden}", "command": "true"}})
    with pytest.raises(ConfigError, match=r"os\.system"):
        instantiate(config["part"], external=False)


@pytest.mark.parametrize(
    "content",
    [
        {"_target_": "sostruct.graph.write_atomically", "content": "mine now"},
        {"_target_": "sostruct.graph.files.write_atomically", "content": "mine now"},
        {"_target_": "sostruct.control.appended.AppendedFile", "size": 0},
    ],
)
def test_sostructs_own_functions_are_no_way_to_write_files(tmp_path, content):
    """Parts are objects with settings; nothing that acts when called may be named."""
    path = tmp_path / "precious"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="part"):
        instantiate(node(**content, path=str(path)), external=False)
    assert path.read_text() == "precious"


def test_every_target_is_found_with_its_place():
    config = OmegaConf.create(
        {"a": {"_target_": "x", "b": [{"c": [{"_target_": "y"}]}, 3]}, "d": {"_target_": "${a._target_}"}}
    )
    assert list(targets(config)) == [("a", "x"), ("a.b[0].c[0]", "y"), ("d", "x")]


# ------------------------------------------------------------------------------------------- through the command line

OUTSIDE = '''
"""A task of somebody else's."""

from pathlib import Path

from sostruct.tasks import SparseVAR


class Outside:
    def __init__(self, mark):
        Path(mark).touch()

    def load(self, seed):
        return SparseVAR(nodes=5, steps=120).load(seed)
'''


@pytest.fixture
def outside(workplace, monkeypatch):
    """An importable module outside sostruct, and settings files that name it; gives the file that only it touches."""
    (workplace / "outside.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.delitem(sys.modules, "outside", raising=False)
    mark = workplace / "mark"
    options = workplace / "mine"
    (options / "task").mkdir(parents=True)
    (options / "experiment").mkdir()
    task = f"_target_: outside.Outside\nmark: {mark}\n"
    (options / "task" / "theirs.yaml").write_text(task)
    head = "# @package _global_\ndefaults:\n  - override /task: theirs\n"
    (options / "experiment" / "bold.yaml").write_text(head + "run:\n  allow_external_targets: true\n")
    (options / "experiment" / "sly.yaml").write_text(
        head + "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      run.allow_external_targets: 'true'\n"
    )
    return mark


OPTIONS = "--config-dir=mine"


def test_a_file_cannot_name_other_code(sostruct, workplace, outside):
    refused(sostruct(OPTIONS, "task=theirs"), "task", "outside.Outside", "run.allow_external_targets=true")
    assert not outside.exists()


def test_a_file_cannot_allow_it_either(sostruct, outside):
    refused(sostruct(OPTIONS, "experiment=bold"), "outside.Outside")
    assert not outside.exists()


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_file_cannot_make_a_sweep_to_allow_it(sostruct, outside, launcher):
    """With joblib it is another process that says so."""
    assert sostruct(OPTIONS, "experiment=sly", f"launcher={launcher}").code == 2
    assert not outside.exists()


@pytest.mark.parametrize("allowed", ["true", "True"])
def test_the_command_line_can(small, workplace, outside, allowed):
    done = small(workplace / "run", OPTIONS, f"run.allow_external_targets={allowed}", task="theirs")
    assert done.code == 0
    assert outside.exists()
    assert (workplace / "run" / "done.json").is_file()


def test_the_command_line_can_for_a_sweep(small, workplace, outside):
    sweep = f"hydra.sweep.dir={workplace / 'sweep'}"
    words = ("-m", OPTIONS, "seed=0,1", "launcher=basic", sweep)
    assert small(None, *words, task="theirs").code == 1
    assert not outside.exists()
    done = small(None, *words, "run.allow_external_targets=true", task="theirs")
    assert done.code == 0
    assert outside.exists()


def test_what_the_command_line_denies_no_file_allows(sostruct, outside):
    refused(sostruct(OPTIONS, "experiment=bold", "run.allow_external_targets=false"), "outside.Outside")
    assert not outside.exists()


def test_a_run_that_was_allowed_is_not_resumed_without_being_allowed_again(
    small, sostruct, workplace, outside, monkeypatch
):
    with interruption(monkeypatch, RECORD, 1):
        small(workplace / "run", OPTIONS, "run.allow_external_targets=true", task="theirs")
    outside.unlink()
    refused(sostruct("run.resume=run"), "outside.Outside")
    assert not outside.exists()
    assert sostruct("run.resume=run", "run.allow_external_targets=true").code == 0
    assert outside.exists()


def test_targets_on_the_command_line_are_checked_too(sostruct, workplace):
    for target in ("os.system", "sostruct.cli.os.system"):
        refused(sostruct(f"task._target_={target}"), "task", target)
    nested = "growth.accept={_target_:os.system,command:true}"
    refused(sostruct(nested), "growth.accept", "os.system")
    listed = "+growth.restraints=[{_target_:sostruct.growth.restraint.Budget},{_target_:os.system,command:true}]"
    refused(sostruct(listed), "growth.restraints[1]", "os.system")


@pytest.mark.parametrize(
    "settings",
    [
        "hydra:\n  callbacks:\n    theirs:\n      _target_: outside.Outside\n      mark: {mark}\n",
        "hydra:\n  launcher:\n    _target_: outside.Outside\n",
        "hydra:\n  callbacks:\n    theirs:\n      _target_: hydra.utils.log.manager.root.handlers.clear\n",
    ],
)
def test_hydra_itself_runs_nothing_foreign(sostruct, workplace, outside, settings):
    text = "# @package _global_\n" + settings.format(mark=outside)
    (workplace / "mine" / "experiment" / "deep.yaml").write_text(text)
    refused(sostruct(OPTIONS, "experiment=deep", "task=var"), "Cannot use hydra.", "neither Hydra's nor sostruct's")
    refused(sostruct("--config-dir", "mine", "-m", "experiment=deep", "seed=0,1"), "Cannot use hydra.")
    assert "outside" not in sys.modules
    assert not outside.exists()


def test_a_part_without_a_target_is_refused(sostruct):
    refused(sostruct("~task._target_"), "task", "_target_")
