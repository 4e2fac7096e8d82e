from pathlib import Path

import pytest

from sostruct.reports import read_run, write_report
from sostruct.reports.tables import RunTables

from .folders import write_run

ODD_NAMES = ["gdp growth", "<b>\"&'", "$M_2$", "NA", "</style><script>", "fed,funds", "#0072b2", "--> 温度"]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on simulated data with a known truth, with its report."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "plain", variables=8, rows=250, seed=3)
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a truth, on variables with awkward names, with its report."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "odd", names=ODD_NAMES, rows=250, truth=False, simulated=False)
    write_report(folder)
    return folder


@pytest.fixture
def tables(run_folder: Path) -> RunTables:
    return read_run(run_folder)


@pytest.fixture
def odd_tables(odd_folder: Path) -> RunTables:
    return read_run(odd_folder)
