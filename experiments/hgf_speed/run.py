"""What belief networks cost, beside pyhgf in the same run: calls, compilations, parameter sets, gradients, edits.

    bash experiments/peers/install_pyhgf.sh
    .venv/bin/python experiments/hgf_speed/run.py                      # all of it, into results/reference/
    .venv/bin/python -m experiments.hgf_speed.run --section a d        # some sections, shown and not written
    .venv/bin/python -m experiments.hgf_speed.run --section b --quick  # small and short, to see that it works

Every measurement is a fresh process that is told one job (`worker.py`, `peers/pyhgf_filter.py`), runs it alone, and
answers with wall seconds; JAX's compilation cache on disk is off. Every compiled path of ours runs twice, with and
without the loop flag (`ss.native_loops()`); pyhgf chooses its own XLA runtime when it is imported, and keeps it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import REFERENCE, markdown_table, versions, versions_line, write_csv, write_markdown
from experiments.hgf_speed.laboratory import (
    PEER_PYTHON,
    QUICK,
    Answer,
    Laboratory,
    Row,
    Section,
    Size,
    at,
    calls,
    farthest,
    long_table,
    median,
    ratio,
    scaled,
    shown,
    typical,
)
from experiments.hgf_speed.systems import (
    SIX,
    SIX_VALUES,
    exchange_rate,
    leaves,
    parameter_sets,
    smooth,
    three_level,
    tree,
)

FLAGS = (True, False)
LITERATURE = {"carry": "literature", "assimilate": "separate"}


def label(flag: bool) -> str:
    """The configuration in words."""
    return "loop flag" if flag else "no flag"


# --- the jobs of ours that several sections look at ------------------------------------------------------------------


def filter_three(lab: Laboratory, flag: bool, schedule: str) -> Answer:
    """The three-level filter, then three others of its shape: other parameters, other data, other names."""
    renamed = json.loads(re.sub(r'"n(\d)"', r'"node\1"', json.dumps(three_level())))
    others = [
        {"graph": three_level(parameter_sets(2)[1].tolist()), "data": _rate(lab, 0)},
        {"graph": three_level(), "data": _rate(lab, 1)},
        {"graph": renamed, "data": _rate(lab, 2)},
    ]
    return lab.ours(
        "filter",
        flag,
        graph=three_level(),
        data=_rate(lab, 0),
        options={"schedule": schedule},
        others=others,
        trajectories=lab.trajectories(f"three_{schedule}"),
    )


def _rate(lab: Laboratory, seed: int) -> str:
    steps = lab.size.steps
    return lab.data(f"rate_{seed}", inputs=exchange_rate(steps, seed), parameters=np.array([SIX_VALUES]))


def _sets(lab: Laboratory) -> str:
    return lab.data("sets", inputs=exchange_rate(lab.size.set_steps), parameters=parameter_sets(lab.size.sets))


def _forest(lab: Laboratory, nodes: int, seed: int = 0) -> tuple[Any, str]:
    graph = tree(nodes, seed)
    series = smooth(lab.size.tree_steps, len(leaves(graph)), seed)
    return graph, lab.data(f"tree_{nodes}_{seed}", inputs=series)


def filter_tree(lab: Laboratory, flag: bool, nodes: int) -> Answer:
    """A random tree, packed, then two others of its size."""
    graph, data = _forest(lab, nodes)
    others = [dict(zip(("graph", "data"), _forest(lab, nodes, seed), strict=True)) for seed in (1, 2)]
    return lab.ours("filter", flag, graph=graph, data=data, options={"schedule": "packed"}, others=others)


def peer_tree(lab: Laboratory, task: str, nodes: int) -> Answer:
    """pyhgf on the same tree, on its JAX (`filter`) or its Rust backend (`rust`)."""
    graph, data = _forest(lab, nodes)
    kept = lab.trajectories(f"tree_{nodes}_{task}")
    return lab.peer(task, graph=graph, inputs=leaves(graph), data=data, trajectories=kept)


def hand_three(lab: Laboratory, flag: bool) -> Answer:
    """The hand-written filter and what is derived from it."""
    return lab.ours("hand", flag, data=_rate(lab, 0), x64=True, sets=lab.size.sets, set_steps=lab.size.set_steps)


def vmap_three(lab: Laboratory, flag: bool) -> Answer:
    """Many parameter sets at once."""
    return lab.ours("vmap", flag, graph=three_level(), data=_sets(lab), x64=True)


def gradient_three(lab: Laboratory, flag: bool) -> Answer:
    """The gradient with respect to six parameters."""
    return lab.ours("gradient", flag, graph=three_level(), data=_rate(lab, 0), x64=True)


def edit_tree(lab: Laboratory, flag: bool, nodes: int) -> Answer:
    """Edits, each with the next filtered step."""
    graph, data = _forest(lab, nodes)
    job = {"edit": {"name": "t", "children": _editable(graph)}, "options": {"schedule": "packed"}}
    return lab.ours("edit", flag, graph=graph, data=data, **job | {"repeats": 10})


def _editable(graph: Any) -> list[str]:
    """States right above inputs: a parent more leaves the number of levels as it is."""
    inputs = set(leaves(graph))
    return sorted({edge["source"] for edge in graph["edges"] if edge["target"] in inputs})


def population_of(lab: Laboratory, flag: bool) -> Answer:
    """Different graphs in one call."""
    graph, data = _forest(lab, 20)
    options = {"schedule": "packed"}
    return lab.ours("population", flag, graph=graph, data=data, count=lab.size.population, options=options)


# --- the sections ----------------------------------------------------------------------------------------------------


def section_a(lab: Laboratory) -> Section:
    """Three levels through the public interfaces, and by hand."""
    found = Section(
        f"a. Three-level eHGF, {lab.size.steps:,} steps",
        "`first_s` builds the network and calls it once in a fresh process, compilation included, imports not. "
        "`median_ms`, `fastest_ms`: all later calls. Ours ends with numpy tables [time, node]; pyhgf with JAX arrays. "
        "`by hand` is `hand.py`: scalar carries in one jitted scan; `as delivered` stacks the same tables as ours.",
    )
    rows, others = [], []
    for schedule in ("unrolled", "packed"):
        for flag in FLAGS:
            answer = filter_three(lab, flag, schedule)
            name = f"sostruct, {schedule}, {label(flag)}"
            rows.append(calls(name, answer))
            for what, other in zip(("parameters", "data", "names"), answer.get("others", ()), strict=False):
                row: Row = {"method": name, "the second network has": f"other {what}", "call_s": other["seconds"]}
                others.append(row | {"compilations": other["compilations"], "traces": other["traces"]})
    for flag in FLAGS:
        for program, what in (("beliefs", "states and surprise"), ("delivered", "as delivered")):
            rows.append(calls(f"by hand, {what}, {label(flag)}", hand_three(lab, flag), program))
    peers = {}
    for x64 in (True, False):
        kept = {"trajectories": lab.trajectories("three_pyhgf")} if x64 else {}
        job = {"graph": three_level(), "inputs": ["n0"], "data": _rate(lab, 0), "x64": x64}
        peers[x64] = lab.peer("filter", **job, **kept)
        name = f"pyhgf input_data, {'float64' if x64 else 'float32'}"
        rows.append(calls(name, peers[x64]))
        if "another" in peers[x64]:
            row = {"method": name, "the second network has": "nothing else", "call_s": peers[x64]["another"]}
            others.append(row | {"compilations": peers[x64]["another_compilations"], "traces": None})
        scan = lab.peer("scan", **job)
        rows.append(calls(f"own scan over pyhgf's scan_fn, {'float64' if x64 else 'float32'}", scan, prefix="lean_"))
    found.tables = [
        ("Calls.", rows),
        ("A second network of the same shape, built and called in the same process.", others),
    ]
    difference = farthest(lab.trajectories("three_unrolled"), lab.trajectories("three_pyhgf"))
    found.tables.append(
        ("Agreement.", [{"compared": "all beliefs of ours (unrolled) and pyhgf", "largest difference": difference}])
    )

    rounds: list[dict[str, Answer]] = []
    for number in range(lab.size.rounds):
        job = {"graph": three_level(), "inputs": ["n0"], "data": _rate(lab, 0), "round": number}
        own = {"graph": three_level(), "data": _rate(lab, 0), "options": {"schedule": "unrolled"}, "round": number}
        rounds.append({"ours": lab.ours("filter", True, **own), "double": lab.peer("filter", x64=True, **job)})
        rounds[-1] |= {"hand": lab.ours("hand", True, data=_rate(lab, 0), x64=True, sets=2, round=number)}
        rounds[-1] |= {"single": lab.peer("filter", x64=False, **job)}
    table = [
        calls(name, one[key], *path) | {"round": number}
        for number, one in enumerate(rounds)
        for key, name, path in (
            ("ours", "sostruct, unrolled, loop flag", ()),
            ("hand", "by hand, as delivered, loop flag", ("delivered",)),
            ("double", "pyhgf input_data, float64", ()),
            ("single", "pyhgf input_data, float32", ()),
        )
    ]
    found.tables.append(("Rounds: these four after each other, every one in a fresh process.", table))

    def compared(key: str, measure: Callable[[Answer], float | None]) -> float | None:
        return typical([(measure(one[key]), measure(one["ours"])) for one in rounds])

    for key, what in (("double", "float64"), ("single", "float32")):
        for measured, name in (("first", "first"), ("second", "second")):
            goal = 2 if measured == "first" else 5
            reached = compared(key, lambda answer, measured=measured: at(answer, measured))
            found.goal(f"{name} call: pyhgf in {what} / ours", f">= {goal}", reached, lambda x, goal=goal: x >= goal)
        found.goal(f"later calls: pyhgf in {what} / ours", "-", compared(key, median))
    for program, what in (("delivered", "as delivered"), ("beliefs", "states and surprise")):
        reached = typical([(median(one["ours"]), median(one["hand"], program)) for one in rounds])
        found.goal(f"later calls: ours / by hand, {what}", "<= 1.5", reached, lambda x: x <= 1.5)
    ours, packed = filter_three(lab, True, "unrolled"), filter_three(lab, True, "packed")
    for answer, name in ((ours, "unrolled"), (packed, "packed")):
        count = [other["compilations"] for other in answer.get("others", ())]
        total = float(sum(count)) if count else None
        found.goal(f"compilations of three more networks of the shape, {name}", "0", total, lambda x: x == 0)
    return found


def section_b(lab: Laboratory) -> Section:
    """Random trees beside the Rust backend."""
    steps = lab.size.tree_steps
    found = Section(
        f"b. Random trees, packed, {steps:,} steps",
        "Trees of `systems.py` (autoconnection .8), three per size in one process; `compile_s` is the slowest first "
        "call of a tree less a later call, `compilations` what the two later trees compiled. The Rust backend does not "
        "compile: `trajectories` ends with numpy arrays as ours does; `final state` records nothing. pyhgf's backends "
        "differ from each other below volatility parents whose autoconnection is not 1.",
    )
    rows: list[Row] = []
    compile_seconds: list[float] = []
    for nodes in lab.size.trees:
        for flag in FLAGS:
            answer = filter_tree(lab, flag, nodes)
            later, row = median(answer), calls(f"sostruct, {label(flag)}", answer)
            firsts = [answer["first"], *(other["seconds"] for other in answer["others"])] if later else []
            slowest = max(firsts) - later if later and firsts else None
            if flag and slowest is not None:
                compile_seconds.append(slowest)
            more = sum(other["compilations"] for other in answer["others"]) if later else None
            rows.append(_tree_row(nodes, row, later, steps) | {"compile_s": slowest, "compilations": more})
        rust = peer_tree(lab, "rust", nodes)
        for prefix, what in (("", "trajectories"), ("final_", "final state")):
            row = calls(f"pyhgf Rust, {what}", rust, prefix=prefix)
            rows.append(_tree_row(nodes, row, median(rust, prefix=prefix), steps))
        if nodes in lab.size.peer_trees:
            answer = peer_tree(lab, "filter", nodes)
            later = median(answer)
            slowest = answer["first"] - later if later else None
            row = _tree_row(nodes, calls("pyhgf JAX", answer), later, steps) | {"compile_s": slowest}
            rows.append(row | {"compilations": at(answer, "another_compilations")})
    found.tables = [("Calls.", rows), ('Agreement, carry="literature".', _agreement(lab))]

    slowest = max(compile_seconds) if len(compile_seconds) == len(lab.size.trees) else None
    found.goal("slowest compilation of any tree", "< 4 s", slowest, lambda x: x < 4, " s")
    if 200 in lab.size.trees:
        ours, rust = median(filter_tree(lab, True, 200)), peer_tree(lab, "rust", 200)
        found.goal("200 nodes: pyhgf Rust, trajectories / ours", ">= 20", ratio(median(rust), ours), lambda x: x >= 20)
        final = ratio(median(rust, prefix="final_"), ours)
        found.goal("200 nodes: pyhgf Rust, its final state alone / ours", "-", final)
    return found


def _tree_row(nodes: int, row: Row, later: float | None, steps: int) -> Row:
    columns = {"method": row["method"], "nodes": nodes, "first_s": row["first_s"], "compile_s": None}
    columns |= {"compilations": None, "median_ms": row["median_ms"], "fastest_ms": row["fastest_ms"]}
    return columns | {"us_per_step": scaled(later, 1e6 / steps), "note": row["note"]}


def _agreement(lab: Laboratory) -> list[Row]:
    """Beliefs of ours, of pyhgf's JAX backend and of its Rust backend on the same trees."""
    rows: list[Row] = []
    for nodes in lab.size.peer_trees:
        graph, data = _forest(lab, nodes)
        files = {"ours": lab.trajectories(f"tree_{nodes}_ours")}
        files |= {who: lab.trajectories(f"tree_{nodes}_{task}") for who, task in (("jax", "filter"), ("rust", "rust"))}
        options = {"schedule": "packed", **LITERATURE}
        lab.ours("filter", True, graph=graph, data=data, options=options, repeats=1, trajectories=files["ours"])
        for one, other in (("ours", "jax"), ("ours", "rust"), ("jax", "rust")):
            difference = farthest(files[one], files[other])
            rows.append({"nodes": nodes, "compared": f"{one}, {other}", "largest difference": difference})
    return rows


def section_c(lab: Laboratory) -> Section:
    """Many parameter sets."""
    found = Section(
        f"c. {lab.size.sets:,} parameter sets by vmap, three levels, {lab.size.set_steps:,} steps",
        "The log evidence of every set. pyhgf by two routes: `api`, `input_data(...).surprise(...)` inside the vmapped "
        "function, and `scan`, an own scan over its `scan_fn` that computes the same surprise in the loop. float64.",
    )
    rows = [calls(f"sostruct, {label(flag)}", vmap_three(lab, flag)) for flag in FLAGS]
    rows += [calls(f"by hand, {label(flag)}", hand_three(lab, flag), "vmap") for flag in FLAGS]
    job = {"graph": three_level(), "inputs": ["n0"], "data": _sets(lab), "parameters": [list(name) for name in SIX]}
    peer = lab.peer("vmap", **job)
    rows += [calls(f"pyhgf, {route}", peer, route) for route in ("api", "scan")]
    found.tables = [("Calls.", rows)]
    rounds = [
        (
            lab.ours("vmap", True, graph=three_level(), data=_sets(lab), x64=True, round=number),
            lab.peer("vmap", **job, round=number),
        )
        for number in range(lab.size.rounds)
    ]
    table = []
    for number, (ours, peer) in enumerate(rounds):
        table.append(calls("sostruct, loop flag", ours) | {"round": number})
        table += [calls(f"pyhgf, {route}", peer, route) | {"round": number} for route in ("api", "scan")]
    found.tables.append(("Rounds: these after each other, ours and pyhgf in fresh processes.", table))
    for route in ("api", "scan"):
        times = typical([(median(peer, route), median(ours)) for ours, peer in rounds])
        found.goal(f"parameter sets: pyhgf ({route}) / ours", ">= 1", times, lambda x: x >= 1)
    return found


def section_d(lab: Laboratory) -> Section:
    """Gradients."""
    found = Section(
        f"d. Gradient with respect to six parameters, three levels, {lab.size.steps:,} steps",
        "Value and gradient of the log evidence (pyhgf: of its surprise). `times_forward`: a later call in multiples "
        "of the jitted forward pass of the same program. `compile_s`: first call less a later one. float64.",
    )
    job = {"graph": three_level(), "inputs": ["n0"], "data": _rate(lab, 0), "parameters": [list(name) for name in SIX]}
    peer = lab.peer("gradient", **job)
    entries = [(f"sostruct, {label(flag)}", gradient_three(lab, flag), "", "forward") for flag in FLAGS]
    entries += [(f"by hand, {label(flag)}", hand_three(lab, flag), "", "log_evidence") for flag in FLAGS]
    entries += [(f"pyhgf, {route}", peer, f"{route}_", "forward") for route in ("api", "scan")]
    rows: list[Row] = []
    for name, answer, prefix, forward in entries:
        base = median(answer, f"{prefix}{forward}")
        for mode in (forward, "reverse_mode", "forward_mode"):
            if at(answer, f"{prefix}{mode}") is None and "failed" not in answer:
                continue
            row = calls(name, answer, f"{prefix}{mode}")
            later = median(answer, f"{prefix}{mode}")
            compile_s = at(answer, f"{prefix}{mode}", "first") - later if later else None
            columns = {"method": name, "what": "value" if mode == forward else mode.replace("_", " ")}
            columns |= {"first_s": row["first_s"], "compile_s": compile_s, "median_ms": row["median_ms"]}
            rows.append(columns | {"times_forward": ratio(later, base), "note": row["note"]})
    found.tables = [("Calls.", rows)]
    ours = gradient_three(lab, True)
    later, first = median(ours, "reverse_mode"), at(ours, "reverse_mode", "first")
    found.goal("compilation of the gradient", "< 2 s", first - later if later else None, lambda x: x < 2, " s")
    found.goal("gradient / forward pass", "< 6", ratio(later, median(ours, "forward")), lambda x: x < 6)
    for route in ("api", "scan"):
        found.goal(f"gradient: pyhgf ({route}) / ours", "-", ratio(median(peer, f"{route}_reverse_mode"), later))
    return found


def section_e(lab: Laboratory) -> Section:
    """What the loop flag is worth."""
    found = Section(
        "e. Every compiled path with and without the loop flag",
        "Milliseconds of a later call and seconds of the first, each configuration in a process of its own; `worth` is "
        "the ratio of later calls.",
    )
    size = lab.size
    paths: list[tuple[str, Callable[[bool], Answer], tuple[str, ...]]] = [
        (f"filter, three levels, {schedule}", lambda flag, s=schedule: filter_three(lab, flag, s), ())
        for schedule in ("unrolled", "packed")
    ]
    paths += [
        (f"filter, tree of {nodes}, packed", lambda flag, n=nodes: filter_tree(lab, flag, n), ())
        for nodes in size.trees
    ]
    paths += [(f"{size.sets:,} parameter sets", lambda flag: vmap_three(lab, flag), ())]
    paths += [
        (f"log evidence, {mode.replace('_', ' ')}", lambda flag: gradient_three(lab, flag), (mode,))
        for mode in ("forward", "reverse_mode", "forward_mode")
    ]
    paths += [
        (f"edit and next step, {nodes} nodes", lambda flag, n=nodes: edit_tree(lab, flag, n), ())
        for nodes in size.edits
    ]
    paths += [(f"population of {size.population} graphs", lambda flag: population_of(lab, flag), ())]
    paths += [
        (f"by hand, {name.replace('_', ' ')}", lambda flag: hand_three(lab, flag), (name,))
        for name in ("beliefs", "delivered", "log_evidence", "reverse_mode", "vmap")
    ]
    rows = []
    for name, ask, path in paths:
        on, off = ask(True), ask(False)
        row: Row = {
            "path": name,
            "flag_ms": scaled(median(on, *path), 1e3),
            "no_flag_ms": scaled(median(off, *path), 1e3),
        }
        row |= {"worth": ratio(median(off, *path), median(on, *path))}
        row |= {"flag_first_s": at(on, *path, "first"), "no_flag_first_s": at(off, *path, "first")}
        rows.append(row | {"note": on.get("failed", "") or off.get("failed", "")})
    found.tables = [("Paths.", rows)]
    return found


def section_f(lab: Laboratory) -> Section:
    """Edits."""
    found = Section(
        "f. One structural edit and the next filtered step",
        "End to end: edit, pack, one step, beliefs as numpy. Ours: a volatility parent is added, changed, moved and "
        "removed, ten rounds on a network that has run; `slowest_ms` and `compilations` are over all of them. "
        "pyhgf JAX: the network built again with the edit and the beliefs carried over, since `add_nodes` after a run "
        "is `in place`. pyhgf Rust: `add_nodes` and `set_update_sequence` in place.",
    )
    rows: list[Row] = []
    for nodes in lab.size.edits:
        for flag in FLAGS:
            answer = edit_tree(lab, flag, nodes)
            row: Row = {"method": f"sostruct, {label(flag)}", "nodes": nodes, "edit_ms": scaled(median(answer), 1e3)}
            times = at(answer, "repeated")
            row |= {"slowest_ms": None if times is None else 1e3 * max(times)}
            row |= {"step_alone_ms": scaled(at(answer, "step_alone"), 1e3), "compilations": at(answer, "compilations")}
            rows.append(row | {"traces": at(answer, "traces"), "in place": "", "note": answer.get("failed", "")})
        graph, data = _forest(lab, nodes)
        job = {"graph": graph, "inputs": leaves(graph), "data": data}
        job |= {"edit": {"name": "t", "child": _editable(graph)[0], "in_place": nodes == lab.size.edits[0]}}
        blank: Row = {"slowest_ms": None, "step_alone_ms": None, "compilations": None, "traces": None, "in place": ""}
        jax, rust = lab.peer("edit", **job), lab.peer("edit_rust", **job)
        row = {"method": "pyhgf JAX", "nodes": nodes, "edit_ms": scaled(at(jax, "rebuilt"), 1e3)} | blank
        rows.append(row | {"in place": at(jax, "in_place_outcome") or "", "note": jax.get("failed", "")})
        row = {"method": "pyhgf Rust", "nodes": nodes, "edit_ms": scaled(median(rust), 1e3)} | blank
        rows.append(row | {"in place": "taken" if "repeated" in rust else "", "note": rust.get("failed", "")})
        ours = edit_tree(lab, True, nodes)
        found.goal(f"edit and next step, {nodes} nodes", "< 10 ms", scaled(median(ours), 1e3), lambda x: x < 10, " ms")
        count = at(ours, "compilations")
        found.goal(f"compilations of 40 edits, {nodes} nodes", "0", count, lambda x: x == 0)
        found.goal(f"edit, {nodes} nodes: pyhgf JAX / ours", "-", ratio(at(jax, "rebuilt"), median(ours)))
        found.goal(f"edit, {nodes} nodes: pyhgf Rust / ours", "-", ratio(median(rust), median(ours)))
    found.tables = [("Edits.", rows)]
    return found


def section_g(lab: Laboratory) -> Section:
    """A population of graphs."""
    found = Section(
        f"g. {lab.size.population} different graphs in one call, {lab.size.tree_steps:,} steps",
        "A tree of 20 nodes and relatives that have one to four volatility parents more, over the same inputs: "
        "`ss.filter_population` beside one `filter` each. pyhgf has no counterpart.",
    )
    rows: list[Row] = []
    for flag in FLAGS:
        answer = population_of(lab, flag)
        for prefix, what in (("", "together"), ("each_", "one by one")):
            row = calls(f"sostruct, {what}, {label(flag)}", answer, prefix=prefix)
            note = row.pop("note")
            rows.append(row | {"compilations": at(answer, f"{prefix}compilations"), "note": note})
    found.tables = [("Calls.", rows)]
    ours = population_of(lab, True)
    difference = at(ours, "worst_difference")
    found.goal("largest difference between together and one by one", "< 1e-9", difference, lambda x: x < 1e-9)
    found.goal("one by one / together", "-", ratio(median(ours, prefix="each_"), median(ours)))
    return found


def section_h(lab: Laboratory) -> Section:
    """Capacities met."""
    edits = lab.size.random_edits
    found = Section(
        f"h. {edits} random edits from 20 nodes",
        "Nodes with an edge, edges, rewirings and removals, drawn at random, a filtered step after each. `capacities`: "
        "different ones met, that of the start included.",
    )
    job = {"nodes": 20, "edits": edits, "seeds": list(range(5)), "options": {"schedule": "packed"}}
    answer = lab.ours("capacities", True, **job)
    rows = [{"seed": seed, **run} for seed, run in enumerate(answer.get("runs", ()))]
    found.tables = [("Runs.", rows or [{"note": answer.get("failed", "")}])]
    most = max((row["capacities"] for row in rows), default=None)
    found.goal(f"most capacities that {edits} random edits met", "<= 6", most, lambda x: x <= 6)
    return found


SECTIONS: dict[str, Callable[[Laboratory], Section]] = {
    "a": section_a,
    "b": section_b,
    "c": section_c,
    "d": section_d,
    "f": section_f,
    "g": section_g,
    "h": section_h,
    "e": section_e,  # last: the others have measured most of it
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--section", nargs="+", choices=sorted(SECTIONS), help="only these: shown, not written")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it works; not written")
    parser.add_argument("--no-peers", action="store_true", help="ours alone; not written")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds that one measurement may take (default 300)"
    )
    arguments = parser.parse_args()
    if not arguments.no_peers and not PEER_PYTHON.exists():
        raise SystemExit(
            "Cannot run pyhgf. This is because experiments/peers/.venv_pyhgf does not exist. "
            "Try `bash experiments/peers/install_pyhgf.sh`, or --no-peers."
        )
    chosen = [name for name in SECTIONS if not arguments.section or name in arguments.section]
    with tempfile.TemporaryDirectory() as name:
        size = QUICK if arguments.quick else Size()
        lab = Laboratory(Path(name), size, arguments.limit, peers=not arguments.no_peers)
        found: dict[str, Section] = {}
        for letter in chosen:
            found[letter] = SECTIONS[letter](lab)
            print(f"## {found[letter].title}\n", flush=True)
            for caption, rows in found[letter].written():
                print(f"{caption}\n\n{shown(rows)}\n")
            if found[letter].goals:
                print(f"{markdown_table(found[letter].goals)}\n", flush=True)
    if arguments.section or arguments.quick or arguments.no_peers:
        return
    parts = ["Wall times, each measurement in a fresh process. What was hoped for, and what came out:"]
    parts.append(markdown_table([goal for letter in sorted(found) for goal in found[letter].goals]))
    lines: list[Row] = []
    for letter in sorted(found):
        section = found[letter]
        parts += [f"## {section.title}", section.notes]
        for caption, rows in section.written():
            parts += [caption, shown(rows)]
        lines += long_table(letter, section)
    ours = versions(("jax", "jaxlib", "equinox", "numpy"))
    theirs = versions_line(lab.peer_versions).removeprefix("Versions: ")
    parts.append(f"{versions_line(ours)} pyhgf's environment: {theirs}")
    write_markdown(REFERENCE / "hgf_speed.md", "Belief networks: speed", parts)
    write_csv(REFERENCE / "hgf_speed.csv", pd.DataFrame(lines))


if __name__ == "__main__":
    main()
