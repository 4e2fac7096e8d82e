#!/usr/bin/env bash
# Creates experiments/peers/.venv_pyhgf with pyhgf (GPL-3: only ever run as a program). Run it again at any time: it does
# nothing when nothing changed. pyhgf wants Python 3.12 and a jax of its own, hence a second environment.
set -euo pipefail
cd "$(dirname "$0")"

stamp=.venv_pyhgf/requirements.installed
if [ -x .venv_pyhgf/bin/python ] && cmp -s requirements_pyhgf.txt "$stamp"; then
    echo "pyhgf: .venv_pyhgf is up to date"
    exit 0
fi

# PYTHON=... chooses the interpreter; otherwise the first one that really is a Python 3.12 (a version manager may put
# commands on PATH that do not run).
python=
for candidate in ${PYTHON:+"$PYTHON"} python3.12 python3 python "$HOME"/.pyenv/versions/3.12*/bin/python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
    if [ "$candidate" = "${PYTHON:-}" ]; then
        echo "pyhgf: $PYTHON is not a working Python 3.12; set PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
done
if [ -z "$python" ]; then
    echo "pyhgf: no Python 3.12 found; set PYTHON=/path/to/python3.12" >&2
    exit 1
fi

rm -rf .venv_pyhgf
"$python" -m venv .venv_pyhgf
.venv_pyhgf/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements_pyhgf.txt
cp requirements_pyhgf.txt "$stamp"
echo "pyhgf: installed into experiments/peers/.venv_pyhgf with $(.venv_pyhgf/bin/python --version)"
