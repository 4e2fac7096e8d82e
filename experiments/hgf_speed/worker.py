"""One measurement of the library in a process of its own; the counterpart of peers/pyhgf_filter.py.

    .venv/bin/python experiments/hgf_speed/worker.py job.json answer.json

A job is a JSON object: `task`, a name in TASKS below; `loop_flag`, whether `ss.native_loops()` is called before JAX
starts; `x64`, JAX's own flag (the filter is in double precision without it); `repeats`; `options` for `ss.HGF`; and
what the task itself reads. The answer has wall seconds without imports, the compilations that JAX reports, and what the
task says of itself. Answers arrive as numpy arrays, so every timed call has waited for its result.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.hgf_speed.systems import SIX, SIX_VALUES, leaves, networkx_graph, parameter_sets, tree
from experiments.speed.worker import BACKEND_COMPILE, TRACE, CompileCounter, peak_mib

Job = Mapping[str, Any]
Answer = dict[str, Any]
TABLES = ("mean", "precision", "expected_mean", "expected_precision")


def seconds_of(call: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def repeatedly(call: Callable[[], Any], job: Job, counter: CompileCounter) -> Answer:
    """First call with what it compiled, second call, further calls."""
    counter.reset()
    first = seconds_of(call)
    answer = {"first": first, **compiled(counter)}
    answer["second"] = seconds_of(call)
    return answer | {"repeated": [seconds_of(call) for _ in range(job.get("repeats", 9))]}


def compiled(counter: CompileCounter, prefix: str = "") -> Answer:
    """What JAX has reported since the counter was last reset."""
    return {
        f"{prefix}compilations": counter.count.get(BACKEND_COMPILE, 0),
        f"{prefix}compile_seconds": counter.seconds.get(BACKEND_COMPILE, 0.0),
        f"{prefix}traces": counter.count.get(TRACE, 0),
    }


def built(graph: Any, job: Job) -> Any:
    """The library's network of a graph."""
    import sostruct as ss

    return ss.HGF(networkx_graph(graph), **job.get("options", {}))


def delivered(beliefs: Any) -> Any:
    """Beliefs, with everything that a user would look at in hand."""
    for name in (*TABLES, "surprise"):
        assert isinstance(getattr(beliefs, name), np.ndarray)
    return beliefs


def filtering(job: Job, counter: CompileCounter) -> Answer:
    """`ss.HGF(graph).filter(series)`: first call with the network's construction; then other networks, built and run.

    `others` are graphs of the same shape; what they compile is counted one by one.
    """
    series = np.load(job["data"])["inputs"]
    kept: list[Any] = []

    def fresh() -> None:
        kept[:] = [built(job["graph"], job)]
        delivered(kept[0].filter(series))

    counter.reset()
    first = seconds_of(fresh)
    answer: Answer = {"first": first, **compiled(counter)}
    network = kept[0]
    counter.reset()
    answer["second"] = seconds_of(lambda: delivered(network.filter(series)))
    answer |= compiled(counter, "second_")
    answer["repeated"] = [seconds_of(lambda: delivered(network.filter(series))) for _ in range(job.get("repeats", 9))]
    beliefs = network.filter(series)
    if job.get("trajectories"):
        write(beliefs, Path(job["trajectories"]))
    answer["finite"] = bool(np.isfinite(beliefs.mean).all())
    answer["others"] = []
    for other in job.get("others", ()):
        changed = np.load(other["data"])["inputs"]
        counter.reset()
        seconds = seconds_of(lambda other=other, changed=changed: delivered(built(other["graph"], job).filter(changed)))
        answer["others"].append({"seconds": seconds, **compiled(counter)})
    return answer


def write(beliefs: Any, path: Path) -> None:
    """Beliefs as the project's reference files hold them: NAME/mean and so on."""
    arrays = {
        f"{name}/{table}": getattr(beliefs, table)[:, column]
        for column, name in enumerate(beliefs.nodes)
        for table in TABLES
    }
    np.savez(path, allow_pickle=False, **arrays)


def hand(job: Job, counter: CompileCounter) -> Answer:
    """The hand-written three-level filter: states alone, tables as the library delivers them, and its log evidence."""
    import jax
    import jax.numpy as jnp

    from experiments.hgf_speed import hand

    series = np.load(job["data"])["inputs"][:, 0]
    values = np.asarray(SIX_VALUES)
    answer: Answer = {}
    for name, program in hand.PROGRAMS.items():
        answer[name] = repeatedly(lambda program=program: arrays(program(values, series)), job, counter)
    evidence: dict[str, Callable[..., Any]] = {
        "log_evidence": hand.log_evidence,
        "reverse_mode": jax.value_and_grad(hand.log_evidence),
    }
    for name, function in evidence.items():
        program = jax.jit(function)
        answer[name] = repeatedly(lambda program=program: arrays(program(values, series)), job, counter)
    sets = parameter_sets(job.get("sets", 1000))
    program = jax.jit(jax.vmap(hand.log_evidence, (0, None)))
    few = jnp.asarray(series[: job.get("set_steps", 1000)])
    answer["vmap"] = repeatedly(lambda: arrays(program(sets, few)), job, counter)
    return answer


def arrays(tree: Any) -> Any:
    """The same as numpy arrays."""
    import jax

    return jax.tree.map(np.asarray, tree)


def score(network: Any, series: np.ndarray) -> Callable[[Any], Any]:
    """The log evidence of a series as a function of the six parameters."""

    def evidence(values: Any) -> Any:
        changed: dict[Any, dict[str, Any]] = {}
        for (*where, parameter), value in zip(SIX, values, strict=True):
            changed.setdefault(where[0] if len(where) == 1 else tuple(where), {})[parameter] = value
        return network.with_parameters(changed).log_evidence(series)

    return evidence


def vmapped(job: Job, counter: CompileCounter) -> Answer:
    """The log evidence of many parameter sets in one vmapped call."""
    import jax

    stored = np.load(job["data"])
    program = jax.jit(jax.vmap(score(built(job["graph"], job), stored["inputs"])))
    answer = repeatedly(lambda: arrays(program(stored["parameters"])), job, counter)
    return answer | {"finite": bool(np.isfinite(arrays(program(stored["parameters"]))).all())}


def gradient(job: Job, counter: CompileCounter) -> Answer:
    """The log evidence, and its gradient with respect to six parameters in reverse and in forward mode."""
    import jax

    stored = np.load(job["data"])
    values = stored["parameters"][0]
    evidence = score(built(job["graph"], job), stored["inputs"])
    programs: dict[str, Callable[..., Any]] = {
        "forward": evidence,
        "reverse_mode": jax.value_and_grad(evidence),
        "forward_mode": jax.jacfwd(evidence),
    }
    answer: Answer = {}
    for name, function in programs.items():
        program = jax.jit(function)
        answer[name] = repeatedly(lambda program=program: arrays(program(values)), job, counter)
    answer["gradient"] = [float(value) for value in jax.jit(jax.grad(evidence))(values)]
    return answer


def editing(job: Job, counter: CompileCounter) -> Answer:
    """From the edit to the next step's beliefs, over and over: a volatility parent comes, changes, moves and goes.

    The network has run and has filtered a single step before; nothing else has been compiled when the first edit comes.
    Every edit finds the beliefs of the step before in place, and the step after starts from what the edit made of them.
    """
    import jax

    from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge, RemoveNode, Rewire, SetParameters

    series = np.load(job["data"])["inputs"]
    row = series[-1:]

    def standing(network: Any, beliefs: Any) -> Any:
        return network.with_state(beliefs.last)

    network = built(job["graph"], job)
    network = standing(network, network.filter(series[:-1]))
    network = standing(network, delivered(network.filter(row)))
    name, children = job["edit"]["name"], job["edit"]["children"]
    key = jax.random.PRNGKey(0)
    counter.reset()
    seconds: list[float] = []
    steps: list[float] = []
    for turn in range(job.get("repeats", 5)):
        child, other = children[turn % len(children)], children[(turn + 1) % len(children)]
        bundles = (
            [AddNode(name, "continuous"), AddEdge(Edge(name, child, coupling="volatility"))],
            [SetParameters(name, {"tonic_volatility": -5.0 - turn})],
            [Rewire(RemoveEdge(name, child, "volatility"), AddEdge(Edge(name, other, coupling="volatility")))],
            [RemoveNode(name)],
        )
        for bundle in bundles:
            start = time.perf_counter()
            network = network.edited(bundle, key=key)
            beliefs = delivered(network.filter(row))
            seconds.append(time.perf_counter() - start)
            network = standing(network, beliefs)
        start = time.perf_counter()
        delivered(network.filter(row))
        steps.append(time.perf_counter() - start)
    return {"first": seconds[0], "repeated": seconds, "step_alone": statistics.median(steps), **compiled(counter)}


def population(job: Job, counter: CompileCounter) -> Answer:
    """Different graphs over the same inputs: one compiled call for all, beside one call each."""
    import sostruct as ss

    series = np.load(job["data"])["inputs"]
    networks = relatives(built(job["graph"], job), job["count"])
    assert len({network.topology for network in networks}) == job["count"]
    answer = repeatedly(lambda: [delivered(one) for one in ss.filter_population(networks, series)], job, counter)
    each = repeatedly(lambda: [delivered(network.filter(series)) for network in networks], job, counter)
    together = ss.filter_population(networks, series)
    alone = [network.filter(series) for network in networks]
    worst = max(float(np.abs(a.mean - b.mean).max()) for a, b in zip(together, alone, strict=True))
    return answer | {f"each_{name}": value for name, value in each.items()} | {"worst_difference": worst}


def relatives(network: Any, count: int) -> list[Any]:
    """The network and others that have a few volatility parents more, at random."""
    import jax

    from sostruct.graph import AddEdge, AddNode, Edge

    found = [network]
    for index in range(1, count):
        generator = np.random.default_rng(index)
        states = [name for name in network.nodes if name not in network.inputs]
        chosen = generator.choice(states, size=1 + index % 4, replace=False)
        edits: list[Any] = []
        for number, child in enumerate(chosen.tolist()):
            edits += [AddNode(f"v{index}_{number}", "continuous", {"tonic_volatility": -6.0, "precision": 10.0})]
            edits += [AddEdge(Edge(f"v{index}_{number}", child, coupling="volatility"))]
        found.append(network.edited(edits, key=jax.random.PRNGKey(index)))
    return found


def capacities(job: Job, counter: CompileCounter) -> Answer:
    """Random edits one after another, a filtered step after each: capacities met and compilations, per seed."""
    runs: list[Answer] = []
    for seed in job["seeds"]:
        graph = tree(job["nodes"], seed)
        network = built(graph, job)
        row = np.zeros((1, len(leaves(graph))))
        network.filter(row, strict=False)
        met = [network.packed.capacity]
        counter.reset()
        generator = np.random.default_rng(seed)
        for number in range(job["edits"]):
            network = randomly_edited(network, generator, number)
            network.filter(row, strict=False)
            met.append(network.packed.capacity)
        runs.append({"capacities": len(set(met)), "nodes": len(network.nodes), **compiled(counter)})
    return {"runs": runs}


def randomly_edited(network: Any, generator: np.random.Generator, number: int) -> Any:
    """The network after one random edit: a parent or an edge is added, an edge or a node removed, an edge moved.

    Inputs stay leaves that have a parent; an edit that the graph refuses (a cycle, a duplicate) is drawn again.
    """
    import jax

    from sostruct.errors import SostructError
    from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge, RemoveNode, Rewire

    key = jax.random.PRNGKey(number)
    states = [name for name in network.nodes if name not in network.inputs]
    while True:
        sort = generator.choice(["node", "edge", "rewire", "remove edge", "remove node"], p=[0.4, 0.25, 0.15, 0.1, 0.1])
        source, target = generator.choice(states, size=2, replace=False).tolist()
        coupling = str(generator.choice(["value", "volatility"]))
        between = [edge for edge in network.topology.edges if edge.target in states]
        old = between[int(generator.integers(len(between)))]
        gone = RemoveEdge(old.source, old.target, old.coupling)
        held = {edge.source for edge in network.topology.edges if edge.target in network.inputs}
        try:
            new = AddEdge(Edge(f"r{number}" if sort == "node" else source, target, coupling=coupling))
            edits: Sequence[Any] = {
                "node": [AddNode(f"r{number}", "continuous"), new],
                "edge": [new],
                "rewire": [Rewire(gone, new)],
                "remove edge": [gone],
                "remove node": [RemoveNode(source)] if source not in held else [],
            }[str(sort)]
            if edits:
                return network.edited(edits, key=key)
        except SostructError:
            continue


TASKS: dict[str, Callable[[Job, CompileCounter], Answer]] = {
    "filter": filtering,
    "hand": hand,
    "vmap": vmapped,
    "gradient": gradient,
    "edit": editing,
    "population": population,
    "capacities": capacities,
}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: worker.py job.json answer.json")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import sostruct as ss

    if job.get("loop_flag"):
        ss.native_loops()
    if job["task"] != "hand":
        ss.HGF  # noqa: B018  the package is lazy: this imports what filtering needs
    import jax

    jax.config.update("jax_enable_x64", bool(job.get("x64")))
    jax.devices()  # starting the backend is nobody's first call
    answer = TASKS[job["task"]](job, CompileCounter())
    Path(sys.argv[2]).write_text(json.dumps(answer | {"peak_mib": peak_mib()}), encoding="utf-8")


if __name__ == "__main__":
    main()
