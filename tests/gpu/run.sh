#!/usr/bin/env bash
# The checks that need a GPU, on a machine with an NVIDIA driver, the NVIDIA Container Toolkit and a
# Docker engine. Run it from anywhere; what it is given goes to `automl-agent sandbox build`, such as
# --base. Without a GPU it fails: here nothing may be skipped for want of one.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ -x "${PYTHON:=.venv/bin/python}" ] || make .venv/test.stamp

nvidia-smi -L || { echo "There is no NVIDIA driver on this machine." >&2; exit 1; }
docker info --format 'Docker {{.ServerVersion}}, runtimes {{range $name, $_ := .Runtimes}}{{$name}} {{end}}' ||
    { echo "There is no Docker engine on this machine, or you may not use it." >&2; exit 1; }

"$PYTHON" -m automl_agent sandbox build --variant gpu "$@"

AUTOML_AGENT_REQUIRE_DOCKER=1 AUTOML_AGENT_REQUIRE_GPU=1 exec "$PYTHON" -m pytest -m gpu tests/gpu -v
