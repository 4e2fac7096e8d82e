"""A live stream in a process of its own, from its first row or from where its folder left off; it may be killed.

.venv/bin/python experiments/structure_resume/worker.py DIR SEED
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sostruct as ss

CHUNK, CHUNKS, LIMIT = 50, 16, 300


def main() -> None:
    """Observes the chunks that are missing."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    ss.native_loops()

    from sostruct.growth.accept import PositiveEvidence
    from sostruct.growth.residual import Residual
    from sostruct.growth.rule import GrowthRule
    from sostruct.growth.trigger import Every
    from sostruct.tasks.regimes import RegimeSwitch

    task = RegimeSwitch(kind="drift", steps=CHUNK * CHUNKS // 2, heldout=0).load(seed)
    network = ss.HGF(task.start, schedule="packed")
    moves = ("parameters", "volatility", "drift", "shared drift", "prune", "detach")
    rule = GrowthRule(Every(1), Residual(moves=moves), PositiveEvidence())
    live = ss.stream(network, ss.Controller(rule), limit=LIMIT, folder=folder)
    for number in range(live.epochs, CHUNKS):
        live.observe(task.frame.iloc[CHUNK * number : CHUNK * (number + 1)])


if __name__ == "__main__":
    main()
