#!/usr/bin/env bash
# Creates experiments/peers/.venv_series with statsmodels and arch, the forecasting peers. Run it again at any time: it
# does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")"

stamp=.venv_series/requirements.installed
if [ -x .venv_series/bin/python ] && cmp -s requirements_series.txt "$stamp"; then
    echo "series: .venv_series is up to date"
    exit 0
fi

# The pins resolve on Python 3.11 first; PYTHON=... chooses another interpreter.
python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
if [ -z "$python" ]; then
    echo "series: no python3 found; set PYTHON=/path/to/python" >&2
    exit 1
fi

rm -rf .venv_series
"$python" -m venv .venv_series
.venv_series/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements_series.txt
cp requirements_series.txt "$stamp"
echo "series: installed into experiments/peers/.venv_series with $(.venv_series/bin/python --version)"
