"""What every test shares: a deterministic hypothesis, loops compiled into native code and a compilation cache that
outlives the process, and shapes and types checked at every call of the numerical rooms."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook

from sostruct.loops import native_loops

os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

native_loops()

hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("deterministic")

# The mathematics of belief networks is elementwise and traced many times over: checking it would find little and cost
# more than the rest of the suite. Its boundaries are checked.
HGF = ["network", "packed", "passes", "runner", "population", "beliefs", "inputs", "builders", "filtering", "moving"]
ROOMS = [f"sostruct.{room}" for room in ("networks.base", "networks.lagged", "networks.mixture", "surprise", "growth")]
LAYERED = ["network", "packed", "forward", "arrays", "moving", "reading", "plan"]
ROOMS += [f"sostruct.networks.layered.{name}" for name in LAYERED]
install_import_hook([*ROOMS, *(f"sostruct.networks.hgf.{name}" for name in HGF)], "beartype.beartype")

_MAPS = Path("/proc/self/maps")
_MOST_MAPS = (
    20_000  # Linux allows a process 65,530, and XLA dies without a word at the next; every program takes several
)


@pytest.fixture(autouse=True, scope="module")
def _room_for_programs() -> None:
    """Compiled programs of earlier files are given up before a worker of the suite has too many of them."""
    if _MAPS.exists() and _MAPS.read_bytes().count(b"\n") > _MOST_MAPS:
        import jax

        jax.clear_caches()
        gc.collect()
