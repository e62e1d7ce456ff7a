# Everything a fresh machine needs is Python 3.10 or newer and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
USER_READY := $(VENV)/.user
DEV_READY := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint docs bench format render servers storage-servers browser interpreters matrix matrix-ci prereleases peers mutation clean

help: ## Say what the targets do.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(USER_READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[cli,views]'
	@touch $@

$(DEV_READY): $(USER_READY)
	$(BIN)/python -m pip install --quiet --editable '.[dashboards]' --group test --group lint
	@touch $@

demo: $(USER_READY) ## Run a simulated cluster that serves all 64 metrics on localhost:9464.
	$(BIN)/butterfly-otel demo $(ARGS)

test: $(DEV_READY) ## Run every test this machine can run, but for the long ones.
	$(BIN)/python scripts/suite.py $(ARGS)

test-long: $(DEV_READY) ## Run the long ones: whole clusters, alerts over time, many processes.
	$(BIN)/python scripts/suite.py --long $(ARGS)

lint: $(DEV_READY) ## Check style, types, layers and rendered files.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python scripts/circles.py
	$(BIN)/butterfly-otel render --check

docs: $(DEV_READY) ## Build the documentation into build/docs; a warning is an error.
	$(BIN)/python -m pip install --quiet --group docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet docs build/docs
	@echo "see build/docs/index.html"

# autometrics' own dependencies are too old to stand beside ours. Rows without a GIL: `make interpreters`.
bench: $(DEV_READY) ## Measure beside the peers, as docs/benchmarks.md shows it.
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m pip install --quiet --no-deps 'autometrics>=1,<2'
	$(BIN)/python -m benchmarks $(ARGS)

format: $(DEV_READY) ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

render: $(DEV_READY) ## Render everything that comes from the catalogue.
	$(BIN)/butterfly-otel render

servers: ## Build the real Prometheus and Collector that the end-to-end tests use (needs Go).
	$(PYTHON) scripts/servers.py build

storage-servers: ## Build the real Thanos and VictoriaMetrics (needs Go).
	$(PYTHON) scripts/servers.py build thanos victoria-metrics

browser: ## Get the Chromium and the axe-core that the tests of the page use (needs apt-get and npm).
	$(PYTHON) scripts/browser.py build

interpreters: ## Build CPython 3.14 and its build without a GIL, for the matrix (needs a C compiler).
	$(PYTHON) scripts/interpreters.py build

matrix: $(DEV_READY) ## Run the unit tests on every CPython from 3.10 on here, with SDKs from 1.39 on.
	$(BIN)/python scripts/matrix.py $(ARGS)

matrix-ci: $(DEV_READY) ## The same on the oldest, the newest and the one without a GIL.
	$(BIN)/python scripts/matrix.py --ci $(ARGS)

prereleases: $(DEV_READY) ## Run every test with pre-releases of OpenTelemetry and prometheus_client.
	$(BIN)/python scripts/matrix.py --prereleases $(ARGS)

# FOLDERS: of the stock packages, in a checkout or unpacked source distributions of their release.
peers: $(DEV_READY) ## Run the stock SDK's own tests, in FOLDERS, with our provider and readers.
	$(BIN)/python -m pip install --quiet --group peers
	$(BIN)/python scripts/peers_suites.py $(FOLDERS) $(ARGS)

mutation: $(DEV_READY) ## Tell which changes to the code no test notices: ARGS="--sample 40 --seed 1".
	$(BIN)/python -m pip install --quiet --group mutation
	$(BIN)/python scripts/mutation.py $(ARGS)

clean: ## Remove what the other targets made inside the repository.
	rm -rf $(VENV) .cache build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
