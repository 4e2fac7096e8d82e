"""Series are read by name, kept as float64, and refused before anything runs."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from sostruct.errors import DataError
from sostruct.networks.hgf.inputs import Reader, Series, read_series
from sostruct.networks.hgf.kinds import KINDS

U, B = KINDS["continuous"], KINDS["binary"]
ONE = {"u": U}
TWO = {"u": U, "b": B}
DATES = pd.date_range("2020-01-31", periods=4, name="day")


def read(data: Any, time_steps: Any = None, kinds: dict[str, Any] = ONE) -> Series:
    return read_series(Reader.of(tuple(kinds), kinds), data, time_steps)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"u": [0.5, np.nan, -1.5, 2.0], "b": [1.0, 0.0, np.nan, 1.0]}, index=DATES)


class TestWhatIsRead:
    @pytest.mark.parametrize(
        "data",
        [
            [1.0, 2.0, 3.0],
            np.array([1, 2, 3]),
            np.array([[1.0], [2.0], [3.0]], np.float32),
            np.array([[1.0, 9.0], [2.0, 9.0], [3.0, 9.0]]).T[0],  # not contiguous
            jnp.array([1.0, 2.0, 3.0]),
            pd.Series([1, 2, 3], name="any name"),
            pd.Series([1, 2, 3], dtype="Int64"),
            pd.DataFrame({"u": [1.0, 2.0, 3.0]}),
        ],
    )
    def test_one_series(self, data: Any) -> None:
        series = read(data)
        np.testing.assert_array_equal(series.values, [[1.0], [2.0], [3.0]])
        assert series.values.dtype == np.float64
        assert series.values.flags.c_contiguous
        assert series.subjects is None
        assert series.time_steps is None
        assert list(series.index) == [0, 1, 2]

    def test_columns_are_found_by_name(self) -> None:
        series = read(frame()[["b", "u"]], kinds=TWO)
        np.testing.assert_array_equal(series.values, frame().to_numpy())
        assert series.index.equals(DATES)
        assert series.index.name == "day"

    def test_what_is_kept_is_a_copy_that_cannot_change(self) -> None:
        data = np.array([1.0, 2.0])
        series = read(data)
        data[0] = 5.0
        assert series.values[0, 0] == 1.0
        with pytest.raises(ValueError, match="read-only"):
            series.values[0, 0] = 5.0
        one = frame()
        series = read(one, kinds=TWO)
        one.loc[:, "u"] = 7.0
        assert series.values[0, 0] == 0.5

    @pytest.mark.parametrize(
        "data",
        [
            np.ma.masked_array([1.0, 2.0], mask=[False, True]),
            np.ma.masked_array([1, 2], mask=[False, True]),
            pd.Series([1, None], dtype="Int64"),
            pd.DataFrame({"u": pd.array([1, None], dtype="Float64")}),
        ],
    )
    def test_missing_values_become_nan(self, data: Any) -> None:
        np.testing.assert_array_equal(read(data).values, [[1.0], [np.nan]])

    def test_everything_may_be_missing(self) -> None:
        assert np.isnan(read(np.full(3, np.nan)).values).all()

    def test_outcomes_may_be_booleans(self) -> None:
        series = read(pd.DataFrame({"u": [1.0, 2.0], "b": [True, False]}), kinds=TWO)
        np.testing.assert_array_equal(series.values, [[1.0, 1.0], [2.0, 0.0]])


class TestSubjects:
    def test_a_stack_of_arrays(self) -> None:
        data = np.arange(12.0).reshape(3, 4, 1)
        series = read(data)
        np.testing.assert_array_equal(series.values, data)
        assert series.subjects == (0, 1, 2)
        assert len(series.index) == 4

    def test_a_dict_of_frames(self) -> None:
        other = frame()[["b", "u"]] * 0.0
        series = read({"anna": frame(), 7: other}, kinds=TWO)
        assert series.subjects == ("anna", 7)
        np.testing.assert_array_equal(series.values[0], frame().to_numpy())
        np.testing.assert_array_equal(series.values[1], frame().to_numpy() * 0.0)
        assert series.index.equals(DATES)

    def test_steps_are_counted_where_subjects_have_other_dates(self) -> None:
        later = frame().set_index(DATES + pd.Timedelta(1, "D"))
        series = read({"anna": frame(), "ben": later}, kinds=TWO)
        assert list(series.index) == [0, 1, 2, 3]

    def test_one_subject_is_a_subject(self) -> None:
        assert read({"anna": [1.0, 2.0]}).values.shape == (1, 2, 1)


class TestTimeSteps:
    @pytest.mark.parametrize("steps", [None, [1, 1, 1], np.ones(3), pd.Series([1.0, 1.0, 1.0])])
    def test_steps_of_one_are_none(self, steps: Any) -> None:
        assert read([1.0, 2.0, 3.0], steps).time_steps is None

    def test_irregular_steps(self) -> None:
        steps = np.array([0.5, 2.0, 1.0])
        series = read([1.0, 2.0, 3.0], steps)
        steps[0] = 9.0
        assert series.time_steps is not None
        np.testing.assert_array_equal(series.time_steps, [0.5, 2.0, 1.0])

    def test_steps_of_subjects(self) -> None:
        data = np.zeros((2, 3, 1))
        for steps, expected in (([1, 2, 3], [1, 2, 3]), ([[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 5, 6]])):
            found = read(data, steps).time_steps
            np.testing.assert_array_equal(found, expected)
        named = read({"a": [0.0, 0.0], "b": [0.0, 0.0]}, {"b": [3, 4], "a": [1, 2]}).time_steps
        np.testing.assert_array_equal(named, [[1, 2], [3, 4]])


def put(column: str, row: int, value: object) -> pd.DataFrame:
    changed = frame().astype(object)
    changed.iloc[row, list(changed.columns).index(column)] = value
    return changed.infer_objects()


REFUSED: list[tuple[Any, list[str]]] = [
    (np.zeros((3, 3)), ["3 columns", "2 inputs ('u', 'b')"]),
    (np.zeros(3), ["1 dimension ", "[time, input] or [subject, time, input]"]),
    (np.zeros((2, 2, 2, 2)), ["4 dimensions"]),
    (np.zeros((2, 5, 3)), ["3 columns"]),
    (np.zeros((0, 2)), ["empty"]),
    (np.zeros((0, 3, 2)), ["empty"]),
    (frame().iloc[:0], ["empty"]),
    ({}, ["empty"]),
    (5.0, ["0 dimensions"]),
    (None, ["type object"]),
    ([[1.0, 0.0], [1.0]], ["unequal lengths", "NaN"]),
    (np.zeros((3, 2), complex), ["complex128"]),
    (np.array([["1", "0"]]), ["real numbers"]),
    ([[1.0, None]], ["type object", "NaN where a value is missing"]),
    (frame().rename(columns={"u": "v"}), ["no column 'u'", "'v' is no input", "renaming"]),
    (frame()[["u"]], ["no column 'b'"]),
    (frame().assign(w=0, v=1), ["'w', 'v' are no input", "net.inputs"]),
    (frame().set_axis(["u", "u"], axis=1), ["'u'", "more than one"]),
    (pd.DataFrame(np.zeros((3, 2))), ["no column 'u', 'b'", "'0', '1'"]),
    (put("u", 2, "two"), ["'u'", "'two'", "row 2"]),
    (put("u", 2, 1j), ["'u'", "complex128"]),
    (put("u", 3, np.inf), ["'u'", "inf is not a finite number", "step 3", "2020-02-03"]),
    (put("b", 3, 2.0), ["'b'", "2.0 is not 0 or 1", "step 3", "2020-02-03"]),
    (put("b", 0, 0.5), ["'b'", "0.5 is not 0 or 1", "step 0"]),
    (np.array([[0.0, 1.0], [1e400, 1.0]]), ["'u'", "step 1 (counting from 0)"]),
    (np.array([[0.0, np.inf], [1.0, 1.0]]), ["'b'", "inf is not 0 or 1", "step 0"]),
    (frame()[::-1], ["not in order", "Try sorting"]),
    (frame().set_index(DATES[[0, 1, 1, 2]]), ["2020-02-01", "twice"]),
    (frame().set_index(pd.MultiIndex.from_product([["a", "b"], [0, 1]])), ["several levels", "dict"]),
    ({"u": [0.0, 1.0], "b": [0.0, 1.0]}, ["keys", "inputs", "pandas.DataFrame(data)"]),
    ({"anna": frame(), "ben": frame()[:3]}, ["'anna' has 4 steps", "'ben' has 3", "padding"]),
    ({"anna": frame(), "ben": put("b", 1, 3.0)}, ["column 'b' of subject 'ben'", "3.0", "step 1"]),
    ({"anna": frame(), "ben": frame()[["u"]]}, ["subject 'ben'", "no column 'b'"]),
    ({"anna": np.zeros((2, 3, 2))}, ["subject 'anna'", "3 dimensions"]),
    (np.stack([np.zeros((3, 2)), np.full((3, 2), 2.0)]), ["column 'b' of subject 1", "2.0"]),
]


@pytest.mark.parametrize(("data", "parts"), REFUSED)
def test_what_is_refused(data: Any, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read(data, kinds=TWO)
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    assert message.startswith("Cannot ")
    assert ". This is because " in message
    assert " Try " in message


STEPS_REFUSED: list[tuple[Callable[[], Any], list[str]]] = [
    (lambda: [1.0, 0.0, 1.0], ["step 1 ", "0.0"]),
    (lambda: [1.0, 1.0, -2.0], ["step 2 ", "-2.0"]),
    (lambda: [np.nan, 1.0, 1.0], ["step 0 ", "nan"]),
    (lambda: [np.inf, 1.0, 1.0], ["step 0 ", "inf"]),
    (lambda: [1.0, 1.0], ["(2,)", "3 steps"]),
    (lambda: 2.0, ["()", "3 steps"]),
    (lambda: np.ones((3, 1)), ["(3, 1)"]),
    (lambda: ["a", "b", "c"], ["real numbers"]),
    (lambda: [[1.0], [1.0, 2.0], 3.0], ["type object"]),
    (lambda: pd.timedelta_range(0, periods=3), ["timedelta64", "unit"]),
    (lambda: {"anna": [1.0, 1.0, 1.0]}, ["'anna'", "no subjects"]),
]


@pytest.mark.parametrize(("steps", "parts"), STEPS_REFUSED)
def test_what_time_steps_are_refused(steps: Callable[[], Any], parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read([1.0, 2.0, 3.0], steps())
    message = str(caught.value)
    assert message.startswith("Cannot read time_steps")
    assert [part for part in parts if part not in message] == [], message


def test_time_steps_of_a_subject_are_refused_by_its_name() -> None:
    data = {"anna": [1.0, 2.0], "ben": [1.0, 2.0]}
    with pytest.raises(DataError, match=r"of subject 'ben'\. .* step 1"):
        read(data, {"anna": [1.0, 1.0], "ben": [1.0, 0.0]})
    with pytest.raises(DataError, match="subject number 1"):
        read(data, [[1.0, 1.0], [0.0, 1.0]])


def test_the_first_bad_value_is_found_behind_gaps() -> None:
    data = np.array([np.nan, 1.0, np.nan, 0.0, 7.0, np.nan, 8.0])
    with pytest.raises(DataError, match=r"7\.0 is not 0 or 1, in step 4 "):
        read(data, kinds={"b": B})
