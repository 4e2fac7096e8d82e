"""What the page of a mixture shows of its components."""

import pandas as pd

from sostruct.reports.markup import Html
from sostruct.reports.mixture_sections import MOST_INPUTS, components_section


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
