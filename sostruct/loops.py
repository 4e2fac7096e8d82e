"""Loops as native code: one XLA flag, set before it is too late.

XLA on a CPU dispatches every operation of a loop separately unless the loop's data are small. Raising the threshold
turns a filter's loop over time into one native function: packed filters run several times faster, gradients of small
ones dozens of times (section e of experiments/hgf_speed). The flag is read once, when the first backend starts, so a
library cannot set it quietly: whoever owns the process calls `native_loops` first, as the command line does.
"""

from __future__ import annotations

import os
import sys

from sostruct.errors import RunError

_FLAG = "--xla_backend_extra_options"
_OPTION = "xla_cpu_small_while_loop_byte_threshold"
_BYTES = "1000000000"  # XLA reads a signed 32-bit number


def native_loops() -> None:
    """Lets XLA compile loops of any size into native code on a CPU.

    Call it before JAX computes anything. It changes `XLA_FLAGS` of this process, and so of the processes it starts;
    other flags and options in it stay. Calling it again is harmless.

    Raises:
        RunError: a JAX backend runs already and was started without this, or `XLA_FLAGS` is the name of a file.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    if flags and not flags[0].startswith("-"):
        raise RunError(
            f"Cannot turn loops into native code. This is because XLA_FLAGS names the file {flags[0]}. Try adding "
            f"{_FLAG}={_OPTION}={_BYTES} to that file and not calling sostruct.native_loops()."
        )
    options = [option for flag in flags if flag.startswith(f"{_FLAG}=") for option in _options(flag)]
    wanted = f"{_OPTION}={_BYTES}"
    if [option for option in options if option.startswith(f"{_OPTION}=")] == [wanted]:
        return
    if _backend_runs():
        raise RunError(
            "Cannot turn loops into native code. This is because JAX has started its backend already, and it reads "
            "XLA_FLAGS once. Try calling sostruct.native_loops() before anything that computes with JAX, or exporting "
            f'XLA_FLAGS="{_FLAG}={wanted}" before Python starts.'
        )
    kept = [option for option in options if not option.startswith(f"{_OPTION}=")]
    others = [flag for flag in flags if not flag.startswith(f"{_FLAG}=")]
    os.environ["XLA_FLAGS"] = " ".join([*others, f"{_FLAG}={','.join([*kept, wanted])}"])


def _options(flag: str) -> list[str]:
    return [option for option in flag.partition("=")[2].split(",") if option]


def _backend_runs() -> bool:
    """Whether XLA has read its flags. JAX has no public word for it; where the private one is gone, it has not."""
    if "jax" not in sys.modules:
        return False
    try:
        from jax._src.xla_bridge import backends_are_initialized
    except ImportError:
        return False
    return bool(backends_are_initialized())
