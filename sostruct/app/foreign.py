"""Configs that are not ours: what Hydra itself would run for them, checked before it does.

Hydra builds its launcher, sweeper and callbacks from `_target_`s under `hydra`, before the program sees a setting. The
configs shipped here name Hydra's own; a folder or file named on the command line (`--config-dir`, `--config-path`,
`--config-name`, `hydra.searchpath`) could name anything, so such settings are composed once for inspection first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sostruct.app.configuration import OPT_IN, targets
from sostruct.errors import ConfigError

_OWN = ("hydra", "hydra_plugins", "sostruct")


def check_hydra_targets(arguments: Sequence[str], configs: str) -> None:
    """Refuses settings under which Hydra would run code that is neither Hydra's nor sostruct's.

    Args:
        arguments: the command line after the program's name.
        configs: the folder of the shipped configs.

    Raises:
        ConfigError: a foreign target under `hydra`; the message names it.
    """
    given = get_args_parser().parse_args(list(arguments))
    searched = [override for override in given.overrides if "hydra.searchpath" in override]
    if not (given.config_dir or given.config_path or given.config_name or searched):
        return
    parser = OverridesParser.create()
    try:
        overrides = [text for text in given.overrides if not parser.parse_override(text).is_sweep_override()]
        config = composed(given, overrides, configs)
    except (HydraException, OmegaConfBaseException, ValueError):
        return  # what does not compose is refused, in Hydra's own words, by the run itself
    for key, target in targets(OmegaConf.to_container(config.hydra, resolve=False), "hydra"):
        if not _is_own(target):
            raise ConfigError(
                f"Cannot use {key} with the target {target!r}. This is because Hydra would run it and it is neither "
                f"Hydra's nor sostruct's. Try {OPT_IN}=true on the command line if you trust these configs."
            )


def composed(given: Any, overrides: Sequence[str], configs: str) -> DictConfig:
    """The settings that these overrides make, Hydra's own among them.

    Args:
        given: the parsed command line, for its configs.
        overrides: none of which sweeps.
        configs: the folder of the shipped configs.
    """
    words = list(overrides)
    if given.config_dir and not any("hydra.searchpath" in word for word in words):
        words.append(f"hydra.searchpath=['file://{Path(given.config_dir).absolute()}']")
    place = str(Path(given.config_path or configs).absolute())
    with initialize_config_dir(config_dir=place, version_base="1.3"):
        return compose(given.config_name or "config", overrides=words, return_hydra_config=True)


def _is_own(target: Any) -> bool:
    if not isinstance(target, str) or target.partition(".")[0] not in _OWN:
        return False  # not even imported: importing runs code too
    try:
        found = get_object(target)
    except Exception:  # whatever importing it raises: it is not one of ours
        return False
    return callable(found) and str(getattr(found, "__module__", "")).partition(".")[0] in _OWN
