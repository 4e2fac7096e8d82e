"""Page, tables and figures of a sweep as files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sostruct.errors import RunError
from sostruct.reports.sweep import SweepOptions, analyze, read_sweep, write_sweep_report
from sostruct.reports.sweep.curves_figure import curve_table, edit_epochs
from sostruct.reports.sweep.tables import escaped
from sostruct.reports.sweep.wording import fixed, half_width, interval, p_value, places

from ..test_page import Page
from .fake import ENVIRONMENT, fail_job, write_job, write_sweep

METRICS = ("summary_auroc", "summary_f1", "edges", "surprise_per_step")
RANKED = ("summary_auroc", "summary_f1", "surprise_per_step")
FIGURES = [*(f"means_{name}" for name in METRICS), *(f"ranks_{name}" for name in RANKED), "curves", "tradeoff"]
TABLES = [
    "comparisons.csv",
    "comparisons.tex",
    "curves.csv",
    "jobs.csv",
    "means.csv",
    "means.tex",
    "ranks.csv",
    "ranks.tex",
]


@pytest.fixture(scope="module")
def page(sweep_folder: Path) -> Page:
    return Page(sweep_folder / "report.html")


def files(folder: Path) -> dict[str, bytes]:
    """What a report writes."""
    written = [folder / "report.html", *(folder / "tables").iterdir(), *(folder / "figures").iterdir()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in written}


def test_every_file_is_there(sweep_folder: Path) -> None:
    assert sorted(path.name for path in (sweep_folder / "tables").iterdir()) == TABLES
    expected = sorted(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "pdf"))
    assert sorted(path.name for path in (sweep_folder / "figures").iterdir()) == expected


def test_the_page_says_what_was_compared_and_what_came_out(page: Page) -> None:
    assert page.elements["h1"] == 1
    assert page.elements["svg"] == len(FIGURES)
    assert "growth_rules" in page.text
    assert "growth: evidence, every, random, none; 10 replicates (seed)." in page.text
    assert "evidence has the best AUROC, summary graph" in page.text
    assert "It differs from every other condition at level 0.05." in page.text
    assert "Half-finished" not in page.text
    assert "Simulated data." in page.text


def test_every_number_has_its_command_versions_and_commit(page: Page) -> None:
    assert "sostruct -m growth=evidence,every,random,none" in page.text
    for rule in ("evidence", "none"):
        for seed in range(10):
            assert f"sostruct growth={rule} seed={seed}" in page.text
    assert ENVIRONMENT["commit"] in page.text
    assert "0.10.2" in page.text


def test_nothing_is_fetched_and_nothing_runs(page: Page, sweep_folder: Path) -> None:
    assert page.elements["script"] == page.elements["link"] == page.elements["iframe"] == page.elements["img"] == 0
    for tag, key, value in page.attributes:
        assert not key.startswith("on"), (tag, key)
        if key in ("src", "href", "xlink:href"):
            assert value.startswith(("#", "data:")) or value.endswith("/report.html"), (tag, value)
    identifiers = [value for _, key, value in page.attributes if key == "id"]
    assert len(identifiers) == len(set(identifiers))
    assert "http" not in (sweep_folder / "report.html").read_text()


def test_the_table_of_the_page_agrees_with_the_files(page: Page, sweep_folder: Path) -> None:
    means = pd.read_csv(sweep_folder / "tables" / "means.csv")
    start = next(place for place, row in enumerate(page.cells) if row[0] == "condition")
    rows = page.cells[start + 1 : start + 5]
    assert [row[0] for row in rows] == ["evidence", "every", "random", "none"]
    assert {row[1] for row in rows} == {"10"}
    own = means[means["metric"] == "summary.auroc"]
    for row, mean in zip(rows, own["mean"], strict=True):
        shown = float(row[2].split()[0])
        assert abs(shown - mean) <= 0.5 * 10 ** -len(row[2].split()[0].partition(".")[2]) + 1e-12


def test_a_finished_job_with_a_page_is_linked(copied: Path) -> None:
    (copied / "growth=every,seed=3" / "report.html").write_text("<p>a page</p>")
    made = Page(write_sweep_report(copied))
    links = [value for tag, key, value in made.attributes if (tag, key) == ("a", "href")]
    assert links == ["growth%3Devery,seed%3D3/report.html"]


def test_a_half_finished_sweep_says_so_everywhere(copied: Path) -> None:
    (copied / "growth=none,seed=3" / "done.json").unlink()
    shutil.rmtree(copied / "growth=every,seed=5")
    fail_job(copied / "growth=random,seed=4", "No space left <on> device & more")
    made = Page(write_sweep_report(copied))
    assert "Half-finished. 37 of 40 jobs have finished (1 failed, 1 running or interrupted, 1 not begun)." in made.text
    assert "No space left <on> device & more" in made.text
    for name in ("growth=none,seed=3", "growth=every,seed=5", "growth=random,seed=4"):
        assert name in made.text
    assert "% half-finished: 37 of 40 jobs" in (copied / "tables" / "means.tex").read_text()


def test_a_sweep_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", seeds=range(2))
    for path in folder.glob("*/done.json"):
        path.unlink()
    made = Page(write_sweep_report(folder))
    assert "No job has finished yet" in made.text
    assert "0 of 8 jobs have finished" in made.text
    assert made.elements["svg"] == 0


@pytest.mark.parametrize("seeds", [range(1), range(2)])
def test_few_replicates_have_a_page(tmp_path: Path, seeds: range) -> None:
    made = Page(write_sweep_report(write_sweep(tmp_path / "few", seeds=seeds)))
    assert made.elements["svg"] == len(FIGURES)
    assert ("one pair: no test" in made.text) == (len(seeds) == 1)


def test_one_condition_has_a_page(tmp_path: Path) -> None:
    made = Page(write_sweep_report(write_sweep(tmp_path / "one", {"growth": ["every"]}, seeds=range(3))))
    assert made.elements["svg"] == 6
    assert "Against the baseline" not in made.text
    assert not (tmp_path / "one" / "tables" / "ranks.csv").exists()


def test_many_conditions_and_long_names(tmp_path: Path) -> None:
    odd = ["a_very_long_name_of_a_rule_nobody_would_type", "<b>&'", "$M_2$", *(f"rule{place}" for place in range(12))]
    for place, name in enumerate(odd):
        for seed in range(3):
            write_job(tmp_path / f"job{place}-{seed}", [f"growth={name}", f"seed={seed}"])
    made = Page(write_sweep_report(tmp_path))
    assert made.elements["b"] == 0
    assert "<b>&'" in made.text


def test_mixed_versions_are_said(copied: Path) -> None:
    write_job(copied / "growth=none,seed=9", ["growth=none", "seed=9"], commit="another")
    made = Page(write_sweep_report(copied))
    assert "These jobs ran in 2 different settings" in made.text
    assert "another" in made.text


def test_the_same_sweep_gives_the_same_bytes_in_any_process(sweep_folder: Path, copied: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sostruct.reports.sweep import write_sweep_report; "
        "write_sweep_report(Path(sys.argv[1])); assert 'matplotlib.pyplot' not in sys.modules; "
        "assert 'jax' not in sys.modules"
    )
    seeded = {**os.environ, "PYTHONHASHSEED": "1234", "SOURCE_DATE_EPOCH": "1"}
    subprocess.run([sys.executable, "-c", program, str(copied)], check=True, env=seeded)
    assert files(copied) == files(sweep_folder)


def test_figures_carry_no_dates_and_no_places(sweep_folder: Path) -> None:
    for name, content in files(sweep_folder).items():
        assert b"CreationDate" not in content, name
        assert str(sweep_folder.parent).encode() not in content, name
        if name.endswith(".svg"):
            assert b"<dc:date>" not in content


def test_a_later_report_leaves_no_stale_files(copied: Path) -> None:
    write_sweep_report(copied)
    note = copied / "figures" / "mine.txt"
    note.write_text("kept")
    write_sweep_report(copied, SweepOptions(metrics=("summary.shd",)))
    names = {path.name for path in (copied / "figures").iterdir()}
    assert "means_summary_shd.svg" in names
    assert "means_summary_auroc.svg" not in names
    assert note.exists()


def test_a_folder_that_cannot_be_written_is_refused(copied: Path) -> None:
    (copied / "tables").write_text("in the way")
    with pytest.raises(RunError, match="tables"):
        write_sweep_report(copied)
    assert not (copied / "report.html").exists()


def test_tables_hold_every_digit(sweep_folder: Path) -> None:
    analysis = analyze(read_sweep(sweep_folder))
    for name, frame in (
        ("means", analysis.means),
        ("jobs", analysis.sweep.frame),
        ("comparisons", analysis.comparisons),
    ):
        again = pd.read_csv(sweep_folder / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)
        for column in frame.select_dtypes("float64"):
            assert [float(cell or "nan") for cell in again[column]] == pytest.approx(
                frame[column].tolist(), rel=0, abs=0, nan_ok=True
            )


def test_latex_is_a_booktabs_table(sweep_folder: Path) -> None:
    content = (sweep_folder / "tables" / "means.tex").read_text()
    lines = content.splitlines()
    assert lines[0] == "% command: sostruct -m growth=evidence,every,random,none"
    assert any(ENVIRONMENT["commit"] in line for line in lines)
    body = [line for line in lines if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {5}
    assert [line.split(" & ")[0] for line in body[1:]] == ["evidence", "every", "random", "none"]
    assert body[1].count(r"\textbf{") == 2  # not the number of edges, nor a surprise that is not the least
    assert content.isascii()
    for name in ("means", "comparisons", "ranks"):
        made = (sweep_folder / "tables" / f"{name}.tex").read_text()
        assert made.count(r"\toprule") == made.count(r"\midrule") == made.count(r"\bottomrule") == 1
        unescaped = [
            line for line in made.splitlines() if not line.startswith("%") and re.search(r"(?<![\\p])[%#_]", line)
        ]
        assert not unescaped


def test_text_is_escaped_for_latex() -> None:
    assert escaped("a_b & 50% of #1 {x} ~^\\") == (
        r"a\_b \& 50\% of \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert escaped("two\nlines") == "two lines"
    assert escaped("< 0.001") == "$<$ 0.001"


def test_runs_that_have_settled_are_carried_on(sweep_folder: Path) -> None:
    analysis = analyze(read_sweep(sweep_folder))
    table = curve_table(analysis, "growth=evidence", "edges")
    assert table.notna().all(axis=None)
    own = analysis.sweep.frame.set_index("job")
    assert table.iloc[-1].to_dict() == {job: own.loc[job, "edges"] for job in table.columns}
    edits = edit_epochs(analysis, "growth=evidence")
    assert edits.sum() == pytest.approx(own.loc[table.columns, "edges"].mean())
    assert edit_epochs(analysis, "growth=none").empty


def test_numbers_with_their_uncertainty() -> None:
    assert places([0.9, 0.8], [0.013, 0.02]) == 3
    assert places([120.0, 90.0], [14.0, 22.0]) == 0
    assert places([3.0, 4.0], []) == 0
    assert places([0.51234], [float("nan")]) == 3
    assert fixed(-0.0004, 3) == "0.000"
    assert fixed(-1234.56, 1, sign=True) == "\N{MINUS SIGN}1,234.6"
    assert fixed(0.25, 2, sign=True) == "+0.25"
    assert fixed(float("nan"), 2) == "\N{EN DASH}"
    assert interval(0.1, 0.2, 2) == "[0.10, 0.20]"
    assert interval(float("nan"), float("nan"), 2) == ""
    assert half_width(0.9, 0.8, 1.0, 2) == "0.90 ± 0.10"
    assert half_width(0.9, float("nan"), float("nan"), 2) == "0.90"
    assert [p_value(p) for p in (0.0004, 0.0496, 1.0, float("nan"))] == ["< 0.001", "0.050", "1.000", "\N{EN DASH}"]
