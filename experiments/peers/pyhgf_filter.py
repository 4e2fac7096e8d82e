"""Runs pyhgf on one job, as a program of its own in its own environment.

    experiments/peers/.venv_pyhgf/bin/python experiments/peers/pyhgf_filter.py job.json answer.json

A job is a JSON object:

    task          what to do, a name in TASKS below
    graph         {"nodes": [...], "edges": [...]} in the project's schema: continuous, binary and constant nodes
    inputs        names of the observed leaves, in column order
    data          an .npz with `inputs` [time, input] and, for `vmap`, `parameters` [set, parameter]
    update        "ehgf" (default), "standard" or "unbounded"
    mean_field    true (default) or false
    parameters    for `vmap` and `gradient`: [[node, parameter] or [parent, child, "strength"], ...]
    edit          for `edit` and `edit_rust`: {"name", "child"}, a volatility parent to add; "in_place": false leaves
                  out the edit of the network that has run
    repeats       further calls to time (default 9)
    x64           double precision (default true); the Rust backend always has it
    loop_flag     whether XLA turns small loops into one native function (default false)
    trajectories  an .npz to write beliefs to, NAME/mean and so on, each [time] (optional)

The answer has wall seconds without imports: `first` (network built and called once), `second`, `repeated` (further
calls), and what else a task says of itself. Every timed call waits for its result. Only the public interface is used:
`Network`, its methods, `attributes`, `edges` and `scan_fn`, the response functions, and the Rust extension's `Network`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

LOOP_FLAG = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000"
UPDATES = {"ehgf": "eHGF", "standard": "standard", "unbounded": "unbounded"}
KINDS = {"continuous": "continuous-state", "binary": "binary-state", "constant": "constant-state"}
PARAMETERS = {
    "mean": "mean",
    "precision": "precision",
    "tonic_volatility": "tonic_volatility",
    "tonic_drift": "tonic_drift",
    "autoconnection": "autoconnection_strength",
}
BELIEFS = ("mean", "precision", "expected_mean", "expected_precision")
COMPILE = "/jax/core/compile/backend_compile_duration"

Job = Mapping[str, Any]
Answer = dict[str, Any]


class RefusedError(Exception):
    """The job asks for what pyhgf, or one of its backends, cannot express."""


class Model:
    """The job's graph with pyhgf's numbering: inputs first in column order, children before parents."""

    def __init__(self, job: Job) -> None:
        self.nodes = {node["id"]: node for node in job["graph"]["nodes"]}
        self.edges: list[dict[str, Any]] = list(job["graph"]["edges"])
        self.inputs: list[str] = list(job["inputs"])
        self.settings = {
            "volatility_updates": UPDATES[job.get("update", "ehgf")],
            "mean_field_updates": bool(job.get("mean_field", True)),
        }
        self.order = list(self.inputs)
        waiting = [name for name in self.nodes if name not in self.inputs]
        while waiting:
            ready = [name for name in waiting if all(child in self.order for child, _ in self.children(name))]
            self.order += ready
            waiting = [name for name in waiting if name not in ready]
        self.index = {name: index for index, name in enumerate(self.order)}

    def children(self, name: str, coupling: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The children of a node and the edges to them."""
        return [
            (edge["target"], edge)
            for edge in self.edges
            if edge["source"] == name and coupling in (None, edge["coupling"])
        ]

    def parents(self, name: str, coupling: str) -> list[str]:
        """The parents of a node."""
        return [edge["source"] for edge in self.edges if edge["target"] == name and edge["coupling"] == coupling]

    def with_parent(self, name: str, child: str) -> Model:
        """This model with a volatility parent more, which comes last in the numbering."""
        other = object.__new__(Model)
        other.nodes = {**self.nodes, name: {"id": name, "kind": "continuous"}}
        edge = {"source": name, "target": child, "coupling": "volatility", "strength": 1.0}
        other.edges = [*self.edges, edge]
        other.inputs, other.settings = self.inputs, self.settings
        other.order = [*self.order, name]
        other.index = {key: index for index, key in enumerate(other.order)}
        return other

    def own(self, name: str) -> dict[str, Any]:
        """A node's own parameters under pyhgf's names."""
        node = self.nodes[name]
        found = {theirs: node[ours] for ours, theirs in PARAMETERS.items() if ours in node}
        # An input predicts with its fixed precision; the Rust backend reads it from the prediction.
        return (
            {"precision": node["precision"], "expected_precision": node["precision"]}
            if (name in self.inputs and node["kind"] == "continuous")
            else found
        )

    def jax(self) -> Any:
        """The network on the JAX backend."""
        from pyhgf.model import Network

        network = Network(**self.settings)
        for name in self.order:
            network.add_nodes(kind=KINDS[self.nodes[name]["kind"]], **self.own(name), **self._strong(name))
        return network

    def rust(self) -> Any:
        """The network on the Rust backend, ready to be called."""
        from pyhgf import rshgf

        network = rshgf.Network(**self.settings)
        for name in self.order:
            network.add_nodes(kind=KINDS[self.nodes[name]["kind"]], **self.own(name), **self.plain(name))
        network.set_update_sequence()
        return network

    def plain(self, name: str) -> dict[str, Any]:
        """A node's children for the Rust backend, which knows no coupling strengths and no coupling functions here."""
        for _, edge in self.children(name):
            if edge.get("strength", 1.0) != 1.0 or edge.get("function", "identity") != "identity":
                raise RefusedError("the Rust backend takes no coupling strengths or functions")
        found = {
            f"{coupling}_children": [self.index[child] for child, _ in self.children(name, coupling)]
            for coupling in ("value", "volatility")
        }
        return {key: children for key, children in found.items() if children}

    def _strong(self, name: str) -> dict[str, Any]:
        """A node's children for the JAX backend."""
        import jax.numpy as jnp

        functions = {"identity": None, "tanh": jnp.tanh, "sin": jnp.sin}
        found: dict[str, Any] = {}
        for coupling in ("value", "volatility"):
            if children := self.children(name, coupling):
                strengths = [edge.get("strength", 1.0) for _, edge in children]
                found[f"{coupling}_children"] = ([self.index[child] for child, _ in children], strengths)
        names = [edge.get("function", "identity") for _, edge in self.children(name, "value")]
        if any(function != "identity" for function in names):
            found["coupling_fn"] = tuple(functions[function] for function in names)
        return found


def wait(result: Any) -> Any:
    """The same, once it has been computed."""
    import jax

    return jax.block_until_ready(result)


def seconds_of(call: Callable[[], Any]) -> float:
    """Wall seconds of one call, its result computed."""
    start = time.perf_counter()
    wait(call())
    return time.perf_counter() - start


def repeatedly(call: Callable[[], Any], job: Job) -> Answer:
    """First, second and further calls."""
    first, second = seconds_of(call), seconds_of(call)
    return {"first": first, "second": second, "repeated": [seconds_of(call) for _ in range(job.get("repeats", 9))]}


def beliefs(trajectories: Any, model: Model) -> dict[str, np.ndarray]:
    """Beliefs by name as the project's reference files hold them."""
    return {
        f"{name}/{belief}": np.asarray(trajectories[index][belief], dtype=np.float64)
        for name, index in model.index.items()
        for belief in BELIEFS
        if belief in trajectories[index]
    }


def keep(arrays: Mapping[str, np.ndarray], job: Job) -> Answer:
    """Writes beliefs where the job wants them, and says whether they are finite."""
    if job.get("trajectories"):
        np.savez(job["trajectories"], allow_pickle=False, **dict(arrays))
    means = [array for name, array in arrays.items() if name.endswith("/mean")]
    return {"finite": bool(all(np.isfinite(array).all() for array in means))}


def filter_public(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """`Network(...).input_data(series)`: what a user types. Then another network of the same shape."""
    import jax.monitoring

    compiled: list[float] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(seconds) if event == COMPILE else None
    )
    series = data["inputs"]
    kept: list[Any] = []

    def fresh() -> Any:
        network = model.jax()
        kept[:] = [network]
        return network.input_data(series).node_trajectories

    first, compilations = seconds_of(fresh), len(compiled)
    network = kept[0]
    times = repeatedly(lambda: network.input_data(series).node_trajectories, job)
    arrays = beliefs(network.node_trajectories, model)
    compiled.clear()
    another = seconds_of(fresh)
    answer = {"first": first, "second": times["first"], "repeated": [times["second"], *times["repeated"]]}
    answer |= {"compilations": compilations, "another": another, "another_compilations": len(compiled)}
    return answer | keep(arrays, job)


def filter_scan(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """An own jitted scan over the network's `scan_fn`, once with all that it records, once with beliefs alone."""
    import jax

    series = data["inputs"]

    def program(only: Sequence[str] | None) -> Callable[[], Any]:
        network = model.jax().create_belief_propagation_fn()

        def step(carry: Any, new: Any) -> tuple[Any, Any]:
            carry, record = network.scan_fn(carry, new)
            if only is None:
                return carry, record
            return carry, {index: {belief: record[index][belief] for belief in only} for index in model.index.values()}

        compiled = jax.jit(lambda attributes, columns: jax.lax.scan(step, attributes, columns)[1])
        columns = scan_columns(series)
        return lambda: compiled(network.attributes, columns)

    answer = repeatedly(program(None), job)
    lean = program(BELIEFS)
    answer |= {f"lean_{name}": value for name, value in repeatedly(lean, job).items()}
    return answer | keep(beliefs(lean(), model), job)


def filter_rust(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """The Rust backend: `input_data`, then beliefs as arrays; `final_*`: without recording, final state alone."""
    series = data["inputs"]
    network = model.rust()

    def recorded() -> Any:
        network.input_data(series)
        return network.node_trajectories

    def call_only() -> None:
        network.input_data(series)

    start = time.perf_counter()
    fresh = model.rust()
    fresh.input_data(series)
    arrays = beliefs(fresh.node_trajectories, model)
    first = time.perf_counter() - start
    times = repeatedly(recorded, job)
    answer = {"first": first, "second": times["first"], "repeated": [times["second"], *times["repeated"]]}
    answer |= {f"call_{name}": value for name, value in repeatedly(call_only, job).items()}
    final = repeatedly(lambda: network.input_data(series, record_trajectories=False), job)
    return answer | {f"final_{name}": value for name, value in final.items()} | keep(arrays, job)


def scan_columns(series: Any) -> Any:
    """What `scan_fn` consumes: observations by input, whether observed, time steps, no random keys."""
    import jax.numpy as jnp

    steps = len(series)
    values = tuple(series[:, column : column + 1] for column in range(series.shape[1]))
    observed = tuple(jnp.ones(steps, dtype=int) for _ in values)
    return values, observed, jnp.ones(steps), None


def with_parameters(model: Model, attributes: Any, named: Sequence[Sequence[str]], values: Any) -> Any:
    """Attributes with some parameters replaced by (traced) values."""
    import jax
    import jax.numpy as jnp

    changed = jax.tree.map(jnp.asarray, {key: dict(value) for key, value in attributes.items()})
    for (*where, parameter), value in zip(named, values, strict=True):
        if parameter != "strength":
            changed[model.index[where[0]]][PARAMETERS[parameter]] = value
            continue
        parent, child = where
        coupling = next(edge["coupling"] for name, edge in model.children(parent) if name == child)
        siblings = [name for name, _ in model.children(parent, coupling)]
        for name, key, position in (
            (child, f"{coupling}_coupling_parents", model.parents(child, coupling).index(parent)),
            (parent, f"{coupling}_coupling_children", siblings.index(child)),
        ):
            strengths = changed[model.index[name]][key]
            changed[model.index[name]][key] = strengths.at[position].set(value)
    return changed


def scores(job: Job, model: Model) -> dict[str, Callable[[Any, Any], Any]]:
    """Total surprise of a series [time, input] as a function of parameters, by two public routes.

    `api` builds the network and calls `input_data(...).surprise(...)` inside the traced function; `scan` scans over
    `scan_fn` and computes the same surprise within the loop, which records nothing else. (The literature's surprise: of
    the observation under its value parent's prediction.)
    """
    import jax
    import jax.numpy as jnp
    from pyhgf.math import gaussian_surprise
    from pyhgf.response import first_level_gaussian_surprise

    (above,) = model.parents(model.inputs[0], "value")
    seen, believed = model.index[model.inputs[0]], model.index[above]

    def api(values: Any, series: Any) -> Any:
        network = model.jax()
        network.attributes = with_parameters(model, network.attributes, job["parameters"], values)
        return jnp.sum(network.input_data(series).surprise(first_level_gaussian_surprise))

    network = model.jax().create_belief_propagation_fn()

    def scan(values: Any, series: Any) -> Any:
        def step(carry: Any, new: Any) -> tuple[Any, Any]:
            carry, record = network.scan_fn(carry, new)
            mean, precision = record[believed]["expected_mean"], record[believed]["expected_precision"]
            return carry, gaussian_surprise(record[seen]["mean"], mean, precision)

        attributes = with_parameters(model, network.attributes, job["parameters"], values)
        return jnp.sum(jax.lax.scan(step, attributes, scan_columns(series))[1])

    return {"api": api, "scan": scan}


def vmap(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """The surprise of many parameter sets in one vmapped call, by both routes."""
    import jax
    import jax.numpy as jnp

    sets, series = jnp.asarray(data["parameters"]), jnp.asarray(data["inputs"])
    answer: Answer = {}
    for route, score in scores(job, model).items():
        compiled = jax.jit(jax.vmap(score, (0, None)))
        answer[route] = repeatedly(lambda compiled=compiled: compiled(sets, series), job)
        answer[route]["finite"] = bool(jnp.isfinite(compiled(sets, series)).all())
    return answer


def gradient(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """The surprise and its gradient with respect to some parameters, by both routes; reverse and forward mode."""
    import jax
    import jax.numpy as jnp

    values, series = jnp.asarray(data["parameters"][0]), jnp.asarray(data["inputs"])
    answer: Answer = {}
    for route, score in scores(job, model).items():
        programs = {"forward": score, "reverse_mode": jax.value_and_grad(score), "forward_mode": jax.jacfwd(score)}
        for name, program in programs.items():
            compiled = jax.jit(program)
            answer[f"{route}_{name}"] = repeatedly(lambda compiled=compiled: compiled(values, series), job)
        compiled = jax.jit(jax.grad(score))
        answer[f"{route}_surprise"] = float(score(values, series))
        answer[f"{route}_gradient"] = [float(value) for value in compiled(values, series)]
    return answer


def edit(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """A volatility parent is added to a network that has run; seconds from the edit to the next step's beliefs.

    `rebuilt`: a new network with the edit, beliefs carried over by hand. `in_place`: `add_nodes` on the network that
    has run, with what became of the edit: `ignored` when the next step leaves the new node as it was added.
    """
    series, row = data["inputs"], data["inputs"][:1]
    name, child = job["edit"]["name"], job["edit"]["child"]
    edited = model.with_parent(name, child)
    answer: Answer = {}
    network = model.jax()
    answer["before"] = seconds_of(lambda: network.input_data(series).node_trajectories)

    def rebuilt() -> Any:
        other = edited.jax()
        for key, index in model.index.items():
            if model.nodes[key]["kind"] == "continuous":
                for belief in ("mean", "precision"):
                    other.attributes[index][belief] = network.last_attributes[index][belief]
        return other.input_data(row).node_trajectories

    answer["rebuilt"] = seconds_of(rebuilt)
    if not job["edit"].get("in_place", True):
        return answer

    def in_place() -> Any:
        network.add_nodes(volatility_children=edited.index[child])
        return network.input_data(row).node_trajectories

    try:
        answer["in_place"] = seconds_of(in_place)
        added = network.node_trajectories.get(edited.index[name])
        unmoved = added is None or (np.allclose(added["mean"], 0.0) and np.allclose(added["precision"], 1.0))
        answer["in_place_outcome"] = "ignored" if unmoved else "taken"
    except Exception as error:  # whatever an edit after a run raises is the finding
        answer["in_place_outcome"] = f"{type(error).__name__}: {error}"
    return answer


def edit_rust(job: Job, model: Model, data: Mapping[str, np.ndarray]) -> Answer:
    """The same edit on the Rust backend, in place, with a new update sequence; it carries beliefs by itself."""
    series, row = data["inputs"], data["inputs"][:1]
    edited = model.with_parent(job["edit"]["name"], job["edit"]["child"])

    def once() -> float:
        network = model.rust()
        network.input_data(series)
        start = time.perf_counter()
        network.add_nodes(volatility_children=edited.index[job["edit"]["child"]])
        network.set_update_sequence()
        network.input_data(row)
        arrays = beliefs(network.node_trajectories, edited)
        seconds = time.perf_counter() - start
        assert len(arrays[f"{job['edit']['name']}/mean"]) == 1
        return seconds

    return {"first": once(), "repeated": [once() for _ in range(job.get("repeats", 9))]}


TASKS: dict[str, Callable[[Job, Model, Mapping[str, np.ndarray]], Answer]] = {
    "filter": filter_public,
    "scan": filter_scan,
    "rust": filter_rust,
    "vmap": vmap,
    "gradient": gradient,
    "edit": edit,
    "edit_rust": edit_rust,
}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: pyhgf_filter.py job.json answer.json")
    source, target = map(Path, sys.argv[1:])
    job = json.loads(source.read_text(encoding="utf-8"))
    warnings.filterwarnings("ignore")
    if job.get("loop_flag"):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {LOOP_FLAG}".strip()
    import jax
    import pyhgf.model  # before the backend starts: on import it chooses the XLA runtime that suits it
    import pyhgf.rshgf  # noqa: F401

    jax.config.update("jax_enable_x64", bool(job.get("x64", True)))
    jax.devices()  # starting the backend is nobody's first call
    with np.load(job["data"], allow_pickle=False) as archive:
        data = {name: archive[name] for name in archive.files}
    try:
        answer = TASKS[job["task"]](job, Model(job), data)
    except RefusedError as error:
        answer = {"refused": str(error)}
    answer["versions"] = {"python": platform.python_version()}
    answer["versions"] |= {package: version(package) for package in ("pyhgf", "jax", "jaxlib", "numpy")}
    answer["xla_flags"] = os.environ.get("XLA_FLAGS", "")
    target.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
