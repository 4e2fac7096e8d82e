"""The `sostruct` command: a thin Hydra app around `CausalDiscovery`, `StructureLearning` and `MixtureLearning`.

Everything a user gets wrong is reported in one message on standard error with exit code 2, before work starts and
without leaving a folder that looks like a run. Heavy imports come after the settings are known to be sound.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sostruct.app.configuration import OPT_IN, register
from sostruct.app.footprint import remove_empty
from sostruct.app.foreign import check_hydra_targets
from sostruct.app.naming import register_resolvers
from sostruct.app.sweep import Sweep, prepared
from sostruct.errors import ConfigError, DataWarning, SostructError

_ALLOWED = "SOSTRUCT_ALLOW_EXTERNAL_TARGETS"
_SWEEPING = "SOSTRUCT_SWEEPING"
"""Both set for the processes of a launcher from what was typed; whatever they were before is overwritten."""

_INTERNALS = ("full_key:", "object_type=", "reference_type=", "Config search path", "provider=")


def _configs() -> str:
    package = Path(__file__).parent
    shipped = package / "conf"
    return str(shipped if shipped.is_dir() else package.parent / "conf")


register_resolvers()  # here, so that the processes of a launcher, which import this module, know them too


@hydra.main(version_base="1.3", config_path=_configs(), config_name="config")
def _app(config: DictConfig) -> None:
    with _refusals(), _advice():
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            _run(config, folder, list(HydraConfig.get().overrides.task))
        finally:
            remove_empty(folder)


def _job(config: DictConfig, folder: Path, overrides: list[str]) -> None:
    """A job of a sweep, or several that run together. Nothing is raised: what goes wrong is in the job's folder."""
    if config.run.plan is None:
        from sostruct.app.jobs import carry_out

        carry_out(config, folder, overrides, external=_allowed())
        return
    from sostruct.app.together import carry_out_together

    carry_out_together(config, folder, overrides, external=_allowed())


def _run(config: DictConfig, folder: Path, overrides: list[str]) -> None:
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        if os.environ.get(_SWEEPING) != "1":
            raise ConfigError(
                "Cannot sweep here. This is because a config asks for it (hydra.mode or hydra/sweeper), and sweeps are "
                "asked for on the command line. Try `sostruct -m`, with Hydra's own sweeper."
            )
        _job(config, folder, overrides)
        return
    from sostruct.app.session import resume, start

    external = _allowed()
    if config.run.resume is None:
        start(config, folder, overrides, external=external)
        return
    others = [override for override in overrides if override.split("=")[0] not in ("run.resume", OPT_IN)]
    if others:
        raise ConfigError(
            f"Cannot resume with {' '.join(others)}. This is because a resumed run keeps the settings it began with. "
            "Try run.resume alone, or a new run."
        )
    resume(Path(config.run.resume), external=external)


def _opted_in(arguments: list[str]) -> bool:
    """Whether the command line itself, the last word counting, allows targets outside sostruct."""
    given = [value for name, _, value in (word.partition("=") for word in arguments) if name.lstrip("+") == OPT_IN]
    return bool(given) and given[-1].strip().lower() in ("true", "yes", "on", "1")


def _allowed() -> bool:
    """Whether the command line allows targets outside sostruct; a launcher's processes have it from the first one."""
    return os.environ.get(_ALLOWED) == "1" and _ALLOWED not in HydraConfig.get().job.env_set


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns what the user can mend into one message and exit code 2. Defects keep their traceback."""
    try:
        yield
    except SostructError as error:
        message = str(error)
    except (HydraException, OmegaConfBaseException) as error:
        message = _composition(error)
    except ValueError as error:
        if not _raised_by_hydra(error):
            raise
        message = f"Cannot use {' '.join(sys.argv[1:])}. This is because: {error}. Try `sostruct --help`."
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: `sostruct --help | head`
        sys.exit(1)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        message = (
            f"Cannot read or write{where}. This is because of: {error.strerror or error}. Try another place "
            "(hydra.run.dir=DIR sets the run's folder)."
        )
    else:
        return
    sys.stderr.write(f"sostruct: {' '.join(message.split())}\n")
    sys.exit(2)


@contextmanager
def _advice() -> Iterator[None]:
    """Warnings about data in a line each, once: data are looked at before a run starts and when it does."""
    told: set[str] = set()
    with warnings.catch_warnings():
        other = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
            if not issubclass(category, DataWarning):
                other(message, category, *where, **how)
            elif str(message) not in told:
                told.add(str(message))
                sys.stderr.write(f"sostruct: {message}\n")

        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = show
        yield


def _raised_by_hydra(error: Exception) -> bool:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__", "")).startswith("hydra.")


def _composition(error: Exception) -> str:
    """What Hydra says about settings that do not compose, with its cause and without its internals."""
    parts = [str(part) for part in (error, error.__cause__) if part is not None and str(part)]
    kept = [line.strip() for part in parts for line in part.splitlines() if line.strip()]
    told = [line for line in dict.fromkeys(kept) if not line.startswith(_INTERNALS)]
    return f"Cannot use these settings. This is because: {'; '.join(told)}. Try `sostruct --help` for what there is."


def main() -> None:
    """Entry point of the console script."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    register()
    sweep = None
    with _refusals():
        trusted = _opted_in(sys.argv[1:])
        os.environ[_ALLOWED] = "1" if trusted else "0"
        if not trusted:
            check_hydra_targets(sys.argv[1:], _configs())
        sweep = prepared(sys.argv[1:], _configs())
        os.environ[_SWEEPING] = "0" if sweep is None else "1"
        if sweep is None:
            _app()
    if sweep is not None:
        sys.exit(_swept(sweep))


def _swept(sweep: Sweep) -> int:
    """Runs a sweep to its report; 1 where a job is not done, 2 where there could be no sweep."""
    from sostruct.app.progress import Watch, shown, summary

    watch = Watch(sweep)
    with _refusals():
        sys.argv[1:] = sweep.arguments
        with shown(watch, wanted=sweep.progress):
            _app()
    left = summary(watch)
    if sweep.report is None:
        return 1 if left else 0
    with _refusals():
        from sostruct.app.reporting import report_sweep

        report_sweep(sweep.folder, sweep.report)
    return 1 if left else 0


if __name__ == "__main__":
    main()
