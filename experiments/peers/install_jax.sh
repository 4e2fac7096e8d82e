#!/usr/bin/env bash
# Creates experiments/peers/.venv_jax with jax-pcmci.
exec bash "$(dirname "$0")/environment.sh" .venv_jax requirements_jax.txt 3.11 3.12
