#!/usr/bin/env bash
# Resolve the dependencies into hash-pinned lists that name no index: any mirror serves them (docs/decisions/0004).
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -m venv .setup/lock
.setup/lock/bin/python -m pip install --disable-pip-version-check --quiet uv
compile() {
    .setup/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-annotate --no-header --upgrade "$@"
}
# hatchling and editables build the checkout itself without a network round of their own.
compile pyproject.toml tools/build-requirements.txt -o requirements.lock
compile pyproject.toml tools/build-requirements.txt --group dev -c requirements.lock -o requirements-dev.lock
rm -rf .setup/lock
