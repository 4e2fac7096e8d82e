#!/usr/bin/env bash
# Creates one environment of the peers: bash environment.sh FOLDER REQUIREMENTS VERSION...
# It is made by the first working Python of one of the versions, PYTHON=... before all others, and does nothing when
# nothing changed. (A version manager may put commands on PATH that do not run, hence the trials.)
set -euo pipefail
cd "$(dirname "$0")"

folder=$1 requirements=$2
shift 2
stamp=$folder/requirements.installed
if [ -x "$folder/bin/python" ] && cmp -s "$requirements" "$stamp"; then
    echo "peers: $folder is up to date"
    exit 0
fi

python=
for version in "$@"; do
    for candidate in ${PYTHON:+"$PYTHON"} "python$version" python3 python "$HOME"/.pyenv/versions/"$version".*/bin/python; do
        if [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
            python=$candidate
            break 2
        fi
    done
done
if [ -z "$python" ]; then
    echo "peers: $folder wants Python $*, and there is none; set PYTHON=/path/to/it" >&2
    exit 1
fi

rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
cp "$requirements" "$stamp"
echo "peers: installed into experiments/peers/$folder with $("$folder/bin/python" --version)"
