"""Files as they come: what is read, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sostruct.errors import ConfigError, DataError
from sostruct.tasks import Table, check_frame
from sostruct.tasks.delimited import parse_delimited

from .refusals import refused

VALUES = np.array([[1.5, -2.0, 3e-7], [0.25, 4.0, 1e3], [-7.0, 0.0, 0.1]])


def written(folder: Path, content: str | bytes, name: str = "data.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def load(folder: Path, content: str | bytes, name: str = "data.csv", **how: object) -> pd.DataFrame:
    return Table(written(folder, content, name), **how).load().frame  # type: ignore[arg-type]


finite = st.floats(allow_nan=False, allow_infinity=False)
labels = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda columns: st.tuples(
            st.lists(labels.filter(lambda name: not name.isdecimal()), min_size=columns, max_size=columns, unique=True),
            st.integers(1, 8).flatmap(lambda rows: arrays(np.float64, (rows, columns), elements=finite)),
        )
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_pandas_writes_comes_back_bit_for_bit(
    tmp_path: Path, content: tuple[list[str], np.ndarray], delimiter: str, encoding: str, ending: str
) -> None:
    names, values = content
    names[0] = "n" + names[0]  # not the name of a clock, nor a number
    text = pd.DataFrame(values, columns=names).to_csv(index=False, sep=delimiter, lineterminator=ending)
    frame = load(tmp_path, text.encode(encoding))
    assert list(frame.columns) == names
    np.testing.assert_array_equal(frame.to_numpy(), values)
    assert isinstance(frame.index, pd.RangeIndex)


@pytest.mark.parametrize(
    "content",
    [
        "a,b,c\n1.5,-2,3e-7\n0.25,4,1000\n-7,0,.1\n",
        " a , b,c \n 1.5 , -2 ,3E-7\n0.25,+4, 1e3\n\n-7,0,0.1\n  \n",
        "a,b,c,\n1.5,-2,3e-7,\n0.25,4,1000,\n-7,0,.1,\n",
        "a b c\n1.5 -2   3e-7\n 0.25 4 1000  \n-7\t0 .1",
        "a;b;c\n1,5;-2;3e-7\n0,25;4;1000\n-7;0;0,1\n",
        "a\tb\tc\n1,5\t-2,0\t3e-7\n0,25\t4,0\t1000\n-7,0\t0,0\t,1\n",
        '"a","b","c"\n"1.5","-2","3e-7"\n"0.25","4","1000"\n"-7","0","0.1"\n',
        "\n\na,b,c\n1.5,-2,3e-7\n0.25,4,1000\n-7,0,.1",
    ],
)
def test_ways_to_write_the_same_table(tmp_path: Path, content: str) -> None:
    frame = load(tmp_path, content)
    assert list(frame.columns) == ["a", "b", "c"]
    np.testing.assert_array_equal(frame.to_numpy(), VALUES)


def test_missing_values_infinities_and_truth_values(tmp_path: Path) -> None:
    cells = ["", "NA", "n/a", "NaN", "null", "None", "?", ".", "#N/A"]
    text = "a,b,c\n" + "".join(f"{cell},inf,True\n" for cell in cells) + "1,-Infinity,false\n"
    frame = load(tmp_path, text)
    assert frame["a"].isna().tolist() == [True] * 9 + [False]
    assert frame["b"].tolist() == [np.inf] * 9 + [-np.inf]
    assert frame["c"].tolist() == [1.0] * 9 + [0.0]
    assert set(frame.dtypes) == {np.dtype(np.float64)}
    assert list(load(tmp_path, "a,\n1,\n").columns) == ["a"]


def test_names_are_kept(tmp_path: Path) -> None:
    frame = load(tmp_path, 'NA,"rate, real",Größe,nan,"say ""x"""\n1,2,3,4,5\n')
    assert list(frame.columns) == ["NA", "rate, real", "Größe", "nan", 'say "x"']


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(["1.5", " -2 ", "3e-7", "nan", "Inf", "", "NA", "2020-01-05", "x"]), min_size=9, max_size=9
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_both_ways_to_read_agree(cells: list[str], delimiter: str) -> None:
    """A quoted header sends the table through the careful way; without quotes it may take the fast one."""
    rows = [delimiter.join(cells[row : row + 3]) for row in (0, 3, 6)]
    plain, quoted = (
        parse_delimited("\n".join([delimiter.join(header), *rows]), Path("data.csv"))
        for header in (["a", "b", "c"], ["a", "b", '"c"'])
    )
    pd.testing.assert_frame_equal(plain, quoted)


@pytest.mark.parametrize("header", ["0,1,2", "1,2,3"])
def test_counted_names(tmp_path: Path, header: str) -> None:
    assert list(load(tmp_path, f"{header}\n5,6,8\n").columns) == header.split(",")


def test_large_whole_numbers_do_not_overflow(tmp_path: Path) -> None:
    frame = load(tmp_path, "a,b\n18446744073709551619,1\n-99999999999999999999999,2\n")
    assert frame["a"].tolist() == [18446744073709551619.0, -99999999999999999999999.0]


class TestClock:
    @pytest.mark.parametrize(
        ("header", "cells", "first", "second"),
        [
            ("when", ["2020-01-31", "2020-02-29"], "2020-01-31", "2020-02-29"),
            ("time", ["2020-01-01T00:00:00Z", "2020-01-01T00:10:00Z"], "2020-01-01T00:00Z", "2020-01-01T00:10Z"),
            ("x", ["2019Q4", "2020Q1"], "2019-10-01", "2020-01-01"),
            ("", ["2020-01-01", "2020-01-02"], "2020-01-01", "2020-01-02"),
            ("Date", ["20191231", "20200101"], "2019-12-31", "2020-01-01"),
            ("date", ["31.12.2019", "01.01.2020"], "2019-12-31", "2020-01-01"),
        ],
    )
    def test_dates_become_the_index(
        self, tmp_path: Path, header: str, cells: list[str], first: str, second: str
    ) -> None:
        frame = load(tmp_path, f"{header},a,b\n{cells[0]},1,2\n{cells[1]},3,4\n")
        assert isinstance(frame.index, pd.DatetimeIndex)
        assert frame.index.tolist() == [pd.Timestamp(first), pd.Timestamp(second)]
        assert frame.index.name == (header or None)
        assert list(frame.columns) == ["a", "b"]

    def test_a_later_column_of_dates(self, tmp_path: Path) -> None:
        frame = load(tmp_path, "a,b,day\n1,2,2020-01-01\n3,4,2020-01-02\n")
        assert frame.index.name == "day"

    @pytest.mark.parametrize("header", ["time", "Timestamp", ""])
    def test_numbers_under_a_clock_s_name(self, tmp_path: Path, header: str) -> None:
        frame = load(tmp_path, f"{header},a,b\n0.5,1,2\n1.0,3,4\n")
        assert frame.index.tolist() == [0.5, 1.0]
        assert list(frame.columns) == ["a", "b"]

    def test_a_saved_index_is_no_series(self, tmp_path: Path) -> None:
        saved = pd.DataFrame(VALUES, columns=["a", "b", "c"])
        pd.testing.assert_frame_equal(load(tmp_path, saved.to_csv()), saved, check_index_type=False)

    def test_labels_of_rows_are_no_series(self, tmp_path: Path) -> None:
        frame = load(tmp_path, ",a,b\nfirst,1,2\nsecond,3,4\n")
        assert list(frame.columns) == ["a", "b"]
        check_frame(load(tmp_path, ",a,b\n" + "".join(f"r{i},{i % 7},{i % 5}\n" for i in range(40))), 2)

    def test_a_number_called_otherwise_is_a_series(self, tmp_path: Path) -> None:
        assert list(load(tmp_path, "year,a\n2019,1\n2020,2\n").columns) == ["year", "a"]

    def test_named(self, tmp_path: Path) -> None:
        frame = load(tmp_path, "year,a,b\n2019,1,2\n2020,2,3\n", time="year")
        assert frame.index.tolist() == [2019, 2020]
        frame = load(tmp_path, "begin,end,a,b\n2020-01-01,1,1,2\n2020-01-02,2,2,3\n", time="begin")
        assert list(frame.columns) == ["end", "a", "b"]

    @pytest.mark.parametrize(
        ("content", "how", "words"),
        [
            ("a,b\n1,2\n", {"time": "when"}, ["time='when'", "'a', 'b'"]),
            ("begin,end,a\n2020-01-01,2020-01-02,1\n", {}, ["'begin', 'end'", "time="]),
            ("begin,end,a,b\n2020-01-01,2020-01-02,1,2\n", {"time": "begin"}, ["'end'", "not numeric"]),
            ("day,a,b\n01/02/2020,1,2\n02/02/2020,3,4\n", {}, ["'day'", "month"]),
            ("day,a,b\nmonday,1,2\n", {"time": "day"}, ["'day'", "'monday'", "row 1"]),
            ("day,a,b\n2020-01-01,1,2\n2020-02-30,1,2\n", {}, ["'day'", "'2020-02-30'", "row 2"]),
        ],
    )
    def test_refused(self, tmp_path: Path, content: str, how: dict[str, str], words: list[str]) -> None:
        with refused(DataError, *words):
            load(tmp_path, content, **how)

    def test_rows_may_count_instead(self, tmp_path: Path) -> None:
        days = pd.bdate_range("2020-01-01", periods=40).delete(12)
        values = np.random.default_rng(0).standard_normal((39, 2))
        saved = pd.DataFrame(values, columns=["a", "b"], index=days)
        with refused(DataError, "unequal distances", "2020-01-16", "2020-01-20"):
            check_frame(load(tmp_path, saved.to_csv()), 2)
        frame = load(tmp_path, saved.to_csv(), by_row=True)
        pd.testing.assert_frame_equal(check_frame(frame, 2), saved.reset_index(drop=True))
        with refused(DataError, "not in order"):
            load(tmp_path, saved.iloc[::-1].to_csv(), by_row=True)


class TestRealizations:
    ROWS = "who,day,a,b\nu,2020-01-01,1,2\nv,2020-01-01,3,4\nu,2020-01-02,5,6\nv,2020-01-02,7,8\n"

    def test_rows_of_each_come_together(self, tmp_path: Path) -> None:
        frame = load(tmp_path, self.ROWS, realization="who")
        days = pd.date_range("2020-01-01", periods=2)
        expected = pd.MultiIndex.from_product([["u", "v"], days], names=["realization", "day"])
        assert frame.index.tolist() == expected.tolist()
        assert list(frame.index.names) == ["realization", "day"]
        np.testing.assert_array_equal(frame, [[1, 2], [5, 6], [3, 4], [7, 8]])

    def test_without_times_rows_are_counted_in_each(self, tmp_path: Path) -> None:
        frame = load(tmp_path, "a,who,b\n1,2,2\n3,2,4\n5,1,6\n", realization="who")
        assert frame.index.tolist() == [(2, 0), (2, 1), (1, 0)]
        assert list(frame.columns) == ["a", "b"]

    def test_they_may_count_instead_of_their_times(self, tmp_path: Path) -> None:
        uneven = self.ROWS + "u,2020-01-07,1,1\n"
        frame = load(tmp_path, uneven, realization="who", by_row=True)
        assert frame.index.tolist() == [("u", 0), ("u", 1), ("u", 2), ("v", 0), ("v", 1)]

    @pytest.mark.parametrize(
        ("content", "words"),
        [("a,b\n1,2\n", ["realization='who'", "'a', 'b'"]), ("who,a,b\nu,1,2\n,3,4\n", ["row 2", "none"])],
    )
    def test_refused(self, tmp_path: Path, content: str, words: list[str]) -> None:
        with refused(DataError, *words):
            load(tmp_path, content, realization="who")


REFUSED: list[tuple[str | bytes, list[str]]] = [
    ("", ["empty"]),
    (" \n\n", ["empty"]),
    (b"\xef\xbb\xbf", ["empty"]),
    ('"', ["empty"]),
    ("a,b\n", ["no rows"]),
    ("time\n1\n2\n", ["no column of series"]),
    ("a,b,a\n1,2,3\n", ["'a'", "more than one"]),
    ("a, b,b \n1,2,3\n", ["'b'", "more than one"]),
    ("a,,b\n1,2,3\n", ["number 2", "no name"]),
    ("a,b\n1,2\n3,4,5\n", ["line 3", "3 fields", "2"]),
    ("a,b,c\n1,2,3\n\n4,5\n", ["line 4", "2 fields", "3"]),
    ("1.5,2.5\n3.5,4.5\n", ["header"]),
    ("5,3\n4,2\n", ["header"]),
    ("a,b,c\n1,x,3\n2,?,yes\n", ["'b'", "'x'", "row 1", "'c'"]),
    ("a,b\n1,2\n?,3\n?,oops\n", ["'b'", "'oops'", "row 3"]),
    ("a,b\n1,1_000\n2,3\n", ["'b'", "'1_000'"]),
    ('a,b\n1,"1,234"\n2,"56"\n', ["'b'", "'1,234'", "thousands"]),
    ('a,b\n1,"1,234.5"\n2,3\n', ["'b'", "'1,234.5'", "thousands"]),
    ("a;b\n1;1.234,5\n2;1.234.567,0\n", ["'b'", "'1.234,5'", "thousands"]),
    ("a;b\n1,5;1.5\n2,5;3\n", ["'a'", "'1,5'", "thousands"]),
    ("a;b\n1,234;1\n5,678;2\n", ["'a'", "'1,234'", "thousands"]),
    ("a;b\n1 234;1\n5 678;2\n", ["'a'", "'1 234'", "thousands"]),
    ('a,b\n1,"1,5"\n', ["'b'", "'1,5'"]),
    ("a,b\n1,$5\n", ["'b'", "'$5'"]),
    ("a,b\n1,5%\n", ["'b'", "'5%'"]),
    (b"PK\x03\x04" + bytes(40), ["spreadsheet", "saving the sheet as CSV"]),
    (b"\x1f\x8b\x08" + bytes(40), ["gzip"]),
    (b"a,b\n1,\x002\n", ["binary"]),
    ("Größe,b\n1,2\n".encode("cp1252"), ["position 2", "UTF-8"]),
    (b"\xff\xfea", ["UTF-16"]),
    (b"PAR1 and then nothing of use", ["parquet", "damaged"]),
    ('a,b\n1,"' + "x" * 200_000, ["never ends"]),
]


@pytest.mark.parametrize(("content", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused(tmp_path: Path, content: str | bytes, words: list[str]) -> None:
    with refused(DataError, *words):
        load(tmp_path, content)


def test_refused_paths(tmp_path: Path) -> None:
    with refused(DataError, "no such file", "nowhere.csv"):
        Table(str(tmp_path / "nowhere.csv")).load()
    with refused(DataError, "folder"):
        Table(str(tmp_path)).load()
    with refused(DataError, "name too long"):
        Table("x" * 5000).load()
    with refused(DataError, "null"):
        Table("a\0b").load()
    for path in ("", "  ", None, 3):
        with refused(ConfigError, "path"):
            Table(path)  # type: ignore[arg-type]
    with refused(ConfigError, "truth"):
        Table("a.csv", truth="")


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "a,b\n1,2\n")
    assert Table("~/data.csv").load().frame.shape == (1, 2)


class TestParquet:
    def saved(self, folder: Path, frame: pd.DataFrame, name: str = "data.parquet") -> str:
        frame.to_parquet(folder / name)
        return str(folder / name)

    @pytest.mark.parametrize("name", ["data.parquet", "data.pq", "data.csv"])
    def test_comes_back(self, tmp_path: Path, name: str) -> None:
        frame = pd.DataFrame(VALUES, columns=["a", "b", "c"])
        pd.testing.assert_frame_equal(Table(self.saved(tmp_path, frame, name)).load().frame, frame)

    @pytest.mark.parametrize(
        "change",
        [
            lambda frame, when: frame.set_index(pd.DatetimeIndex(when)),
            lambda frame, when: frame.assign(when=when),
            lambda frame, when: frame.assign(when=when.strftime("%Y-%m-%d")),
            lambda frame, when: frame.assign(when=when.date),
        ],
    )
    def test_times(self, tmp_path: Path, change: Callable[..., pd.DataFrame]) -> None:
        when = pd.date_range("2020-01-01", periods=3)
        frame = Table(self.saved(tmp_path, change(pd.DataFrame(VALUES, columns=["a", "b", "c"]), when))).load().frame
        assert list(frame.columns) == ["a", "b", "c"]
        assert frame.index.tolist() == when.tolist()

    def test_missing_and_whole_numbers(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [True, False, True]})
        found = Table(self.saved(tmp_path, frame)).load().frame
        np.testing.assert_array_equal(found.to_numpy(), [[1, 1], [np.nan, 0], [3, 1]])

    def test_refused(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["1", "x"], "c": [1.0, 2.0]})
        with refused(DataError, "'b'", "not numeric", "'x'"):
            Table(self.saved(tmp_path, frame)).load()
        with refused(DataError, "'c'"):
            Table(self.saved(tmp_path, frame.assign(b=1.0, c=[b"x", b"y"]))).load()
        with refused(DataError, "not parquet"):
            load(tmp_path, "a,b\n1,2\n", "data.parquet")

    def test_duplicate_names(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table([[1.0], [2.0]], names=["a", "a"]), tmp_path / "data.parquet")
        with refused(DataError, "'a'", "more than one"):
            Table(str(tmp_path / "data.parquet")).load()

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = self.saved(tmp_path, pd.DataFrame(VALUES, columns=["a", "b", "c"]))
        for module in ("pyarrow", "pyarrow.parquet"):
            monkeypatch.setitem(sys.modules, module, None)
        with refused(DataError, "pyarrow", "sostruct[parquet]"):
            Table(path).load()


class TestTruth:
    def test_comes_with_the_series(self, tmp_path: Path) -> None:
        truth = written(tmp_path, "cause,effect,lag\na,b,1\n", "truth.csv")
        task = Table(written(tmp_path, "a,b\n1,2\n3,4\n5,7\n"), truth=truth).load()
        assert task.name == "data"
        assert task.truth is not None
        assert list(task.truth.edges(data="lag")) == [("a", "b", 1)]
        assert task.truth_lags
        assert "truth.csv" in task.provenance

    def test_none(self, tmp_path: Path) -> None:
        task = Table(written(tmp_path, "a,b\n1,2\n3,4\n", "my.series.csv")).load(5)
        assert task.truth is None
        assert task.name == "my"

    def test_refused(self, tmp_path: Path) -> None:
        data = written(tmp_path, "a,b\n1,2\n3,4\n5,7\n")
        with refused(DataError, "'c'", "line 2"):
            Table(data, truth=written(tmp_path, "cause,effect\na,c\n", "truth.csv")).load()
        with refused(DataError, "a -> b", "lag 3"):
            Table(data, truth=written(tmp_path, "cause,effect,lag\na,b,3\n", "truth.csv")).load()
