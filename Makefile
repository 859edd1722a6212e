# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup run demo test unit check format bench docs lock clean

PY := .venv/bin/python

help:  ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup:  ## Set up this checkout (virtual environment, locked packages, viewer)
	@tools/setup.sh run

run: setup  ## Set up, then start the whole server in the foreground (data in ./data, or FILMROOM_DATA)
	@exec .venv/bin/filmroom serve

demo: setup  ## The same with a sample hospital in it (data in ./data/demo, or FILMROOM_DATA)
	@exec .venv/bin/filmroom demo

test: check  ## Set up, then every check and every test
	@$(PY) tools/run_tests.py

unit: devsetup  ## The unit tests alone (seconds)
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/unit

.PHONY: devsetup
devsetup:
	@tools/setup.sh test

check: devsetup  ## Format, lint, types, import contract, docs against the tree
	@.venv/bin/ruff format --check --quiet . || { echo "run make format"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@$(PY) -m tools.docs --check

format: devsetup  ## Format the code, sort the imports
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --quiet --fix .

bench: devsetup  ## Filmroom and Orthanc side by side; writes bench/results (BENCH="--quick" for a short one)
	@$(PY) -m bench $(BENCH)

docs: devsetup  ## Write the generated pages of docs/
	@$(PY) -m tools.docs

lock:  ## Resolve the dependencies anew into requirements.lock and requirements-dev.lock
	@tools/lock.sh

clean:  ## Remove everything that set-up made (not ./data)
	rm -rf .venv .setup viewer/dist console/dist console/node_modules
