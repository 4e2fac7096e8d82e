#!/usr/bin/env bash
# Creates experiments/peers/.venv_pyhgf with pyhgf (GPL-3: only ever run as a program), which wants Python 3.12 and its own jax.
exec bash "$(dirname "$0")/environment.sh" .venv_pyhgf requirements_pyhgf.txt 3.12
