"""A finished run folder as what was found in it, whichever kind of network it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sostruct.discovery.result import Discovery
    from sostruct.structure.result import Structure


def load(folder: str | Path) -> Discovery | Structure:
    """The result of a finished run folder: a `Discovery` where causes were looked for, a `Structure` where a belief
    network was grown.

    Raises:
        RunError: the folder is not a finished run, or was written by another schema version.
    """
    from sostruct.discovery.store import load as discovery
    from sostruct.structure.store import NETWORK
    from sostruct.structure.store import load as structure

    return structure(folder) if (Path(folder) / NETWORK).exists() else discovery(folder)
