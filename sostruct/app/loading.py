"""A finished run folder as what was found in it, whichever kind of network it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sostruct.clusters.result import Mixture
    from sostruct.discovery.result import Discovery
    from sostruct.prediction.result import Predictor
    from sostruct.structure.result import Structure


def load(folder: str | Path) -> Discovery | Structure | Mixture | Predictor:
    """The result of a finished run folder: a `Discovery` where causes were looked for, a `Structure` where a belief
    network was grown, a `Mixture` where rows were sorted into clusters, a `Predictor` where a layered network learned.

    Raises:
        RunError: the folder is not a finished run, or was written by another schema version.
    """
    from sostruct.clusters.store import NETWORK as MIXTURE
    from sostruct.clusters.store import load as mixture
    from sostruct.discovery.store import load as discovery
    from sostruct.prediction.store import NETWORK as LAYERED
    from sostruct.prediction.store import load as predictor
    from sostruct.structure.store import NETWORK
    from sostruct.structure.store import load as structure

    for name, own in ((NETWORK, structure), (MIXTURE, mixture), (LAYERED, predictor)):
        if (Path(folder) / name).exists():
            return own(folder)
    return discovery(folder)
