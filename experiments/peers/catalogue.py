"""What a peer's method is: the file of `methods/` that fits it, its settings, and the environment that runs it.

Both sides read this table: `run_peer.py`, in a peer's environment, finds the code by it; `client.py`, in the project's,
finds the interpreter and the key of a kept fit. It imports nothing of either, so that either side can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of `experiments/peers/`: its folder, its pins and the script that installs it."""

    folder: str
    pins: str
    script: str
    packages: tuple[str, ...]


MAIN = Environment(
    ".venv",
    "requirements.txt",
    "install.sh",
    ("lingam", "numpy", "pandas", "scikit-learn", "scipy", "statsmodels", "tigramite"),
)
JAX = Environment(".venv_jax", "requirements_jax.txt", "install_jax.sh", ("jax", "jaxlib", "jax-pcmci", "numpy"))
CAUSALNEX = Environment(
    ".venv_dynotears",
    "requirements_dynotears.txt",
    "install_dynotears.sh",
    ("causalnex", "numpy", "pandas", "scipy"),
)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to run a peer: `fit` of `methods/<module>.py`; without settings, at the package's defaults."""

    module: str
    settings: dict[str, Any] = field(default_factory=dict)
    environment: Environment = MAIN


METHODS = {
    "var_ftest": Method("var_ftest"),
    "var_ftest_statsmodels": Method("var_ftest_statsmodels"),
    "lasso_cv": Method("lasso_cv"),
    "lasso_cv_blocked": Method("lasso_cv", {"blocked": True}),
    "varlingam": Method("varlingam"),
    "varlingam_all_lags": Method("varlingam", {"all_lags": True}),
    "varlingam_unpruned": Method("varlingam", {"all_lags": True, "prune": False}),
    "pcmci": Method("pcmci"),
    "pcmci_05": Method("pcmci", {"pc_alpha": 0.05}),
    "pcmci_auto": Method("pcmci", {"pc_alpha": None}),
    "pcmci_plus": Method("pcmci_plus"),
    "extra_trees": Method("extra_trees"),
    "jax_pcmci": Method("jax_pcmci", environment=JAX),
    "dynotears": Method("dynotears", environment=CAUSALNEX),
}
