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

install_import_hook(["sostruct.networks", "sostruct.surprise", "sostruct.growth"], "beartype.beartype")
