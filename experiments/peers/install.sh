#!/usr/bin/env bash
# Creates experiments/peers/.venv with most peers of causal discovery (tigramite is GPL-3: only ever run as a program).
exec bash "$(dirname "$0")/environment.sh" .venv requirements.txt 3.11 3.12
