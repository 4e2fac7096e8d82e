"""One run from settings to report: what the command line does between Hydra and the library.

The order of writing matters: config.yaml and environment.json when all input has been found sound, then the loop's own
record, then results, then the report, then done.json. A folder without config.yaml is not a run; one without done.json
is not finished.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sostruct.app.configuration import Settings, accepts, instantiate
from sostruct.app.workflows import workflow_of
from sostruct.errors import ConfigError, RunError

if TYPE_CHECKING:
    from sostruct.control.estimator import AbstractEstimator
    from sostruct.control.run import EpochReport
    from sostruct.tasks import Task

CONFIG = "config.yaml"


def start(
    config: DictConfig,
    folder: Path,
    overrides: Sequence[str],
    *,
    external: bool,
    quiet: bool = False,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> None:
    """Runs a new run into `folder`.

    Args:
        config: composed settings.
        folder: the run folder; empty or not there.
        overrides: what was typed on the command line.
        external: whether targets outside sostruct are allowed.
        quiet: whether to leave the terminal alone.
        on_epoch: called after every epoch.

    Raises:
        SostructError: settings, data or folder cannot be used.
    """
    begun = begin(config, folder, overrides, external=external)
    _carry_out(config, folder, *begun, quiet=quiet, on_epoch=on_epoch)


def begin(
    config: DictConfig, folder: Path, overrides: Sequence[str], *, external: bool
) -> tuple[Task, AbstractEstimator[Any]]:
    """Makes `folder` the folder of a new run: settings and environment are in it, nothing else is; see `start`."""
    from sostruct.control.finished import DONE, ENVIRONMENT

    if (folder / CONFIG).exists():
        finished = (folder / DONE).exists()
        remedy = "another folder" if finished else f"run.resume={folder}, or another folder"
        raise RunError(
            f"Cannot start a run in {folder}. This is because {'a finished' if finished else 'an unfinished'} run is "
            f"there already. Try {remedy}."
        )
    task, estimator = prepared(config, external=external)
    from sostruct.app.environment import describe_environment
    from sostruct.graph import write_atomically
    from sostruct.graph.files import SCHEMA

    about = {name: getattr(task, name) for name in ("name", "description", "provenance", "truth_lags")}
    environment = describe_environment(SCHEMA, config.seed, overrides, about)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / ENVIRONMENT, json.dumps(environment, indent=2) + "\n")
    write_atomically(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))
    return task, estimator


def resume(
    folder: Path,
    *,
    external: bool,
    quiet: bool = False,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> None:
    """Continues the unfinished run in `folder`; its files end up as if it had never stopped.

    Raises:
        RunError: the folder is not a run, is finished, was made by another schema version, or its data have changed.
    """
    from sostruct.control.finished import DONE, ENVIRONMENT
    from sostruct.graph.files import SCHEMA

    if not (folder / CONFIG).is_file():
        raise RunError(
            f"Cannot resume {folder}. This is because it is not a run folder (it has no {CONFIG}). Try one under "
            "results/."
        )
    if (folder / DONE).exists():
        raise RunError(f"Cannot resume {folder}. This is because it is finished. Try looking at its report.html.")
    try:
        schema = json.loads((folder / ENVIRONMENT).read_text("utf-8"))["schema"]
        config = OmegaConf.merge(OmegaConf.structured(Settings), OmegaConf.load(folder / CONFIG))
    except (OSError, ValueError, KeyError, TypeError, YAMLError, OmegaConfBaseException) as error:
        raise RunError(
            f"Cannot resume {folder}. This is because its files are damaged: {error}. Try a new run."
        ) from error
    if schema != SCHEMA:
        raise RunError(
            f"Cannot resume {folder}. This is because it was made with schema version {schema}, and this version of "
            f"sostruct writes {SCHEMA}. Try the version in its {ENVIRONMENT}."
        )
    assert isinstance(config, DictConfig)
    _carry_out(config, folder, *prepared(config, external=external), quiet=quiet, on_epoch=on_epoch)


def prepared(config: DictConfig, *, external: bool) -> tuple[Task, AbstractEstimator[Any]]:
    """Everything that can be refused: JAX's flags, the task, the estimator, and the data against both."""
    _set_up_jax(config)
    from sostruct.tasks import Task

    workflow = workflow_of(config)
    if not OmegaConf.is_dict(config.task):
        raise ConfigError("Cannot run without a task. This is because `task` is empty. Try task=var or task=csv.")
    settings = config.task.copy()
    OmegaConf.set_struct(settings, False)
    max_lag = settings.get("max_lag", 3)
    if not accepts(settings, "max_lag", external=external):
        settings.pop("max_lag", None)
    if not OmegaConf.is_dict(config.growth):
        raise ConfigError("Cannot run without a growth rule. This is because `growth` is empty. Try growth=evidence.")
    task = instantiate(settings, external=external).load(config.seed)
    if not isinstance(task, Task):
        raise ConfigError(f"Cannot run the task {config.task._target_}. This is because its load() gives no Task.")
    rule = instantiate(config.growth, external=external)
    return task, workflow.estimator(config, task, rule, max_lag)


def _carry_out(
    config: DictConfig,
    folder: Path,
    task: Task,
    estimator: AbstractEstimator[Any],
    *,
    quiet: bool,
    on_epoch: Callable[[EpochReport], None] | None,
) -> None:
    """Loop, results, report, done; every step leaves whole files."""
    from sostruct.app.console import epoch_progress

    with epoch_progress(config.controller.epochs, shown=config.run.progress and not quiet) as advance:

        def told(report: EpochReport) -> None:
            advance(report)
            if on_epoch is not None:
                on_epoch(report)

        estimator.fit(task.frame, folder=folder, on_epoch=told)
    page, numbers = finish(config, folder, task, estimator.result_)
    if not quiet:
        workflow_of(config).show(estimator.result_, task, numbers, page)


def finish(config: DictConfig, folder: Path, task: Task, found: Any) -> tuple[Path, dict[str, Any]]:
    """Results, report, done; where to look, and the run in numbers."""
    from sostruct.control.finished import mark_finished

    workflow = workflow_of(config)
    numbers = workflow.metrics(found, task)
    workflow.write(folder, found, numbers, task)
    page = folder
    if config.run.report:
        from sostruct.reports import write_report

        page = write_report(folder)
    mark_finished(folder, settled=found.settled)
    return page, numbers


def _job_number() -> int:
    """Of this job in its sweep; 0 outside one."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().job, "num"):
        return 0
    return HydraConfig.get().job.num


def _set_up_jax(config: DictConfig) -> None:
    """Every flag from the settings, and nothing from what a launcher's process happened to have before."""
    if config.run.threads is not None:
        from sostruct.app.environment import limit_threads

        limit_threads(config.run.threads, _job_number())
    from sostruct.loops import native_loops

    native_loops()
    import jax

    cache = None if config.jax.cache is None else str(Path(config.jax.cache).expanduser())
    flags = {
        "jax_enable_x64": config.jax.enable_x64,
        "jax_debug_nans": config.jax.debug_nans,
        "jax_platforms": config.jax.platform,
        "jax_compilation_cache_dir": cache,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    for flag, value in flags.items():
        jax.config.update(flag, value)  # type: ignore[no-untyped-call]
    try:
        jax.devices()
    except RuntimeError as error:
        raise ConfigError(
            f"Cannot use jax.platform={config.jax.platform}. This is because JAX finds no such device here "
            f"({str(error).splitlines()[0]}). Try jax.platform=cpu."
        ) from error
