#!/usr/bin/env bash
# Creates experiments/peers/.venv_causal_learn with causal-learn, whose result format is read and written. Run it again
# at any time: it does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")"

stamp=.venv_causal_learn/requirements.installed
if [ -x .venv_causal_learn/bin/python ] && cmp -s requirements_causal_learn.txt "$stamp"; then
    echo "causal-learn: .venv_causal_learn is up to date"
    exit 0
fi

# The pins resolve on Python 3.11 first; PYTHON=... chooses another interpreter.
python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
if [ -z "$python" ]; then
    echo "causal-learn: no python3 found; set PYTHON=/path/to/python" >&2
    exit 1
fi

rm -rf .venv_causal_learn
"$python" -m venv .venv_causal_learn
.venv_causal_learn/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements_causal_learn.txt
cp requirements_causal_learn.txt "$stamp"
echo "causal-learn: installed into experiments/peers/.venv_causal_learn with $(.venv_causal_learn/bin/python --version)"
