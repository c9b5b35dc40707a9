# Everything here works from a fresh clone and installs only into .venv. Packages come from wherever pip's own
# configuration says, in the versions and with the hashes of poetry.lock: all of them, and Poetry too (group `tools`).
# Only pip itself is taken as it comes with Python. tests/deploy/test_hashes.py holds this.

PYTHON ?= python3
VENV   ?= .venv
N      ?= 50000
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(notdir $(wildcard tests/fuzz/corpus/*))
# Many tests wait for a time-out or a server: one worker more than there are cores.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))

BASE    ?=
IMAGE   ?= planner
BUILDER ?= $(firstword $(foreach tool,docker podman buildah,$(if $(shell command -v $(tool)),$(tool))))
BUILD_ARGS ?=

BIN    := $(VENV)/bin
TOOLS  := $(VENV)/tools
PIP     = $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
LOCKED  = $(BIN)/python .ci/requirements.py
POETRY  = POETRY_VIRTUALENVS_CREATE=false POETRY_CACHE_DIR=$(TOOLS)/cache $(TOOLS)/bin/poetry --no-interaction

# Where bandit looks: everything but the tests, which assert and start processes all the time.
AUDITED := planner benchmarks docs .ci

# What is installed is installed again only when one of these is newer than the stamp.
INPUTS := poetry.lock pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install demo test soak fuzz bench lint format simulate docs sbom pictures image lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev-installed ## Install planner for development, with every extra and tool, into .venv

demo: $(VENV)/.run-installed ## Show the main job on a simulated cluster: plan, apply, failure and reverse, drift and repair
	@$(BIN)/python -m planner.cli demo

test: lint ## Run every check: lint, types, architecture, and the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.dev-installed $(TOOLS)/.installed ## Run ruff, mypy, import-linter and bandit, and check the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --recursive $(AUDITED)
	@$(POETRY) check --lock

format: $(VENV)/.dev-installed ## Format the code and repair what ruff can repair
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

soak: $(VENV)/.fuzz-installed ## Run the long tests, some 20 minutes: kill -9 at every request and at random times, many seeds of faults
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow --timeout 300 $(PYTEST_ARGS)

# What breaks a target goes to .fuzz/TARGET-crash-…; put it into tests/fuzz/corpus/TARGET/ with the repair.
fuzz: $(VENV)/.fuzz-installed ## Fuzz all that is read from outside, each target for a time (make fuzz FUZZ_SECONDS=60)
	@set -e; for target in $(FUZZ_TARGETS); do \
	  mkdir -p .fuzz/$$target; echo "Fuzzing $$target for $(FUZZ_SECONDS) s"; \
	  $(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=.fuzz/$$target- .fuzz/$$target tests/fuzz/corpus/$$target; \
	done

simulate: $(VENV)/.dev-installed ## Run N random cluster histories through the engine (make simulate N=50000)
	$(BIN)/python -m tests.simulation --seeds $(N)

bench: $(VENV)/.bench-installed ## Measure planner beside other clients of the API, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

docs: $(VENV)/.dev-installed ## Write the reference again and build the documentation into site/
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/chart.py
	@$(BIN)/python -m docs.supply.licences
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # not --quiet: what is not said does not count for --strict
	@echo 'Built site/. To read it: $(BIN)/python -m http.server --directory site'

# In a release: SOURCE_DATE_EPOCH is the time of the commit, so that anybody can make the same file again.
sbom: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
sbom: $(VENV)/.dev-installed ## Write sbom.cdx.json: all that planner runs on, with licences and hashes (CycloneDX)
	@$(BIN)/python -m docs.supply.sbom sbom.cdx.json

pictures: $(VENV)/.dev-installed ## Draw docs/pictures/ again, from real runs on a simulated cluster
	@$(BIN)/python docs/pictures.py

# In a closed network: make image BASE=registry/python:3.13-slim BUILD_ARGS='--secret id=pip.conf,src=pip.conf'
image: ## Build the container image with docker, podman or buildah (BASE=, IMAGE=, BUILDER=, BUILD_ARGS=)
	@test -n "$(BUILDER)" || { echo 'error: needs docker, podman or buildah' >&2; exit 1; }
	$(BUILDER) build $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(IMAGE) \
	  --build-arg VERSION=$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' planner/__init__.py) \
	  --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) $(BUILD_ARGS) .

# Poetry asks the index for a JSON page that many mirrors do not serve. The plugin reads the same simple index as
# pip, and keeps its address out of the lock. The address and the certificates come from pip's configuration.
lock: $(TOOLS)/.installed ## Lock the dependencies again (pyproject.toml to poetry.lock), without any URL
	@set -e; \
	ask() { $(BIN)/python -c 'from pip._internal.commands import create_command as c; \
	  print(c("install").parser.get_default_values().'"$$1"' or "")'; }; \
	index=$$(ask index_url); certificates=$$(ask cert); \
	export POETRY_PYPI_MIRROR_URL="$${POETRY_PYPI_MIRROR_URL:-$$index}"; \
	if [ -n "$$certificates" ]; then export REQUESTS_CA_BUNDLE="$$certificates"; fi; \
	$(POETRY) lock
	@sed -i '/^description = /s|https\?://||g' poetry.lock
	@if grep -n '://' poetry.lock; then echo 'error: poetry.lock must not hold a URL' >&2; exit 1; fi
	@$(POETRY) check --lock

clean: ## Remove .venv and everything that was built or cached
	rm -rf $(VENV) build dist site sbom.cdx.json .fuzz .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage \
	  htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ----------------------------------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: planner needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "       name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo 'Creating $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Poetry is installed again only when its own part of the lock has changed.
$(VENV)/tools.txt: poetry.lock .ci/requirements.py | $(BIN)/python
	@$(LOCKED) --only tools >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(TOOLS)/.installed: $(VENV)/tools.txt
	@echo 'Installing Poetry into $(TOOLS)'
	@$(BIN)/python -m venv --without-pip --clear $(TOOLS)
	@$(PIP) --python $(TOOLS)/bin/python install --no-compile --only-binary :all: --require-hashes -r $<
	@touch $@

# What a user needs: the package and the simulator.
$(VENV)/.run-installed: $(INPUTS) | $(BIN)/python
	@echo 'Installing planner and the simulator into $(VENV)'
	@$(LOCKED) simulator >$(VENV)/run.txt
	@$(PIP) install --require-hashes -r $(VENV)/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# What a developer needs; it holds what a user needs too.
$(VENV)/.dev-installed: $(INPUTS) | $(BIN)/python
	@echo 'Installing planner, its extras and the development tools into $(VENV)'
	@$(LOCKED) --all-extras --with dev --with docs >$(VENV)/dev.txt
	@$(PIP) install --require-hashes -r $(VENV)/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run-installed

# What it is measured against, besides.
$(VENV)/.bench-installed: $(VENV)/.dev-installed
	@echo 'Installing what planner is measured against into $(VENV)'
	@$(LOCKED) --all-extras --with dev --with docs --with bench >$(VENV)/bench.txt
	@$(PIP) install --require-hashes -r $(VENV)/bench.txt
	@touch $@

# What fuzzes, besides.
$(VENV)/.fuzz-installed: $(VENV)/.dev-installed
	@echo 'Installing what fuzzes into $(VENV)'
	@$(LOCKED) --all-extras --with dev --with docs --with fuzz >$(VENV)/fuzz.txt
	@$(PIP) install --require-hashes -r $(VENV)/fuzz.txt
	@touch $@
