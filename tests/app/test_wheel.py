"""The wheel, installed where nothing else of sostruct is: everything it needs is inside."""

from __future__ import annotations

import importlib.util
import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from .helpers import contents

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def called(*command, **settings):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the checkout; the build back end is fetched unless it is installed."""
    pytest.importorskip("build")
    place = tmp_path_factory.mktemp("wheel")
    here = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    called(sys.executable, "-m", "build", "--wheel", *here, "--outdir", place, ROOT)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Folder of the programs of a new environment: sostruct from the wheel, its dependencies from ours.

    Our site-packages come in through a .pth file, behind the environment's own; .pth files in them are not read, so an
    editable installation there stays invisible.
    """
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, system_site_packages=False, symlinks=os.name != "nt")
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    called(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    own = called(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    (Path(own) / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return programs


@pytest.fixture
def elsewhere(tmp_path):
    """Settings of a process that starts in an empty folder and knows of no checkout."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    place = tmp_path / "elsewhere"
    place.mkdir()
    return {"cwd": place, "env": environment}


def test_everything_in_the_package_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("sostruct/")}
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "sostruct").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    conf = {f"sostruct/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*") if path.is_file()}
    assert len(conf) > 8
    assert inside == package | conf | {"sostruct/CITATION.cff"}


def test_the_package_is_the_installed_one(installed, elsewhere):
    code = "import sostruct; from importlib.metadata import version; print(sostruct.__file__, version('sostruct'))"
    found, version = called(installed / "python", "-c", code, **elsewhere).stdout.split()
    assert Path(found).is_relative_to(installed.parent)
    import sostruct

    assert version == sostruct.__version__


def test_the_command_runs_from_another_folder(installed, elsewhere, small, workplace):
    done = called(
        installed / "sostruct",
        "task.nodes=5",
        "task.steps=120",
        f"jax.cache={os.environ['JAX_COMPILATION_CACHE_DIR']}",
        **elsewhere,
    )
    report = Path(done.stdout.splitlines()[-1])
    assert report.name == "report.html"
    assert report.is_file()
    folder = report.parent
    assert folder.parent == elsewhere["cwd"] / "results" / "discovery"
    assert json.loads((folder / "done.json").read_text())["settled"] is True
    assert json.loads((folder / "environment.json").read_text())["commit"] is None
    assert small(workplace / "run", "run.report=true").code == 0
    assert contents(folder) == contents(workplace / "run"), "another process, another folder, other bytes"


def test_help_and_bundled_data_come_along(installed, elsewhere):
    shown = called(installed / "sostruct", "--help", **elsewhere).stdout
    assert "growth: " in shown
    for name in ("crp", "every", "evidence", "none", "random", "residual"):
        assert name in shown.split("growth: ")[1].splitlines()[0]
    shown = called(installed / "sostruct", "--cfg", "job", "task=us_macro", **elsewhere).stdout
    assert "USMacro" in shown
    code = "from sostruct.tasks import USMacro; print(USMacro().load(0).frame.shape)"
    assert called(installed / "python", "-c", code, **elsewhere).stdout.startswith("(")
