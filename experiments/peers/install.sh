#!/usr/bin/env bash
# Creates experiments/peers/.venv with the pinned peers. Run it again at any time: it does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")"

stamp=.venv/requirements.installed
if [ -x .venv/bin/python ] && cmp -s requirements.txt "$stamp"; then
    echo "peers: .venv is up to date"
    exit 0
fi

# The pins resolve on Python 3.11 first; PYTHON=... chooses another interpreter.
python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
if [ -z "$python" ]; then
    echo "peers: no python3 found; set PYTHON=/path/to/python" >&2
    exit 1
fi

if [ ! -x .venv/bin/python ]; then
    rm -rf .venv
    "$python" -m venv .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
cp requirements.txt "$stamp"
echo "peers: installed into experiments/peers/.venv with $(.venv/bin/python --version)"
