PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
ARGS ?=

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/python: ; $(PYTHON) -m venv .venv && touch $@

.venv/demo: .venv/python pyproject.toml constraints.txt
	@echo "installing into .venv: about a minute, this once"
	$(PIP) --editable '.[reference,conformance]' && $(PIP) --no-deps -r tests/conformance/frameworks.txt && touch $@

.venv/dev: .venv/demo
	$(PIP) --editable '.[dev,docs]' && touch $@

setup: .venv/dev  ## make .venv with all that development needs
demo: .venv/demo  ## the main job: diagnose a broken network, then heal it
	$(BIN)/spikecheck demo $(ARGS)

fmt: .venv/dev  ## format, and fix what ruff can fix
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: .venv/dev  ## ruff, format, types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

quick: .venv/dev  ## unit, property and house tests: under a minute
	$(BIN)/pytest -m "not slow" tests/unit tests/property tests/house $(ARGS)

promises conformance faults: .venv/dev
	$(BIN)/pytest tests/$@ $(ARGS)

docs: .venv/dev  ## write docs/checks from the checks' docstrings, docs/frameworks.md from what is measured
	$(BIN)/python docs/generate.py
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.conformance.support

inductor: .venv/dev  ## measure torch.compile with inductor for docs/frameworks.md: minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.conformance.inductor

docs-check: .venv/dev  ## fail where docs/checks differ from the docstrings
	$(BIN)/python docs/generate.py --check

check-new: .venv/dev  ## make check-new ID=SPK212 SLUG=dead-time: the files of a new check
	$(BIN)/python tools/new_check.py $(ID) $(SLUG)

bench: .venv/dev  ## what attach costs, as a ratio of step times
	$(BIN)/python benchmarks/cost.py $(ARGS)

bench-faults: .venv/dev  ## what is found of mistakes in small scripts, and said of healthy ones
	$(BIN)/python -m benchmarks.faults $(ARGS)

N ?= 200
bench-healthy: .venv/dev  ## make bench-healthy N=200: how often there is a warning of random healthy networks
	nice $(BIN)/python -m benchmarks.healthy --seeds $(N) $(ARGS)

bench-plugin: .venv/dev  ## what the pytest plugin adds to a run that does not use it
	$(BIN)/python benchmarks/pytest_plugin.py $(ARGS)

.venv/pytest: tests/plugin/pytest_versions.txt | .venv/python
	for v in $$(grep -v '^#' $<); do $(BIN)/python -m pip install -q --no-deps --upgrade --target $@/$$v pytest==$$v; done
	touch $@

pytests: .venv/pytest  ## the other versions of pytest that the plugin is tried with

test: lint docs-check pytests  ## all that CI runs; pytest last, a worker a core
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto $(ARGS)

.PHONY: help setup demo fmt lint quick promises conformance faults docs inductor docs-check check-new bench bench-faults bench-healthy bench-plugin pytests test
.DELETE_ON_ERROR:
