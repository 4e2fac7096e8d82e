"""The bundled series against their files and what is known about them."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from sostruct.errors import ConfigError
from sostruct.tasks import ExchangeRate, Nile, OilPrice, Sunspots, Task

from .refusals import refused

FILES = {"nile.csv": "Nile", "sunspots.csv": "Sunspots", "wti.csv": "OilPrice", "pound.csv": "ExchangeRate"}


def whole(task: Task) -> pd.DataFrame:
    return pd.concat([task.frame, task.heldout])


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_the_one_its_readme_describes(name: str) -> None:
    folder = files("sostruct.tasks").joinpath("data")
    content = folder.joinpath(name).read_bytes()
    part = folder.joinpath("README.md").read_text("utf-8").split(f"# {name}")[1].split("\n# ")[0]
    assert hashlib.sha256(content).hexdigest() in part
    assert "Public domain" in part
    assert f"sostruct.tasks.{FILES[name]}" in part
    for column in content.split(b"\n")[0].decode().replace('"', "").split(","):
        assert f"| {column} |" in part


def test_the_nile_falls_near_1898() -> None:
    task = Nile().load()
    frame = whole(task)
    assert (len(task.frame), len(task.heldout)) == (70, 30)
    assert list(frame.index.year) == list(range(1871, 1971))
    assert frame["flow"].iloc[[0, 99]].tolist() == [1120.0, 740.0]
    # the means before and after the change that Cobb (1978) gives
    assert frame.loc[:"1898", "flow"].mean() == pytest.approx(1097.75)
    assert frame.loc["1899":, "flow"].mean() == pytest.approx(849.97, abs=0.01)


def test_sunspots_have_a_cycle_of_eleven_years() -> None:
    task = Sunspots().load()
    frame = whole(task)
    assert (len(task.frame), len(task.heldout)) == (200, 109)
    assert list(frame.index.year) == list(range(1700, 2009))
    assert frame["sunspots"].max() == frame.loc["1957-01-01", "sunspots"] == 190.2
    spectrum = np.abs(np.fft.rfft(frame["sunspots"] - frame["sunspots"].mean())) ** 2
    assert 309 / (1 + np.argmax(spectrum[1:])) == pytest.approx(11.0, abs=0.2)


def test_oil_is_restless_at_times() -> None:
    task = OilPrice(first=0).load()
    frame = whole(task)
    assert len(frame) == 8321
    assert frame.index.is_monotonic_increasing
    assert float(np.exp(frame.iloc[0, 0] / 100)) == pytest.approx(25.56)
    assert float(np.exp(frame.loc["2008-07-03", "oil"] / 100)) == pytest.approx(145.31)  # the record
    returns = frame["oil"].diff().dropna().to_numpy()
    size = np.abs(returns)
    assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.15
    assert abs(np.corrcoef(returns[1:], returns[:-1])[0, 1]) < 0.05
    assert len(OilPrice().load().frame) == 8321 - 4000 - 2000


def test_the_pound_falls_by_a_third() -> None:
    task = ExchangeRate().load()
    frame = whole(task)
    assert (len(task.frame), len(task.heldout)) == (402, 100)
    assert frame.index.is_monotonic_increasing
    assert set(frame.index.day_of_week) == set(range(5))
    assert frame["rate"].iloc[[0, -1]].tolist() == [2.382, 1.618]
    assert frame["rate"].idxmax() == pd.Timestamp("1981-01-21")
    holidays = pd.to_datetime(["1981-07-03", "1981-12-25", "1982-07-05"])  # the first of them is none in this series
    assert [day in frame.index for day in holidays] == [True, False, False]
    steps = np.log(frame["rate"]).diff().dropna().abs()
    assert steps.max() < 0.05
    assert np.corrcoef(steps[1:], steps[:-1])[0, 1] > 0.0


@pytest.mark.parametrize("kind", [Nile, Sunspots, OilPrice, ExchangeRate])
def test_the_seed_changes_nothing_and_rows_can_be_kept(kind: type) -> None:
    pd.testing.assert_frame_equal(kind().load(0).frame, kind().load(7).frame)
    assert kind(heldout=0).load().heldout is None
    pd.testing.assert_frame_equal(kind(heldout=0).load().frame, whole(kind(heldout=5).load()), check_freq=False)
    assert "public domain" in kind().load().provenance
    with refused(ConfigError, "heldout", "fewer than 10"):
        kind(heldout=8400)
    with refused(ConfigError, "heldout", "-1"):
        kind(heldout=-1)
