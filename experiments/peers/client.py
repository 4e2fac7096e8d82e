"""Runs the peers from the project's environment: batches for accuracy, a conversation for speed.

Peers live in environments of their own (`catalogue.py`) and are only ever started as programs. A fit is kept in
`results/cache/peers` under a hash of what determines it and nothing else: series, lags, settings, the method's own
file, the two files that all methods share, and the pins of its environment. A comparison can be repeated after a change
to sostruct without waiting for the peers again, and a peer that is added, or changed, makes no other peer wait.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.common import CACHE, ROOT, child_environment
from experiments.peers.catalogue import MAIN, METHODS, Environment

HERE = Path(__file__).resolve().parent
CHUNK = 5  # series per program, so that an interrupted comparison loses little


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as tables name it: the methods of run_peer.py that count as it, and its default readings.

    The default readings, `method: reading`, are what its user gets without choosing anything: one that ranks the
    pairs and one that decides, both of the first method. (The F-test has no default correction for many tests and
    extra-trees decide nothing; Benjamini-Hochberg and an importance above the mean are ours.) `first` is on how many
    seeds of a family it runs where a fit is slow, all if none.
    """

    name: str
    methods: tuple[str, ...]
    defaults: tuple[str, str]
    first: int | None = None

    def ranking(self, fit: PeerFit) -> np.ndarray:
        """Its default scores [cause, effect], of a fit of its first method."""
        return fit.summary[self.defaults[0].removeprefix(f"{self.methods[0]}: ")]

    def decision(self, fit: PeerFit) -> np.ndarray:
        """Its default edges [cause, effect], of a fit of its first method."""
        return fit.decisions[self.defaults[1].removeprefix(f"{self.methods[0]}: ")]


PEERS = (
    Peer("VAR F-test", ("var_ftest",), ("var_ftest: F", "var_ftest: BH .05")),
    Peer("lasso-CV", ("lasso_cv", "lasso_cv_blocked"), ("lasso_cv: weight", "lasso_cv: nonzero")),
    Peer(
        "VARLiNGAM",
        ("varlingam", "varlingam_all_lags", "varlingam_unpruned"),
        ("varlingam: weight", "varlingam: nonzero"),
    ),
    Peer("PCMCI", ("pcmci", "pcmci_05"), ("pcmci: p", "pcmci: p < .05")),
    Peer("PCMCI+", ("pcmci_plus",), ("pcmci_plus: p", "pcmci_plus: graph")),
    Peer("jax-pcmci", ("jax_pcmci",), ("jax_pcmci: p", "jax_pcmci: p < .05"), first=5),
    Peer("DYNOTEARS", ("dynotears",), ("dynotears: weight", "dynotears: nonzero")),
    Peer("extra-trees", ("extra_trees",), ("extra_trees: importance", "extra_trees: > mean")),
)


@dataclass(frozen=True, slots=True)
class PeerFit:
    """One peer method on one series: matrices [cause, effect] by reading, `edges` [cause, effect, lag - 1]."""

    edges: dict[str, np.ndarray]
    summary: dict[str, np.ndarray]
    decisions: dict[str, np.ndarray]
    within: dict[str, np.ndarray]
    within_decisions: dict[str, np.ndarray]
    seconds: float
    processor_seconds: float


def require_peers(methods: Iterable[str] = ("var_ftest",)) -> None:
    """Stops with the command to type when an environment that these methods need is not installed."""
    for environment in {METHODS[method].environment for method in methods}:
        if not interpreter(environment).exists():
            raise SystemExit(
                f"Cannot run the peers. This is because experiments/peers/{environment.folder} does not exist. "
                f"Try `bash experiments/peers/{environment.script}`, or --no-peers where the experiment offers it."
            )


def interpreter(environment: Environment = MAIN) -> Path:
    """The Python of a peer's environment."""
    return HERE / environment.folder / "bin" / "python"


def fit_peer(method: str, series: Mapping[str, np.ndarray], max_lag: int) -> dict[str, PeerFit]:
    """Fits of `method` to every series [time, node], by name; kept ones are read, the others computed and kept."""
    require_peers([method])
    files = {name: CACHE / "peers" / f"{_key(method, array, max_lag)}.npz" for name, array in series.items()}
    missing = [name for name in series if not files[name].exists()]
    for start in range(0, len(missing), CHUNK):
        _compute(method, {name: series[name] for name in missing[start : start + CHUNK]}, max_lag, files)
    return {name: _read(path) for name, path in files.items()}


def peer_versions(environment: Environment = MAIN) -> dict[str, str]:
    """Versions pinned in the requirements of an environment."""
    lines = (HERE / environment.pins).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name.strip(): version.strip() for name, version in pins}


def peers_versions(peers: Iterable[Peer] = PEERS) -> dict[str, str]:
    """Versions pinned for these peers."""
    environments = dict.fromkeys(METHODS[method].environment for peer in peers for method in peer.methods)
    found = {}
    for environment in environments:
        place = "peers'" if environment is MAIN else f"{environment.folder.removeprefix('.venv_')} peer's"
        found |= {f"{place} {name}": version for name, version in peer_versions(environment).items()}
    return found


class Conversation:
    """A program that answers every line `{"input", "max_lag"}` with one line of JSON, kept alive between answers."""

    def __init__(self, command: Sequence[str | Path], **environment: str) -> None:
        self._command = shlex.join(str(part) for part in command)
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=child_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = self._answer()

    def ask(self, source: Path, max_lag: int) -> dict[str, float]:
        """One fit of the series in `source`; the answer has at least `seconds`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"input": str(source), "max_lag": max_lag}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Ends the program."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"The program {self._command} ended without an answer (exit {self._process.wait()}).")
        answer: dict[str, float] = json.loads(line)
        return answer


def converse(method: str) -> Conversation:
    """A peer that is ready to be timed, imports done."""
    require_peers([method])
    return Conversation([interpreter(METHODS[method].environment), HERE / "run_peer.py", method, "--serve"])


def _key(method: str, array: np.ndarray, max_lag: int) -> str:
    chosen = METHODS[method]
    described = json.dumps([chosen.module, chosen.settings, max_lag, array.shape], sort_keys=True)
    digest = hashlib.sha256(described.encode())
    digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    shared = ("fitting.py", "methods/outcome.py")
    for name in (*shared, f"methods/{chosen.module}.py", chosen.environment.pins):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:32]


def _compute(method: str, batch: Mapping[str, np.ndarray], max_lag: int, files: Mapping[str, Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, allow_pickle=False, **dict(batch))
        python = interpreter(METHODS[method].environment)
        command = [str(python), str(HERE / "run_peer.py"), method, "--max-lag", str(max_lag)]
        done = subprocess.run(
            [*command, "--input", str(source), "--output", str(target)], env=child_environment(), cwd=ROOT, check=False
        )
        if done.returncode:
            raise SystemExit(f"The peer {method} ended with exit code {done.returncode}; its own message is above.")
        with np.load(target, allow_pickle=False) as archive:
            content = {name: archive[name] for name in archive.files}
    for name in batch:
        files[name].parent.mkdir(parents=True, exist_ok=True)
        own = {key.removeprefix(f"{name}/"): array for key, array in content.items() if key.startswith(f"{name}/")}
        partial = files[name].with_suffix(".partial.npz")
        np.savez_compressed(partial, allow_pickle=False, **own)
        partial.replace(files[name])


def _read(path: Path) -> PeerFit:
    with np.load(path, allow_pickle=False) as archive:
        content = {name: archive[name] for name in archive.files}

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): array for name, array in content.items() if name.startswith(prefix)}

    return PeerFit(
        edges=group("edges/"),
        summary=group("summary/"),
        decisions=group("decision/"),
        within=group("within/"),
        within_decisions=group("within_decision/"),
        seconds=float(content["seconds"]),
        processor_seconds=float(content["processor_seconds"]),
    )
