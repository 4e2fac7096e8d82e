#!/usr/bin/env bash
# Creates experiments/peers/.venv_series with statsmodels and arch, the forecasting peers.
exec bash "$(dirname "$0")/environment.sh" .venv_series requirements_series.txt 3.11 3.12
