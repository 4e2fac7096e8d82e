#!/usr/bin/env bash
# Creates experiments/peers/.venv_hgfx with hgfx, the HGF toolbox in JAX (MIT).
exec bash "$(dirname "$0")/environment.sh" .venv_hgfx requirements_hgfx.txt 3.11 3.12
