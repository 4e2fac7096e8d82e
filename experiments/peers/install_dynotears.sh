#!/usr/bin/env bash
# Creates experiments/peers/.venv_dynotears with causalnex, which wants Python 3.10 and imports torch (2 GB).
exec bash "$(dirname "$0")/environment.sh" .venv_dynotears requirements_dynotears.txt 3.10
