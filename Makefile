# Two commands set up everything on a machine that has Python (3.11 or later), make and pip.
#   make demo   the main job: the causal graph of a simulated system with known truth, report in results/
#   make test   lint, types and the whole suite

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.ready
PYTEST_FLAGS ?=

.PHONY: demo test lint types suite clean

demo: $(SETUP)
	$(BIN)/sostruct

test: lint types suite

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(SETUP)
	$(BIN)/mypy

suite: $(SETUP)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_FLAGS)

$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'sostruct needs Python 3.11 or later; try make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	touch $(SETUP)

clean:
	rm -rf $(VENV) .jax_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
