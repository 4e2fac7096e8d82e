"""Double precision where evidence needs it, without touching anybody's global flags; and what counts as an array.

Differences of log evidence are differences of numbers of size n log rss: in float32 a price of 2 nats on 5,000
samples is rounding. Library code therefore runs its evidence inside a local x64 context; the caller's
`jax_enable_x64` is read, never written.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

import jax
import numpy as np

Numbers: TypeAlias = jax.Array | np.ndarray
"""An array on the device or on the host: what compiled code takes, and what an edit on the host may write."""


def double_precision(wanted: bool = True) -> AbstractContextManager[object]:
    """A context in which new arrays and traces are float64, or float32 where that is not wanted; a null context where
    they are so already."""
    if jax.enable_x64.value == wanted:
        return nullcontext()
    context: AbstractContextManager[object] = jax.enable_x64(wanted)
    return context
