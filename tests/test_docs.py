"""The code in the documentation runs."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.errors import DataWarning, FitWarning
from sostruct.tasks import HiddenStructure, SparseVAR, all_tasks

DOCS = Path(__file__).parent.parent / "docs"


def code(page: str) -> str:
    """Every block of Python on a page, in order, as one program."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    return "\n".join(blocks)


@pytest.fixture(autouse=True)
def _no_windows() -> None:
    matplotlib.use("Agg")


def test_a_rule_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/extending.md, in Python and by its name in a config."""
    frame = SparseVAR(nodes=4, steps=200, max_lag=1).load(0).frame
    program = code("extending.md")
    module = ModuleType("extending")
    monkeypatch.setitem(sys.modules, "extending", module)
    found = vars(module)
    found["frame"] = frame
    exec(compile(program, "extending.md", "exec"), found)
    assert len(found["found"].edges) > 0
    rising = found["Rising"]()
    quiet = type("Signals", (), {"surprise": np.zeros(2)})
    fired, state = rising.fire(None, quiet, rising.init())
    assert fired
    assert not rising.fire(None, quiet, state)[0]
    short = program.split("import sostruct as ss")[0]
    assert sum(bool(line.strip()) for line in short.splitlines()) <= 20, "a rule in 20 lines"
    (tmp_path / "rising.py").write_text(short, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rising", raising=False)
    from omegaconf import OmegaConf

    from sostruct.app.configuration import instantiate
    from sostruct.errors import ConfigError

    config = OmegaConf.create({"trigger": {"_target_": "rising.Rising", "nats": 2.0}})
    with pytest.raises(ConfigError, match="allow_external_targets"):
        instantiate(config.trigger, external=False)
    assert instantiate(config.trigger, external=True).nats == 2.0


def test_simulated_series() -> None:
    """docs/tasks.md, whose table names every simulator of lagged systems with its class."""
    found: dict[str, object] = {}
    exec(compile(code("tasks.md"), "tasks.md", "exec"), found)
    assert found["task"].truth_scope == "of the last regime, from row 400 on"
    assert [regime.first for regime in found["regimes"]] == [0, 200, 400]
    assert len(found["hidden"]) == 2
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (DOCS / "tasks.md").read_text("utf-8"), re.MULTILINE))
    simulated = {name: kind.__name__ for name, kind in all_tasks.items() if name in rows}
    assert rows == simulated
    assert len(rows) == 10


@pytest.mark.slow
def test_belief_networks() -> None:
    """docs/belief_networks.md, on a random walk."""
    walk = 1.04 + np.cumsum(np.random.default_rng(0).normal(size=(60, 1)) * 0.003, 0)
    frame = pd.DataFrame(walk, columns=["price"])
    found: dict[str, object] = {"frame": frame[:40], "more": frame[40:], "data": walk[:40]}
    rng = np.random.default_rng(1)
    found["chosen"] = pd.DataFrame({"choice": rng.choice(["left", "right", "up"], 40)})
    found["positions"] = pd.DataFrame(rng.normal(size=(40, 2)), columns=["east", "north"])
    found["visits"] = rng.poisson(2.0, 40)
    exec(compile(code("belief_networks.md"), "belief_networks.md", "exec"), found)
    assert len(found["grown"].topology.names) == 4


@pytest.mark.slow
def test_simulation() -> None:
    """docs/simulation.md: every snippet runs, and says what the page says."""
    found: dict[str, Any] = {}
    exec(compile(code("simulation.md"), "simulation.md", "exec"), found)
    assert found["group"].frame.shape == (400, 1)
    assert len(found["agents"].table) == 20 * 60
    assert found["check"].frame()["p"].min() > 0.01
    assert (found["learned"].weights["learned"].abs() > 0.3).all()


@pytest.mark.slow
def test_fitting() -> None:
    """docs/fitting.md, on subjects who act on what the network believes, and times that know nothing of it."""
    generator = np.random.default_rng(0)
    seen = (generator.random((6, 60)) < np.where(np.arange(60) // 30 % 2, 0.8, 0.25)).astype(float)
    believed = ss.HGF(ss.binary_hgf(levels=3, kappa=1.0, omega=(-3.0, -1.0))).filter(seen[..., None])
    odds = 3.0 * np.log(1.0 / (1.0 / believed.frame("expected_mean")["u"].to_numpy().reshape(6, 60) - 1.0))
    done = (generator.random((6, 60)) < 1.0 / (1.0 + np.exp(-odds))).astype(float)
    names = ["ann", "bob", "eve", "ida", "jan", "kim"]
    found: dict[str, Any] = {
        "outcomes": dict(zip(names, seen, strict=True)),
        "choices": dict(zip(names, done, strict=True)),
        "log_times": 6.0 + 0.3 * generator.normal(size=60),
    }
    exec(compile(code("fitting.md"), "fitting.md", "exec"), found)
    assert list(found["fit"].parameters.index) == names
    assert found["fit"].converged.all()
    assert found["slowed"].parameters["response", "base"] == pytest.approx(6.0, abs=1.0)
    assert found["group"].group.shrinkage.to_numpy().max() < 1.05
    assert found["comparison"].models == ["three levels", "two levels"]
    assert found["study"].confusion.shape == (2, 2)


@pytest.mark.slow
def test_structure_learning() -> None:
    """docs/structure.md, on two series with a volatility parent each."""
    task = HiddenStructure(inputs=2, steps=200, heldout=50, wrong=0.5).load(0)
    module = ModuleType("structure")
    sys.modules["structure"] = module
    found = vars(module)
    found |= {"frame": task.frame, "later": task.heldout}
    try:
        exec(compile(code("structure.md"), "structure.md", "exec"), found)
    finally:
        del sys.modules["structure"]
    assert {"x0_state_storms", "x1_state_storms"} <= set(found["mine"].graph)
    assert all(entry.nats > 0 for entry in found["mine"].journal if entry.accepted)
    assert np.isfinite(found["learner"].score(task.heldout))


@pytest.mark.slow
def test_mixtures() -> None:
    """docs/mixtures.md, on two clusters."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=300)
    points = np.array([[0.0, 0.0], [8.0, 5.0]])[labels] + generator.normal(size=(300, 2))
    frame = pd.DataFrame(points, columns=["x", "y"])
    found: dict[str, object] = {"frame": frame, "chunks": [frame[start : start + 100] for start in (0, 100, 200)]}
    exec(compile(code("mixtures.md"), "mixtures.md", "exec"), found)
    assert len(found["run"].network.components) == 2
    assert len(found["network"].components) == 2


@pytest.mark.slow
def test_sampling_posteriors() -> None:
    """docs/sampling_posteriors.md: numpyro and blackjax draw from one posterior, and a group draws its members in."""
    generator = np.random.default_rng(0)
    chances = np.where(np.arange(40) // 20 % 2, 0.8, 0.2)
    outcomes = (generator.random((3, 40)) < chances).astype(float)
    choices = (generator.random((3, 40)) < 0.2 + 0.6 * np.roll(outcomes, 1, 1)).astype(float)
    found: dict[str, Any] = {"outcomes": outcomes[0], "choices": choices[0], "draws": 400, "warmup": 200}
    found |= {"many_outcomes": outcomes, "many_choices": choices}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        exec(compile(code("sampling_posteriors.md"), "sampling_posteriors.md", "exec"), found)
    drawn = found["drawn"]
    for place, name in (
        (("x2", "tonic_volatility"), "volatility"),
        (("response", "inverse_temperature"), "temperature"),
    ):
        error = drawn.sd[place] / np.sqrt(drawn.ess.loc[place, "bulk"])
        assert np.mean(found["alone"][name]) == pytest.approx(drawn.parameters[place], abs=6 * error)
        assert np.std(found["alone"][name]) == pytest.approx(drawn.sd[place], rel=0.25)
    assert found["together"]["volatility"].shape == (1600, 3)
    assert np.isfinite(found["together"]["spread"]).all()
    assert found["data"].prior["x2.tonic_volatility"].shape == (1, 500)


@pytest.mark.slow
def test_layered(tmp_path: Path) -> None:
    """docs/layered.md, on three classes that a product of features decides; its table names rules there are."""
    from sostruct.growth import catalogue

    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 3))
    y = (X[:, 0] * X[:, 1] > 0) + (X[:, 2] > 0).astype(int)
    found: dict[str, Any] = {"X": X, "y": y, "folder": tmp_path / "kept"}
    exec(compile(code("layered.md"), "layered.md", "exec"), found)
    assert (found["back"].predict(X) == found["learner"].predict(X)).all()
    assert 2 <= found["grower"].result_.network.units <= 8
    assert found["pruned"].parameters <= 0.5 * (3 * 8 + 8 * 3) + 11
    assert found["sparser"].alive == found["wider"].alive - 2
    rules = re.findall(r"^\| (`[^|]+) \|", (DOCS / "layered.md").read_text("utf-8"), re.MULTILINE)
    names = [name for row in rules[1:] for name in re.findall(r"`(\w+)`", row)]
    assert len(names) >= 9
    assert all(hasattr(catalogue, name) for name in names)


def test_streaming(tmp_path: Path) -> None:
    """docs/streaming.md, on two systems one after the other."""
    parts = [SparseVAR(nodes=5, steps=400).load(seed).frame for seed in (0, 1)]
    rows = pd.concat(parts, ignore_index=True)
    found: dict[str, object] = {"chunks": [rows[start : start + 100] for start in range(0, 700, 100)]}
    found |= {"more": rows[700:], "folder": tmp_path, "first_row": 600, "last_row": 620}
    exec(compile(code("streaming.md"), "streaming.md", "exec"), found)
    assert found["stream"].alarms["regime"].tolist() == [1]
    assert found["again"].rows == 800


def test_noise() -> None:
    """docs/noise.md, on three series, the second with heavy tails, the third with bursts."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(400, 3))
    values[:, 1] = generator.standard_t(2.5, 400)
    values[:, 2] *= np.where(np.arange(400) // 80 % 2 == 1, 6.0, 1.0)
    found: dict[str, Any] = {"frame": pd.DataFrame(values, columns=["calm", "heavy", "stormy"])}
    exec(compile(code("noise.md"), "noise.md", "exec"), found)
    line = "Rows are weighted, by series: 1 with noise with heavy tails, 1 with noise of changing strength."
    assert line in repr(found["found"])
    assert line in (DOCS / "noise.md").read_text("utf-8")
    assert set(found["alike"].noise["kind"]) == {"gaussian"}
    assert set(found["tailed"].noise["kind"]) == {"student"}
    header = re.search(r"found.noise  # (.*)", (DOCS / "noise.md").read_text("utf-8"))
    assert header is not None
    assert header[1].split(", ") == list(found["found"].noise.columns)


def test_data() -> None:
    """docs/data.md, on recordings of one system with a daily wave, some of them irregular, and a column of counts."""
    frame = SparseVAR(nodes=3, steps=360, max_lag=2).load(2).frame
    hours = pd.date_range("2020-01-01", periods=360, freq="h")
    wave = 3 * np.sin(2 * np.pi * np.arange(360)[:, None] / 24 + np.arange(3))
    hourly = pd.DataFrame(frame.to_numpy() + wave, columns=["pump", "flow", "level"], index=hours)
    found: dict[str, Any] = {"hourly": hourly, "monday": hourly.iloc[:170], "tuesday": hourly.iloc[190:]}
    found["logged"] = hourly.drop(index=hours[[40, 41, 200]])
    found["shop"] = pd.DataFrame(
        {
            "price": frame["x0"],
            "visits": np.random.default_rng(0).poisson(np.exp(0.5 + 0.3 * frame["x0"].shift(1, fill_value=0))),
        }
    )
    with pytest.warns(DataWarning) as told:
        exec(compile(code("data.md"), "data.md", "exec"), found)
    assert {str(one.message).split(" ")[0] for one in told} == {"357", "Counts:"}
    assert found["seasonal"].posterior.count == 360 - 2 - 23
    assert found["future"].index[0] == hours[-1] + pd.Timedelta(hours=1)
    assert found["together"].posterior.count == 340 - 4
    assert "357 rows" in found["resampled"].treatment[0]


def _lagged(edges: pd.DataFrame) -> set[tuple[str, str]]:
    """Pairs that are linked at a lag."""
    rows = edges[edges["lag"] > 0]
    return set(zip(rows["cause"], rows["effect"], strict=True))


@pytest.mark.slow
def test_guide() -> None:
    """docs/guide.md; every case that should leave a trace leaves it."""
    found: dict[str, Any] = {}
    with pytest.warns(DataWarning, match="Unit roots"):
        exec(compile(code("guide.md"), "guide.md", "exec"), found)
    assert not found["why"].in_graph
    assert found["why"].rivals.iloc[0]["cause"] == "river"
    assert found["contrast"].effect_sd["mill"].iloc[-1] < found["result"].effect_sd["mill"].iloc[-1]
    assert "undirected" in set(found["slow"].edges["mark"])
    seeming, measured = (_lagged(found[name].edges) for name in ("seeming", "measured"))
    assert ("early", "late") in seeming
    assert ("early", "late") not in measured
    assert ("driver", "late") in measured
    for name, mark in (("linked", "undirected"), ("known", "bidirected")):
        assert list(found[name].edges.loc[found[name].edges["lag"] == 0, "mark"]) == [mark]
    one, other = (half.edges.iloc[0] for half in found["halves"])
    assert "directed" not in (one["mark"], other["mark"])
    assert one["lag"] == other["lag"] == 0
    assert found["balanced"].edges.empty
    assert {"first", "second"} <= set(found["difference"].edges["where"])
    assert found["own"].groupby("effect")["weight"].sum().gt(0.85).all()
    assert len(found["levels"].edges) > len(found["own"])
    assert found["changes"].edges.empty
    assert found["short"].expected_false_edges > 10 * found["found"].expected_false_edges
    best = found["rivals"].loc[found["rivals"]["instead"].idxmax()]
    assert best["cause"] == "gauge"
    assert best["instead"] > -5


def tutorial(name: str) -> dict[str, Any]:
    """What is left after a page of docs/tutorials ran."""
    found: dict[str, Any] = {}
    exec(compile(code(f"tutorials/{name}.md"), f"{name}.md", "exec"), found)
    return found


@pytest.mark.slow
def test_the_tutorial_of_binary_learning() -> None:
    found = tutorial("binary")
    assert len(found["choices"]) == 160
    assert found["rate"].between(0.0, 2.0).all()
    assert found["fit"].converged
    assert found["fitted"].topology.node("x2").parameters != found["three"].topology.node("x2").parameters
    assert found["check"].frame()["p"].min() > 0.001


@pytest.mark.slow
def test_the_tutorial_of_an_exchange_rate() -> None:
    found = tutorial("exchange_rate")
    assert found["fit"].converged
    assert found["walk"].converged
    assert found["fit"].log_evidence > found["walk"].log_evidence + 5.0
    assert found["held_out"]["volatile"] > found["held_out"]["constant"]
    assert found["restless"].year == 1981
    assert (found["band"][0.05] < found["band"][0.95]).all()


@pytest.mark.slow
def test_the_tutorial_of_categories() -> None:
    found = tutorial("categorical")
    chances = found["chances"]
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)
    right = [chances[place].iloc[row] for row, place in enumerate(found["likely"]) if row % 50 >= 30]
    assert np.mean(right) > 0.5
    assert found["best"] in (-4.0, -2.0, 0.0)


@pytest.mark.slow
def test_the_tutorial_of_a_group() -> None:
    found = tutorial("subjects")
    assert found["recovered"] > 0.7
    assert found["closer"] < 0.05
    assert found["comparison"].fixed["posterior"].idxmax() == "own volatility"
