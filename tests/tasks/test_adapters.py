"""Everything that series may come as is one frame; several realizations are told apart by its index."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sostruct.errors import DataError
from sostruct.tasks import check_frame
from sostruct.tasks.adapters import gathered, realizations

from .refusals import refused

DATES = pd.date_range("2020-01-01", periods=20, freq="D")


def part(seed: int, rows: int = 20, names: str = "abc") -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, len(names))), columns=list(names))


def test_frames_and_arrays_pass() -> None:
    frame = part(0)
    assert gathered(frame) is frame
    np.testing.assert_array_equal(gathered(frame.to_numpy()), frame)
    assert [label for label, _ in realizations(frame)] == [None]


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "arrays", "index"])
def test_realizations_keep_their_names_rows_and_order(kind: str) -> None:
    parts = {"v": part(0), "u": part(1, 15)}
    given = {
        "list": list(parts.values()),
        "tuple": tuple(parts.values()),
        "dict": parts,
        "arrays": [one.to_numpy() for one in parts.values()],
        "index": pd.concat(parts.values(), keys=parts),
    }[kind]
    found = list(realizations(gathered(given)))
    assert [label for label, _ in found] == (["v", "u"] if kind in ("dict", "index") else [0, 1])
    for (_, piece), one in zip(found, parts.values(), strict=True):
        np.testing.assert_array_equal(piece, one)
        assert piece.index.tolist() == list(range(len(one)))


def test_columns_are_matched_by_name() -> None:
    one, other = part(0), part(1)
    found = gathered([one, other[["c", "a", "b"]]])
    np.testing.assert_array_equal(found.to_numpy()[20:], other)


def test_rows_of_a_realization_come_together() -> None:
    """Rows sorted by time, realizations alternating; and the levels the other way round."""
    parts = {"u": part(0).set_axis(DATES), "v": part(1).set_axis(DATES)}
    frame = pd.concat(parts.values(), keys=parts, names=["who", "day"])
    mixed = frame.sort_index(level=1, sort_remaining=False)
    for given in (mixed, mixed.swaplevel()):
        found = gathered(given)
        assert list(found.index.names) == ["who", "day"]
        pd.testing.assert_frame_equal(found, frame, check_freq=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (part(0).set_axis(pd.MultiIndex.from_product([["u"], ["v"], range(20)])), ["several levels (3)"]),
        ({"u": part(0), "v": part(1, names="abd")}, ["realization 'v'", "'c', 'd'"]),
        ({"u": [1, 2, 3]}, ["'u'", "pd.DataFrame"]),
        ({}, ["there are none"]),
        (np.zeros((2, 20, 3)), ["3 dimensions", "list(array)"]),
        (part(0).set_axis(pd.MultiIndex.from_arrays([[None] * 20, range(20)])), ["row 0", "no realization"]),
        ([pd.concat([part(0)], keys=["u"]), pd.concat([part(1)], keys=["u"])], ["realization 0", "several levels"]),
    ],
)
def test_what_is_none_of_these_is_refused(given: object, words: list[str]) -> None:
    with refused(DataError, *words):
        gathered(given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: [*parts, part(9, 3)], ["realization 2", "max_lag=3", "3 rows"]),
        (lambda parts: [parts[0].set_axis(np.arange(20) * 2.0), parts[1]], ["realizations 0 and 1", "steps"]),
        (lambda parts: [parts[0], parts[1].drop(index=4)], ["realization 1", "unequal distances"]),
        (lambda parts: [one.iloc[:6] for one in parts], ["12 rows", "19 are needed", "max_lag=1"][:2]),
        (lambda parts: [one.assign(b=1.0) for one in parts], ["'b'", "constant"]),
    ],
)
def test_realizations_that_cannot_be_searched_are_refused(change, words: list[str]) -> None:
    with refused(DataError, *words):
        check_frame(change([part(0), part(1)]), 3)


def test_a_series_may_be_constant_in_one_realization() -> None:
    parts = [part(0), part(1).assign(b=2.0)]
    assert check_frame(parts, 3).shape == (40, 3)


# -------------------------------------------------------------------------------------------------------------- xarray

xarray = pytest.importorskip("xarray")


@pytest.mark.parametrize("dims", [("time", "node"), ("node", "time"), ("t", "x")])
def test_an_array_of_time_and_variable(dims: tuple[str, str]) -> None:
    frame = part(0)
    turned = dims[0] == "node"
    values = frame.to_numpy().T if turned else frame.to_numpy()
    names = dims[0] if turned else dims[1]
    array = xarray.DataArray(values, dims=dims, coords={names: list("abc")})
    pd.testing.assert_frame_equal(gathered(array), frame, check_names=False)
    assert list(gathered(xarray.DataArray(values, dims=dims)).columns) == ["x0", "x1", "x2"]


def test_times_come_along() -> None:
    array = xarray.DataArray(part(0).to_numpy().T, dims=("place", "when"), coords={"when": DATES})
    pd.testing.assert_index_equal(gathered(array).index, DATES, check_names=False)


def test_an_array_of_realizations_loses_its_padding() -> None:
    one, other = part(0), part(1)
    other.iloc[15:] = np.nan
    values = np.stack([one.to_numpy(), other.to_numpy()], axis=-1)
    array = xarray.DataArray(values, dims=("time", "variable", "subject"), coords={"subject": ["u", "v"]})
    found = gathered(array)
    assert list(found.index.names) == ["subject", "time"]
    pieces = dict(realizations(found))
    np.testing.assert_array_equal(pieces["u"], one)
    np.testing.assert_array_equal(pieces["v"], other.iloc[:15])


def test_a_dataset_has_a_variable_per_series() -> None:
    frame = part(0).set_axis(DATES)
    flat = xarray.Dataset({name: ("time", frame[name].to_numpy()) for name in frame}, coords={"time": DATES})
    pd.testing.assert_frame_equal(gathered(flat), frame, check_names=False, check_freq=False)
    both = np.stack([frame["a"], frame["b"]])
    variables = {"a": (("trial", "time"), both), "b": (("time", "trial"), both.T + 1), "c": ("time", both[0])}
    several = xarray.Dataset(variables)
    pieces = list(realizations(gathered(several)))
    assert [label for label, _ in pieces] == [0, 1]
    np.testing.assert_array_equal(pieces[1][1]["b"], both[1] + 1)
    np.testing.assert_array_equal(pieces[1][1]["c"], both[0])  # shared by all realizations


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (xarray.DataArray(np.zeros((4, 4)), dims=("u", "v")), ["named time"]),
        (xarray.DataArray(np.zeros((4, 4, 4)), dims=("time", "u", "v")), ["variables from realizations"]),
        (xarray.DataArray(np.zeros(4), dims=("time",)), ["dimensions 'time'"]),
        (xarray.Dataset({"a": (("time", "x", "y"), np.zeros((4, 2, 2)))}), ["'x', 'y'"]),
        (xarray.Dataset({"a": 1.0}), ["no variable over time"]),
    ],
)
def test_dimensions_that_cannot_be_told_apart_are_refused(given: object, words: list[str]) -> None:
    with refused(DataError, *words):
        gathered(given)
