"""The flag for native loops: set once, early, beside whatever else is set."""

import os
import subprocess
import sys

import pytest

OPTION = "xla_cpu_small_while_loop_byte_threshold=1000000000"
FLAG = f"--xla_backend_extra_options={OPTION}"


def told(program: str, flags: str | None = None) -> str:
    """The last line that a fresh Python prints."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    if flags is not None:
        environment["XLA_FLAGS"] = flags
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1]


SHOW = "import os; import sostruct; sostruct.native_loops(); sostruct.native_loops(); print(os.environ['XLA_FLAGS'])"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, FLAG),
        ("", FLAG),
        ("--xla_dump_to=/nowhere", f"--xla_dump_to=/nowhere {FLAG}"),
        ("--xla_backend_extra_options=other=3", f"--xla_backend_extra_options=other=3,{OPTION}"),
        (f"{FLAG.replace('=1000000000', '=5')},other --b=1", f"--b=1 --xla_backend_extra_options=other,{OPTION}"),
        (f"--xla_backend_extra_options=a,{OPTION} --b=1", f"--xla_backend_extra_options=a,{OPTION} --b=1"),
    ],
)
def test_other_flags_and_options_stay(before: str | None, after: str) -> None:
    assert told(SHOW, before) == after


def test_it_does_not_import_jax() -> None:
    assert told("import sys, sostruct; sostruct.native_loops(); print('jax' in sys.modules)") == "False"


def test_importing_jax_is_not_yet_too_late_and_the_backend_takes_the_flag() -> None:
    program = "import jax, sostruct; sostruct.native_loops(); print(jax.numpy.arange(3).sum())"
    assert told(program) == "3"


def test_importing_everything_and_building_a_network_is_not_yet_too_late() -> None:
    program = (
        "import sostruct as ss; [getattr(ss, name) for name in ss.__all__]; ss.HGF(ss.binary_hgf(levels=3));"
        "ss.native_loops(); print('in time')"
    )
    assert told(program) == "in time"


def test_too_late_is_said_with_advice() -> None:
    start = "import jax, sostruct; jax.devices(); "
    line = told(start + "sostruct.native_loops()")
    assert "RunError: Cannot turn loops into native code. This is because JAX has started" in line
    assert f'XLA_FLAGS="{FLAG}"' in line
    assert told(start + "sostruct.native_loops(); print('fine')", FLAG) == "fine"


def test_a_file_of_flags_is_left_alone() -> None:
    assert "names the file flags.txt" in told("import sostruct; sostruct.native_loops()", "flags.txt")
