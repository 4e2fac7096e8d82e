"""Every config composes, is typed, and builds what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from sostruct import cli
from sostruct.app.configuration import Settings, accepts, instantiate, register, targets
from sostruct.growth import catalogue
from sostruct.growth.several import Several
from sostruct.tasks import Table, Task, all_tasks

CONF = Path(cli.__file__).parent.parent / "conf"
OPTIONS = sorted(
    (str(path.parent.relative_to(CONF)), path.stem)
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF and "hydra" not in path.parts
)
"""(group, option) of every file."""


def chosen(group, option):
    """The overrides that choose an option; parts that depend on the network are chosen by it."""
    first, _, rest = group.partition("/")
    owner = {"scorer": f"growth={rest}", "restraint": "restraint=budget"}.get(first if rest else "")
    place = [f"{group}={option}"] if owner is None else [owner, f"network={option}"]
    return [*place, *(["task.path=series.csv"] if option == "csv" else [])]


def composed(*overrides):
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.fixture
def task_of(csv):
    """The task of a config, as the command line builds it."""

    def build(config):
        settings = config.task.copy()
        OmegaConf.set_struct(settings, False)
        if not accepts(settings, "max_lag", external=False):
            settings.pop("max_lag")
        return instantiate(settings, external=False)

    return build


def test_there_is_an_option_for_every_task_and_rule():
    assert {option for group, option in OPTIONS if group == "task"} == set(all_tasks) | {"csv"}
    assert {option for group, option in OPTIONS if group == "growth"} >= set(catalogue.all_rules)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_builds(task_of, csv, group, option):
    config = composed(*chosen(group, option))
    assert OmegaConf.get_type(config) is Settings
    assert all(target.startswith("sostruct.") for _, target in targets(config))
    built = {key.partition(".")[0] for key, _ in targets(config)}
    assert built - {"restraint", "network"} == {"task", "growth", "trigger", "accept"}
    assert config.task.max_lag >= 1
    task = task_of(config)
    assert isinstance(task.load(config.seed), Task)
    rule = instantiate(config.growth, external=False)
    if group == "growth":
        assert rule == getattr(catalogue, option)(), "not the rule of that name in growth.catalogue"
        grown = rule.rules[0] if isinstance(rule, Several) else rule
        assert instantiate(config.trigger, external=False) == grown.trigger
    if group == "restraint":
        assert len(rule.restraints) == len(config.restraint) == (option != "none")
    if group == "task":
        assert type(task) is {**all_tasks, "csv": Table}[option]


def test_alone_it_is_the_linear_system_and_evidence():
    alone, spelled = composed(), composed("task=var", "growth=evidence")
    assert alone == spelled
    assert (alone.seed, alone.run.resume, alone.run.allow_external_targets) == (0, None, False)


def test_defaults_are_the_estimators_own():
    """The command line and `ss.discover` find the same graph; so do it and `ss.learn_structure`, `ss.learn_mixture`."""
    from sostruct.clusters.estimator import MixtureLearning
    from sostruct.discovery.estimator import CausalDiscovery
    from sostruct.prediction.estimator import LayeredClassifier
    from sostruct.structure.estimator import StructureLearning

    assert composed().task.max_lag == CausalDiscovery().max_lag
    for config, learner in (
        (composed(), CausalDiscovery()),
        (composed("network=belief"), StructureLearning()),
        (composed("network=mixture"), MixtureLearning()),
        (composed("network=layered", "network.target=null", "network.hidden=[32]"), LayeredClassifier([32])),
    ):
        defaults = learner.get_params()
        for section in (config.network, config.controller):
            for name, value in section.items():
                if name not in ("_target_", "predicts"):
                    assert value == (list(defaults[name]) if name in ("forbidden", "required") else defaults[name]), (
                        name
                    )


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_what_is_written_is_read_back(csv, group, option):
    """A resumed run reads the config.yaml it wrote."""
    required = (
        ["network.required=[[a,b,1],[c,d]]"]
        if option not in ("belief", "structure", "mixture", "layered", "digits", "xor", "two_spirals")
        else ["network.start=a.json"]
    )
    config = composed(*chosen(group, option), *(required if group != "task" else []), "seed=5")
    back = OmegaConf.merge(OmegaConf.structured(Settings), OmegaConf.create(OmegaConf.to_yaml(config, resolve=True)))
    assert back == config


def test_unknown_settings_are_refused_by_the_schema():
    for overrides in (
        ["network.rigde=1"],
        ["network.ridge=much"],
        ["runn.report=true"],
        ["jax.enable_x32=true"],
        ["network=belief", "network.ridge=1"],
        ["network=belief", "network.mean_field=perhaps"],
        ["network=mixture", "network.update=ehgf"],
        ["network=mixture", "network.memory=long"],
        ["network=layered", "network.memory=long"],
        ["network=layered", "network.hidden=many"],
    ):
        with pytest.raises(ConfigCompositionException):
            composed(*overrides)
