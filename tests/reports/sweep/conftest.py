import shutil
from pathlib import Path

import pytest

from sostruct.reports.sweep import write_sweep_report

from .fake import write_sweep


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rules times ten seeds, all finished, with its report; not to be changed."""
    folder = write_sweep(tmp_path_factory.mktemp("results") / "growth_rules" / "sweep")
    write_sweep_report(folder)
    return folder


@pytest.fixture
def copied(sweep_folder: Path, tmp_path: Path) -> Path:
    """The same without its report, to be changed."""
    ignored = shutil.ignore_patterns("report.html", "tables", "figures")
    return Path(shutil.copytree(sweep_folder, tmp_path / "growth_rules" / "sweep", ignore=ignored))
