PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
ARGS ?=

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Each step of an installation says what it does; pip shows what it downloads.
.venv/python:
	@echo "1/3 creating .venv, with a pip that knows dependency groups"
	$(PYTHON) -m venv .venv && $(PIP) --upgrade 'pip>=25.1' && touch $@

.venv/demo: .venv/python pyproject.toml constraints.txt
	@echo "2/3 installing spikecheck, torch and six spiking libraries (only the first time: 1 to 7 minutes)"
	$(PIP) --upgrade 'pip>=25.1' && $(PIP) --editable '.[reference]' --group conformance
	$(PIP) --no-deps -r tests/conformance/frameworks.txt && touch $@

.venv/dev: .venv/demo
	@echo "3/3 installing what tests, checks of style and the documentation need"
	$(PIP) --editable '.[data,html,ignite,skorch,tensorboard]' --group dev && touch $@

setup: .venv/dev  ## create .venv with everything that development needs
demo: .venv/demo  ## diagnose a network that does not train, then repair it
	$(BIN)/spikecheck demo $(ARGS)

fmt: .venv/dev  ## format the code, and apply ruff's automatic fixes
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: .venv/dev  ## check style, formatting and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

quick: .venv/dev  ## run the unit and house tests, without those that train many networks (110 s of processor time: a minute on two cores)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto -m "not slow and not full" tests/unit tests/house \
		--ignore tests/unit/examination $(ARGS)

promises conformance faults: .venv/dev
	$(BIN)/pytest tests/$@ $(ARGS)

browser: .venv/dev  ## test the HTML report in a browser (it needs Chromium: apt-get install chromium)
	$(BIN)/pytest tests/browser -m "" $(ARGS)

docs: .venv/dev  ## generate the pages of the checks and the other generated docs
	$(BIN)/python docs/generate.py
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.conformance.support

inductor: .venv/dev  ## measure torch.compile with inductor for docs/frameworks.md (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.conformance.inductor

docs-site: .venv/dev  ## build the documentation as a site in build/site; a warning is an error
	$(BIN)/sphinx-build -W --keep-going --quiet -j auto -c docs/site -d build/doctrees . build/site
	@echo "build/site/index.html"

docs-check: .venv/dev  ## fail if generated docs are out of date
	$(BIN)/python docs/generate.py --check

check-new: .venv/dev  ## create the files of a new check: make check-new ID=SPK299 SLUG=dead-time
	$(BIN)/python tools/new_check.py $(ID) $(SLUG)

SECONDS ?= 300
fuzz: .venv/dev  ## fuzz the reader of files, a target per format: make fuzz SECONDS=3600
	$(BIN)/python -m tests.property.fuzz --seconds $(SECONDS)

bench: .venv/dev  ## measure what watching costs, ours and other tools, and write docs/performance.md
	$(BIN)/python -m benchmarks.overhead --write $(ARGS)

bench-faults: .venv/dev  ## run the truth benchmark: small scripts with and without a mistake
	$(BIN)/python -m benchmarks.faults $(ARGS)

symptoms: .venv/dev  ## draw the pictures of docs/symptoms and count their causes: runs the truth benchmark (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.symptoms --run

pictures: .venv/dev  ## make the pictures of README.md and of the check pages, and the sample of a report, from real runs
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.reference.readme_pictures
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.reference.readme_sample
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.example_pictures

N ?= 200
bench-healthy: .venv/dev  ## measure false alarms on random healthy networks: make bench-healthy N=200
	nice $(BIN)/python -m benchmarks.healthy --seeds $(N) $(ARGS)

bench-calibrate: .venv/dev  ## compare calibrated weights with other initializers, and write docs/calibrate.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.calibrate $(ARGS)

bench-examine: .venv/dev  ## treat the scripts of the truth benchmark, and write docs/examine.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.examine --write $(ARGS)

bench-plugin: .venv/dev  ## measure what the pytest plugin adds to a run that does not use it
	$(BIN)/python benchmarks/pytest_plugin.py $(ARGS)

.venv/pytest: tests/plugin/pytest_versions.txt | .venv/python
	for v in $$(grep -v '^#' $<); do $(BIN)/python -m pip install -q --no-deps --upgrade --target $@/$$v pytest==$$v; done
	touch $@

pytests: .venv/pytest  ## install the other pytest versions that the plugin is tested with

.venv/ray: | .venv/python
	$(PIP) --target $@ 'ray[tune]==2.60.0' && touch $@

ray: .venv/dev .venv/ray  ## test the recipe for Ray Tune (downloads 150 MB)
	PYTHONPATH=.venv/ray $(BIN)/pytest tests/unit/tuning/test_ray_recipe.py $(ARGS)

.venv/integrations: .venv/dev
	$(PIP) --editable '.[integrations]' && touch $@

integrations: .venv/integrations  ## test with Lightning, transformers, MLflow, W&B and IPython, and write docs/integrations.md (150 MB)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/integrations -m "" $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.integrations.table

PYTHONS ?= python3.10 python3.12 python3.13
pythons:  ## test the wheel, outside the checkout, with other Pythons: make pythons PYTHONS="python3.10 python3.13"
	for python in $(PYTHONS); do OMP_NUM_THREADS=1 $(PYTHON) tools/other_python.py $$python $(ARGS) || exit 1; done

# rich and click are what the core needs besides torch; older versions of torch cannot be had everywhere: docs/support.md.
lowest: .venv/dev  ## test the report and the command line with the lowest versions of rich and click
	$(BIN)/python -m pip install --target .venv/lowest --upgrade rich==13.0.0 click==8.1.0
	PYTHONPATH=.venv/lowest $(BIN)/pytest tests/unit/cli tests/unit/report $(ARGS)

test: lint docs-check pytests  ## run everything that CI runs (pytest with one worker per core)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto $(ARGS)

full: lint docs-check pytests  ## run every test, also those that are too long for CI
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto -m "" $(ARGS)

.PHONY: help setup demo fmt lint quick promises conformance faults browser docs docs-site inductor docs-check check-new fuzz bench bench-faults symptoms pictures bench-healthy bench-calibrate bench-examine bench-plugin pytests ray integrations pythons lowest test full
.DELETE_ON_ERROR:
