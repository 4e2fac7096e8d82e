"""In a process of its own: what is imported when, and how settings fail before anything heavy is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import sostruct

HEAVY = {"jax", "jaxlib", "equinox", "numpy", "pandas", "matplotlib", "networkx", "scipy"}

PROBE = """
import json, sys
{code}
sys.stdout.flush()
print(json.dumps(sorted(name for name in sys.modules if "." not in name)), file=sys.stderr)
"""

COMMAND = """
from sostruct import cli
sys.argv = ["sostruct", *{arguments}]
try:
    cli.main()
except SystemExit as stop:
    code = stop.code or 0
assert code == {code}, code
"""


def modules(code):
    """Top-level modules that a fresh process has imported after running this code, and what it printed."""
    done = subprocess.run([sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *err, names = done.stderr.splitlines()
    return set(json.loads(names)), done.stdout, err


def test_importing_the_package_imports_nothing_heavy():
    imported, _, _ = modules("import sostruct; dir(sostruct); sostruct.__version__")
    assert "sostruct" in imported
    assert not imported & (HEAVY | {"hydra", "omegaconf", "rich"})


def test_errors_and_the_command_are_light():
    imported, _, _ = modules("import sostruct.cli; sostruct.ConfigError, sostruct.SostructError")
    assert not imported & HEAVY


def test_reading_reports_needs_no_jax_and_no_matplotlib():
    imported, _, _ = modules("import sostruct.reports, sostruct.graph")
    assert not imported & {"jax", "equinox", "matplotlib"}


def test_help_comes_before_anything_heavy():
    imported, out, _ = modules(COMMAND.format(arguments=["--help"], code=0))
    assert "task=csv task.path=" in out
    assert not imported & HEAVY


@pytest.mark.parametrize("arguments", [["task=nosuch"], ["seed=abc"]])
def test_settings_fail_before_anything_heavy(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    imported, out, err = modules(COMMAND.format(arguments=arguments, code=2))
    assert out == ""
    assert len(err) == 1
    assert not imported & HEAVY
    assert not list(tmp_path.iterdir())


def test_a_platform_that_is_not_there(tmp_path):
    """JAX chooses its platform once a process, so this needs one."""
    done = subprocess.run(
        [sys.executable, "-m", "sostruct.cli", "jax.platform=abacus", "hydra.run.dir=run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "JAX_PLATFORMS": ""},
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("sostruct: Cannot ")
    assert "abacus" in line
    assert not (tmp_path / "run").exists()


def test_names_are_found_where_they_live():
    from sostruct.discovery.estimator import discover
    from sostruct.graph import Topology

    assert sostruct.discover is discover
    assert sostruct.Topology is Topology
    assert set(sostruct.__all__) <= set(dir(sostruct))
    with pytest.raises(AttributeError, match="nosuch"):
        _ = sostruct.nosuch
