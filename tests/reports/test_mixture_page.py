"""What the page of a mixture shows of its components."""

import re

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from sostruct.reports.canvas import settings, svg
from sostruct.reports.markup import Html
from sostruct.reports.mixture_sections import MOST_INPUTS, components_section, points_section
from sostruct.reports.points_figure import MOST, draw_points


def table(components: int, inputs: int) -> pd.DataFrame:
    rows = [
        {"component": f"c{one}", "weight": 10.0 * one}
        | {f"x{dim} {what}": one + dim / 10 for dim in range(inputs) for what in ("mean", "sd")}
        for one in range(1, components + 1)
    ]
    return pd.DataFrame(rows)


def test_the_heaviest_component_comes_first() -> None:
    page = str(components_section(table(3, 2), Html("<svg></svg>")))
    places = [page.index(f"c{one}") for one in (3, 2, 1)]
    assert places == sorted(places)
    assert "30.0" in page
    assert "x1, mean" in page
    assert "<svg></svg>" in page


def test_of_many_inputs_the_first_are_shown() -> None:
    page = str(components_section(table(1, MOST_INPUTS + 2), Html("")))
    assert f"x{MOST_INPUTS - 1}, mean" in page
    assert f"x{MOST_INPUTS}, mean" not in page
    assert "2 more inputs in components.csv" in page


def test_a_mixture_of_nothing_has_an_empty_table() -> None:
    empty = pd.DataFrame(columns=["component", "weight", "x0 mean", "x0 sd"])
    assert "The components" in str(components_section(empty, Html("")))


def rows(count: int, inputs: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    owner = np.array(["c1", "new", "", "c2"])[np.arange(count) % 4]
    values = {f"x{dim} value": rng.normal(size=count) for dim in range(inputs)}
    return pd.DataFrame({"component": owner, **values})


def tips(figure: Figure) -> list[str]:
    return re.findall(r"<title>([^<]*)</title>", svg(figure))


def test_points_are_drawn_by_component_and_along_the_rows() -> None:
    with settings():
        figure = draw_points(rows(200, 2), table(2, 2))
    along, across = figure.axes
    assert (along.get_xlabel(), along.get_ylabel()) == ("row", "x0")
    assert (across.get_xlabel(), across.get_ylabel()) == ("x0", "x1")
    drawn = {str(dots.get_label()): len(dots.get_offsets()) for dots in across.collections}
    assert drawn == {"c1": 50, "new": 50, "nothing observed": 50, "c2": 50}
    assert sorted(tips(figure)) == ["c1", "c2"]
    ring = next(one for one in across.patches if one.get_gid() == "tip: c2")
    assert isinstance(ring, Ellipse)
    assert ring.center == (2.0, 2.1), "the mean in the first two inputs"
    assert (ring.width, ring.height) == (8.0, 8.4), "two standard deviations to each side"


def test_one_input_is_drawn_along_the_rows_alone_and_many_rows_are_thinned() -> None:
    with settings():
        (ax,) = draw_points(rows(MOST * 2 + 1, 1), table(2, 1)).axes
    assert sum(len(dots.get_offsets()) for dots in ax.collections) <= MOST
    page = str(points_section(rows(MOST * 2 + 1, 1), Html("<svg></svg>")))
    assert f"of {MOST * 2 + 1} rows, evenly chosen" in page
    assert "Ellipses" not in page


def test_of_more_inputs_the_first_two_are_drawn_and_said_to_be() -> None:
    assert "The first two of 3 inputs" in str(points_section(rows(8, 3), Html("")))


def test_a_mixture_of_nothing_is_drawn() -> None:
    empty = pd.DataFrame(columns=["component", "weight", "x0 mean", "x0 sd", "x1 mean", "x1 sd"])
    with settings():
        figure = draw_points(rows(4, 2).assign(component="new"), empty)
    assert tips(figure) == []
