"""Which series are refused, in what words, and which are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import ConfigError, DataError
from sostruct.tasks import check_frame, rows_needed
from sostruct.tasks.checks import check_names

from .refusals import refused


def series(rows: int = 60, columns: int = 3, seed: int = 0) -> pd.DataFrame:
    names = list("abcdefgh"[:columns])
    return pd.DataFrame(np.random.default_rng(seed).standard_normal((rows, columns)), columns=names)


def changed(change: Callable[[pd.DataFrame], object], **shape: int) -> pd.DataFrame:
    frame = series(**shape)
    given_back = change(frame)
    return given_back if isinstance(given_back, pd.DataFrame) else frame


def put(column: str, rows: slice | int, value: object) -> Callable[[pd.DataFrame], None]:
    def change(frame: pd.DataFrame) -> None:
        if not isinstance(value, float):
            frame[column] = frame[column].astype(object)
        frame.loc[rows, column] = value

    return change


class TestAccepted:
    def test_a_frame_comes_back_equal_and_its_own(self) -> None:
        frame = series()
        checked = check_frame(frame, 3)
        pd.testing.assert_frame_equal(checked, frame)
        checked.iloc[0, 0] = 99.0
        assert frame.iloc[0, 0] != 99.0

    def test_an_array_gets_names_that_sort_as_they_count(self) -> None:
        values = np.random.default_rng(0).standard_normal((60, 12))
        checked = check_frame(values, 3)
        assert list(checked.columns) == ["x00", "x01", *(f"x{i:02d}" for i in range(2, 12))]
        np.testing.assert_array_equal(checked, values)
        assert list(check_frame(values[:, :3].tolist(), 3).columns) == ["x0", "x1", "x2"]

    def test_an_array_of_its_own_is_not_aliased(self) -> None:
        values = np.random.default_rng(0).standard_normal((60, 3))
        checked = check_frame(values, 3)
        values[:] = 0
        assert (checked != 0).all().all()

    @pytest.mark.parametrize("kind", ["float32", "int8", "uint64", "Int64", "Float64", "boolean", "bool"])
    def test_every_real_type_becomes_float64(self, kind: str) -> None:
        whole = np.random.default_rng(0).integers(0, 2, (60, 2))
        frame = pd.DataFrame(whole, columns=["a", "b"]).astype(kind)
        checked = check_frame(frame, 1)
        assert set(checked.dtypes) == {np.dtype(np.float64)}
        np.testing.assert_array_equal(checked, whole)

    def test_mixed_types(self) -> None:
        frame = series()
        frame["d"] = pd.array(np.arange(60) % 7, dtype="Int64")
        frame["e"] = np.arange(60) % 3 == 0
        assert check_frame(frame, 3).dtypes.unique().tolist() == [np.dtype(np.float64)]

    def test_labels_become_strings(self) -> None:
        assert list(check_frame(series().set_axis([0, 2.5, ("a", 1)], axis=1), 3).columns) == ["0", "2.5", "('a', 1)"]

    def test_the_fewest_rows(self) -> None:
        for max_lag in (1, 3, 7):
            rows = rows_needed(max_lag)
            assert rows - max_lag == 10 + max_lag
            assert len(check_frame(series(rows), max_lag)) == rows

    def test_sizes_and_offsets_that_float64_can_hold(self) -> None:
        frame = series()
        frame["a"] = frame["a"] * 1e-90
        frame["b"] = frame["b"] * 1e95
        frame["c"] = frame["c"] + 1e12
        pd.testing.assert_frame_equal(check_frame(frame, 3), frame)

    def test_nearly_copies_are_not_copies(self) -> None:
        frame = series()
        frame["d"] = frame["a"] + 1e-4 * frame["b"]
        frame["e"] = frame["a"] * frame["a"]
        frame["f"] = frame["a"].shift(1).fillna(0.0)
        check_frame(frame, 3)

    def test_rare_events_are_not_constant(self) -> None:
        frame = series()
        frame["a"] = 0.0
        frame.loc[30, "a"] = 1.0
        check_frame(frame, 3)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(2, 300), st.integers(0, 2**32), st.sampled_from([20, 100]))
    def test_independent_columns_always_pass(self, columns: int, seed: int, rows: int) -> None:
        values = np.random.default_rng(seed).standard_normal((rows, columns))
        np.testing.assert_array_equal(check_frame(values, 2), values)

    def test_few_distinct_values_pass(self) -> None:
        """Columns of coin flips project close to each other more often than others do."""
        values = np.random.default_rng(0).integers(0, 2, (200, 300)).astype(float)
        np.testing.assert_array_equal(check_frame(values, 2), values)


REFUSED: list[tuple[Callable[[pd.DataFrame], object], list[str]]] = [
    (lambda frame: pd.DataFrame(), ["empty"]),
    (lambda frame: frame[[]], ["0 columns"]),
    (lambda frame: frame[["a"]], ["1 column.", "at least two columns"]),
    (lambda frame: frame.iloc[:15], ["15 rows", "max_lag=3", "16 rows are needed", "max_lag=2"]),
    (lambda frame: frame.iloc[:0], ["0 rows", "16"]),
    (put("b", 7, "oops"), ["'b'", "'oops'", "row 7"]),
    (put("b", 7, Decimal("1.5")), ["'b'", "object"]),
    (lambda frame: frame.assign(b=frame["b"].astype(str), c="x"), ["'b'", "'c'"]),
    (lambda frame: frame.assign(b=frame["b"] + 1j), ["'b'", "complex128"]),
    (lambda frame: frame.assign(b=pd.date_range("2020", periods=60)), ["'b'", "datetime64", "index"]),
    (lambda frame: frame.assign(b=pd.Categorical(["u", "v"] * 30)), ["'b'", "category"]),
    (lambda frame: frame.assign(b=pd.Categorical([True, False] * 30)), ["'b'", "category"]),
    (put("c", 5, np.nan), ["'c' (1)", "missing data are not supported yet"]),
    (lambda frame: frame.assign(a=pd.array([None, *range(59)], dtype="Int64")), ["'a' (1)", "1 are missing"]),
    (lambda frame: frame.mask(frame > 0), ["'a'", "'b'", "'c'", "missing"]),
    (put("c", 5, -np.inf), ["'c'", "infinite", "row 5"]),
    (lambda frame: frame.assign(b=[np.nan] + [np.inf] * 59), ["'b'", "infinite", "row 1"]),
    (put("a", slice(None), 4.25), ["'a'", "constant", "4.25"]),
    (lambda frame: frame.assign(a=np.where(np.arange(60) % 2, 0.3, 0.1 + 0.2)), ["'a'", "constant", "rounding"]),
    (lambda frame: frame.assign(a=1e18 + np.arange(60) % 2), ["'a'", "constant", "offset"]),
    (put("a", slice(3, None), 1.0), ["'a'", "max_lag=3", "rows 3 to 59", "prediction"]),
    (put("a", slice(None, 58), 1.0), ["'a'", "max_lag=3", "rows 2 to 58", "lag 1"]),
    (put("a", slice(None, 56), 1.0), ["'a'", "rows 0 to 56", "lag 3"]),
    (lambda frame: frame.assign(a=frame["a"] * 1e200), ["'a'", "units"]),
    (lambda frame: frame.assign(a=frame["a"] * 1e-200), ["'a'", "units"]),
    (lambda frame: frame.set_axis(["a", "b", "a"], axis=1), ["'a'", "more than one"]),
    (lambda frame: frame.set_axis(["1", "b", 1], axis=1), ["'1'", "more than one"]),
    (lambda frame: frame.set_axis(["a", "", "c"], axis=1), ["number 2", "empty name"]),
    (lambda frame: frame.assign(d=frame["b"]), ["'b' and 'd'", "identical"]),
    (lambda frame: frame.assign(d=-frame["b"]), ["'b' and 'd'", "negative of the other"]),
    (lambda frame: frame.assign(d=3 - 2 * frame["b"]), ["'b' and 'd'", "a negative number plus an offset"]),
    (lambda frame: frame.assign(d=1.8 * frame["b"] + 32), ["'b' and 'd'", "a positive number plus an offset"]),
    (lambda frame: frame.set_axis(pd.MultiIndex.from_product([["u"], ["v"], range(60)])), ["several levels"]),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_refused(change: Callable[[pd.DataFrame], object], words: list[str]) -> None:
    frame = changed(change)
    before = frame.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with refused(DataError, *words):
            check_frame(frame, 3)
    pd.testing.assert_frame_equal(frame, before)


def test_a_row_is_named_with_its_time() -> None:
    frame = series().set_axis(pd.date_range("2020-01-01", periods=60), axis=0)
    frame.loc["2020-01-06", "b"] = np.inf
    with refused(DataError, "row 5", "2020-01-06"):
        check_frame(frame, 3)


@pytest.mark.parametrize("max_lag", [0, -1, 2.0, 1.5, True, "3", None, np.float64(2)])
def test_refused_max_lag(max_lag: object) -> None:
    with refused(ConfigError, f"max_lag={max_lag!r}"):
        check_frame(series(), max_lag)  # type: ignore[arg-type]


def test_max_lag_may_be_a_numpy_integer() -> None:
    check_frame(series(), np.int32(3))  # type: ignore[arg-type]


def test_max_lag_too_large_for_the_rows() -> None:
    with refused(DataError, "60 rows", "max_lag=26", "62 rows are needed", "max_lag=25"):
        check_frame(series(), 26)
    check_frame(series(), 25)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(5), ["1 dimension "]),
        (np.zeros((5, 2, 2)), ["3 dimensions"]),
        (np.float64(3), ["0 dimensions"]),
        (np.array([["a", "b"]] * 60), ["'x0'"]),
        (np.array([[1, "b"], [2, 3]] * 30, dtype=object), ["'x0'", "object"]),
        (np.zeros((60, 2), dtype=complex), ["'x0'", "complex128"]),
        (np.ma.masked_greater(np.random.default_rng(0).standard_normal((60, 2)), 1.0), ["'x0'", "missing"]),
    ],
)
def test_refused_arrays(array: object, words: list[str]) -> None:
    with refused(DataError, *words):
        check_frame(array, 3)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 60),
    st.integers(0, 2**32),
    st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3),
    st.floats(-1e3, 1e3),
    st.booleans(),
    st.data(),
)
def test_copies_are_always_found(
    columns: int, seed: int, scale: float, offset: float, walk: bool, data: st.DataObject
) -> None:
    """Any column copied up to offset and scale, anywhere among the others, is named together with its copy."""
    values = np.random.default_rng(seed).standard_normal((80, columns))
    values = values.cumsum(axis=0) if walk else values
    original = data.draw(st.integers(0, columns - 1))
    place = data.draw(st.integers(0, columns))
    names = [f"v{i}" for i in range(columns)]
    frame = pd.DataFrame(np.insert(values, place, scale * values[:, original] + offset, axis=1))
    frame.columns = pd.Index([*names[:place], "copy", *names[place:]])
    with refused(DataError, f"'v{original}'", "'copy'"):
        check_frame(frame, 2)


def test_a_chance_neighbor_does_not_hide_a_copy() -> None:
    """Between the projections of a column and its copy lies that of an unrelated column."""
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((3, 80))[0]  # the first one that `check_frame` projects onto
    direction -= direction.mean()
    direction /= np.linalg.norm(direction)
    one, other = (column - column.mean() for column in np.random.default_rng(1).standard_normal((2, 80)))
    one /= np.linalg.norm(one)
    copy = one + 1e-6 * direction
    between = one @ direction + 5e-7
    other -= (other @ direction) * direction
    other *= np.sqrt(1 - between**2) / np.linalg.norm(other)
    frame = pd.DataFrame({"one": one, "other": other + between * direction, "copy": copy})
    assert 1 - np.corrcoef(one, copy)[0, 1] < 1e-12
    with refused(DataError, "'one' and 'copy'"):
        check_frame(frame, 2)


def test_many_copies_name_two_of_them() -> None:
    values = np.random.default_rng(0).standard_normal((50, 1)) @ np.ones((1, 400))
    with refused(DataError, "identical"):
        check_frame(values, 2)


def test_names_are_kept_as_they_are() -> None:
    assert check_names(["b", "a", "Ünïcode x", " "]) == ("b", "a", "Ünïcode x", " ")
