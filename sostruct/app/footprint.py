"""Folders that Hydra makes before it is known whether there will be a run.

Hydra creates a run's folder before the program sees its settings. What was not there before must not be there after
input has been refused, so the missing part of the path is noted when Hydra starts, and removed again as far as it is
empty.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

_missing: list[Path] = []
_held: list[Path] = []


class Footprint(Callback):
    """Notes which folders do not exist yet; a Hydra callback named in conf/config.yaml."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Before a single run."""
        _note(Path(config.hydra.run.dir))
        _held.clear()

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Before a sweep."""
        _note(Path(config.hydra.sweep.dir))
        sweep = Path(config.hydra.sweep.dir).absolute()
        _held[:] = [sweep, *sweep.iterdir()] if sweep.is_dir() else []


def remove_empty(folder: Path) -> None:
    """Removes the folder and those noted as missing before, deepest first, as far as they are empty."""
    noted = {path.absolute() for path in _missing}
    inside = folder.absolute()
    mine = inside.parent in noted or (bool(_held) and inside.parent == _held[0] and inside not in _held)
    made = [path for path in (inside, *inside.parents) if path in noted or (mine and path == inside)]
    for path in made:
        with suppress(OSError):
            path.rmdir()


def _note(folder: Path) -> None:
    _missing[:] = [path for path in (folder.absolute(), *folder.absolute().parents) if not path.exists()]
