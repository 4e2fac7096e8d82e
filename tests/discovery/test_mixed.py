"""The best graph within a step, against the best of all graphs written out."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from sostruct.discovery.mixed import BACKWARD, FORWARD, HIDDEN, NONE, Cases, best_graph
from sostruct.discovery.shapes import dependence, negentropy

ODDS, RIDGE, ROWS = -1.5, 1.0, 300


def cases(generator, size, *, shaped=True):
    """Cases of series that need no lagged parents: regressions on each other, with evidence in closed form."""
    draws = generator.laplace(size=(ROWS, size)) if shaped else generator.normal(size=(ROWS, size))
    mixing = np.eye(size) + np.tril(generator.uniform(-0.8, 0.8, (size, size)), -1) * (
        generator.random((size, size)) < 0.6
    )
    series = draws @ mixing.T
    series = (series - series.mean(axis=0)) / series.std(axis=0)
    rows, nats, residuals = {}, [], []
    for target in range(size):
        others = [other for other in range(size) if other != target]
        for count in range(len(others) + 1):
            for causes in itertools.combinations(others, count):
                design, own = series[:, causes], series[:, target]
                precision = design.T @ design + RIDGE * np.eye(count)
                weight = np.linalg.solve(precision, design.T @ own)
                rss = own @ own - weight @ design.T @ own
                price = -ROWS / 2 * math.log(rss / ROWS) - np.linalg.slogdet(precision)[1] / 2 + count * ODDS
                left = own - design @ weight
                rows[target, frozenset(causes)] = len(nats)
                nats.append(price + generator.normal())  # what lagged parents would add
                residuals.append((left - left.mean()) / left.std())
    return Cases(rows, np.array(nats), np.array(residuals).T, ODDS, RIDGE)


def left_of(own, others):
    design = np.stack(others, axis=1)
    found = own - design @ np.linalg.solve(design.T @ design, design.T @ own)
    return found / found.std()


def shape(column):
    return ROWS * negentropy(column[:, None])[0]


def worth(known, size, states):
    """What a graph is worth, from the formulas of the module; -inf with a cycle."""
    graph, hidden = nx.DiGraph(), nx.Graph()
    graph.add_nodes_from(range(size))
    for (one, other), state in states.items():
        graph.add_edges_from([(one, other)] if state == FORWARD else [(other, one)] if state == BACKWARD else [])
        hidden.add_edges_from([(one, other)] if state == HIDDEN else [])
    if not nx.is_directed_acyclic_graph(graph):
        return -math.inf
    case = [known.rows[target, frozenset(graph.predecessors(target))] for target in range(size)]
    total = sum(known.nats[number] + shape(known.residuals[:, number]) for number in case)
    for members in map(sorted, nx.connected_components(hidden)):
        own = {member: known.residuals[:, case[member]] for member in members}
        correlation = np.corrcoef(np.stack(list(own.values())))
        links = [(a, b) for a, b in hidden.edges if a in members]
        kept = np.eye(len(members))
        for a, b in links:
            i, j = members.index(a), members.index(b)
            kept[i, j] = kept[j, i] = correlation[i, j]
        if np.linalg.eigvalsh(kept)[0] <= 1e-6:
            return -math.inf
        fit = np.linalg.slogdet(kept)[1] + np.trace(np.linalg.inv(kept) @ correlation) - len(members)
        total -= ROWS / 2 * fit + len(links) * (math.log((ROWS + RIDGE) / RIDGE) / 2 - ODDS)
        freed = []
        for order in itertools.permutations(members):
            parts = [own[order[0]]]
            parts += [left_of(own[order[k]], [own[m] for m in order[:k]]) for k in range(1, len(order))]
            freed.append(sum(map(shape, parts)))
        total += max(freed) - sum(map(shape, own.values()))
        for a, b in links:
            forward, backward = left_of(own[b], [own[a]]), left_of(own[a], [own[b]])
            shown = min(shape(own[a]) + shape(forward), shape(own[b]) + shape(backward)) - 2
            dependent = min(dependence(own[a], forward), dependence(own[b], backward))
            total += max(dependent - math.log(ROWS), -max(shown, 0.0))
    return total


@pytest.mark.parametrize(("seed", "shaped"), [(0, True), (1, True), (2, False), (3, False)])
def test_it_is_the_best_of_all_graphs(seed, shaped):
    size = 3
    known = cases(np.random.default_rng(seed), size, shaped=shaped)
    pairs = list(itertools.combinations(range(size), 2))
    options = dict.fromkeys(pairs, (NONE, FORWARD, BACKWARD, HIDDEN))
    every = {
        states: worth(known, size, dict(zip(pairs, states, strict=True)))
        for states in itertools.product(range(4), repeat=len(pairs))
    }
    found = best_graph(known, options)
    best = max(every, key=every.__getitem__)
    assert tuple(found.states[pair] for pair in pairs) == best
    for place, pair in enumerate(pairs):
        if found.states[pair] == NONE:
            assert found.nats[pair] == (-math.inf,) * 4
            continue
        for state in (FORWARD, BACKWARD, HIDDEN):
            other = max(value for states, value in every.items() if states[place] == state)
            assert found.nats[pair][state] == pytest.approx(other - every[best], abs=1e-6)


def test_forbidden_states_are_not_taken():
    known = cases(np.random.default_rng(4), 3)
    free = best_graph(known, dict.fromkeys(itertools.combinations(range(3), 2), (NONE, FORWARD, BACKWARD, HIDDEN)))
    pair = next(pair for pair, state in free.states.items() if state in (FORWARD, BACKWARD))
    options = dict.fromkeys(free.states, (NONE, FORWARD, BACKWARD, HIDDEN))
    options[pair] = tuple(state for state in range(4) if state != free.states[pair])
    held = best_graph(known, options)
    assert held.states[pair] != free.states[pair]
    assert held.nats[pair][free.states[pair]] == -math.inf


def test_sets_that_were_not_considered_are_not_taken():
    known = cases(np.random.default_rng(5), 3)
    rows = {key: case for key, case in known.rows.items() if key[0] != 2 or not key[1]}
    few = Cases(rows, known.nats, known.residuals, ODDS, RIDGE)
    found = best_graph(few, dict.fromkeys(itertools.combinations(range(3), 2), (NONE, FORWARD, BACKWARD, HIDDEN)))
    assert found.nats[0, 2][FORWARD] == found.nats[1, 2][FORWARD] == -math.inf
