"""What every test shares: a deterministic hypothesis, loops compiled into native code and a compilation cache that
outlives the process, and shapes and types checked at every call of the numerical rooms."""

import os
from pathlib import Path

import hypothesis
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
