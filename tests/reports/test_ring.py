from itertools import combinations

import numpy as np
import pytest

from sostruct.reports.ring import along, curve, cut, label_places, ring_order, ring_places


def crossings(order: tuple[str, ...], pairs: list[tuple[str, str]]) -> int:
    """Counted the slow way: two chords cross if exactly one end of one lies between the ends of the other."""
    place = {name: position for position, name in enumerate(order)}
    chords = {tuple(sorted((place[a], place[b]))) for a, b in pairs if a != b}
    return sum(a < c < b < d or c < a < d < b for (a, b), (c, d) in combinations(chords, 2))


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_a_permutation_with_fewer_crossings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(f"x{place}" for place in range(14))
    pairs = [(names[a], names[b]) for a, b in rng.integers(14, size=(24, 2))]
    order = ring_order(names, pairs)
    assert sorted(order) == sorted(names)
    assert order[0] == "x0"
    assert crossings(order, pairs) < crossings(names, pairs)
    assert order == ring_order(names, pairs)


def test_a_scrambled_cycle_is_untangled() -> None:
    names = tuple("abcdefgh")
    cycle = "aebgdhcf"
    pairs = list(zip(cycle, cycle[1:] + cycle[0], strict=True))
    assert crossings(names, pairs) > 0
    assert crossings(ring_order(names, pairs), pairs) == 0


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("a", "b", "c")])
def test_small_rings_keep_their_order(names: tuple[str, ...]) -> None:
    pairs = list(combinations(names, 2))
    assert ring_order(names, pairs) == names
    assert all(np.hypot(*place) == pytest.approx(1) for place in ring_places(names).values())


def test_the_first_place_is_on_top_and_the_next_to_its_right() -> None:
    places = ring_places("abcd")
    np.testing.assert_allclose(places["a"], [0, 1], atol=1e-12)
    np.testing.assert_allclose(places["b"], [1, 0], atol=1e-12)


@pytest.mark.parametrize("two_way", [False, True])
def test_a_curve_ends_where_the_gap_begins(two_way: bool) -> None:
    start, stop = ring_places("abcdef")["a"], ring_places("abcdef")["c"]
    control = curve(start, stop, gap=0.2, two_way=two_way)
    assert np.hypot(*(control[0] - start)) == pytest.approx(0.2, abs=0.01)
    assert np.hypot(*(control[2] - stop)) == pytest.approx(0.2, abs=0.01)


def test_opposite_curves_do_not_lie_on_each_other() -> None:
    places = ring_places("abcdef")
    there = curve(places["a"], places["d"], gap=0.1, two_way=True)
    back = curve(places["d"], places["a"], gap=0.1, two_way=True)
    middle = np.array([0.5])
    assert np.hypot(*(along(there, middle) - along(back, middle))[0]) > 0.1


def test_a_gap_wider_than_the_chord_still_gives_a_curve() -> None:
    places = ring_places([str(place) for place in range(60)])
    assert np.isfinite(curve(places["0"], places["1"], gap=0.5, two_way=False)).all()


def test_a_cut_curve_is_part_of_the_whole() -> None:
    whole = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]])
    t = np.linspace(0, 1, 7)
    np.testing.assert_allclose(along(cut(whole, 0.2, 0.7), t), along(whole, 0.2 + 0.5 * t))


def test_labels_lie_on_their_curves_and_apart() -> None:
    places = ring_places("abcdefgh")
    pairs = [("a", "e"), ("b", "f"), ("c", "g"), ("d", "h")]
    curves = {(a, b): curve(places[a], places[b], gap=0.1, two_way=False) for a, b in pairs}
    placed = label_places(curves)
    for pair, place in placed.items():
        line = along(curves[pair], np.linspace(0, 1, 400))
        assert np.hypot(*(line - place).T).min() < 0.01
    assert min(np.hypot(*(placed[p] - placed[q])) for p, q in combinations(pairs, 2)) > 0.15
