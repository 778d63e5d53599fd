#!/bin/sh
# Makes the hashed lock files anew. Needs uv; no index address is written.
set -eu
cd "$(dirname "$0")/.."
uv="${UV:-uv}"
common="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet"
$uv pip compile $common pyproject.toml --extra embedded -o requirements.lock
$uv pip compile $common pyproject.toml --extra embedded --group dev -o requirements/dev.lock
$uv pip compile $common --group node -c requirements/dev.lock -o requirements/node.lock
$uv pip compile $common pyproject.toml --extra embedded --group dev --group mutants -o requirements/mutants.lock
$uv pip compile $common --group docs -c requirements/dev.lock -o requirements/docs.lock
$uv pip compile $common --group quality -o requirements/quality.lock
$uv pip compile $common --group sdk -o requirements/sdk.lock
# Kinto, which the benchmarks run beside us in an environment of its own.
echo 'kinto[postgresql] gunicorn' | tr ' ' '\n' | $uv pip compile $common - -o requirements/bench-kinto.lock
