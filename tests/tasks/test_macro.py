"""The bundled series against identities that hold within the file itself."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pandas as pd

from sostruct.tasks import USMacro, check_frame
from sostruct.tasks.macro import us_macro_levels


def test_the_file_is_the_one_its_readme_describes() -> None:
    folder = files("sostruct.tasks").joinpath("data")
    digest = hashlib.sha256(folder.joinpath("us_macro.csv").read_bytes()).hexdigest()
    readme = folder.joinpath("README.md").read_text("utf-8")
    assert digest in readme
    assert "Public domain" in readme
    for column in us_macro_levels().columns:
        assert f"| {column} |" in readme or f", {column} |" in readme


def test_first_and_last_rows() -> None:
    levels = us_macro_levels()
    assert levels.shape == (203, 12)
    assert levels.loc["1959-01-01", "realgdp"] == 2710.349
    assert levels.loc["2009-07-01", "unemp"] == 9.6
    assert list(levels.index) == list(pd.date_range("1959-01-01", periods=203, freq="QS"))


def test_growth_of_prices_is_the_published_inflation() -> None:
    """The file's own infl column is 400 log(cpi(t) / cpi(t - 1)), rounded to .01."""
    changes, levels = USMacro().load().frame, us_macro_levels()
    assert (changes["cpi"] - levels["infl"].iloc[1:]).abs().max() < 0.006


def test_changes_add_up_to_the_levels() -> None:
    changes, levels = USMacro().load().frame, us_macro_levels()
    for column in ("tbilrate", "unemp"):
        total = levels[column].iloc[0] + changes[column].sum()
        np.testing.assert_allclose(total, levels[column].iloc[-1], rtol=1e-12)
    for column in ("realgdp", "m1"):
        total = levels[column].iloc[0] * np.exp(changes[column].sum() / 400)
        np.testing.assert_allclose(total, levels[column].iloc[-1], rtol=1e-12)


def test_it_is_ready_for_search() -> None:
    task = USMacro().load()
    assert task.truth is None
    assert check_frame(task.frame, 8).shape == (202, 9)
    assert "public domain" in task.provenance
    pd.testing.assert_frame_equal(task.frame, USMacro().load(99).frame)
