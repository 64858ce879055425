# Set-up, start and tests. `make` alone lists the targets.
# PYTHON names the interpreter to start from; everything else is found or installed into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
WEB := gateway/web
MODULES := $(WEB)/node_modules/.package-lock.json
PAGE := gateway/static/index.html
PIP := $(BIN)/python -m pip --disable-pip-version-check
export npm_config_update_notifier := false
WORKERS ?= 2
# What `make bench` evaluates
MODEL ?= offline
SUITE_DIR ?=
ARGS ?=

# Long tests run in CI and by their own targets
LONG := $(filter true,$(CI))
WEB_SOURCES := $(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '*/.*' 2>/dev/null)

# What package.json names as engines: 20.19 and later, 22.12 and later
NODE_FITS := const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)

# The machine's own node if it fits, else the one of the pip wheel that $(STAMPS)/node has installed.
NODE_PATH_PREFIX = $$(cat $(STAMPS)/node)

LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-annotate --no-header
SHIPPED := --extra local --extra postgres --extra openai

.PHONY: help run setup test check e2e faults fuzz conformance conformance-server fmt bench bench-executions evaluate docker docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## set up, then start everything on this machine
	@exec $(BIN)/python -m caddie up $(ARGS)

setup: $(STAMPS)/base $(STAMPS)/project $(PAGE) ## virtual environment, packages, web client

test: $(STAMPS)/test $(STAMPS)/project $(PAGE) ## everything quick (in CI: everything)
	@PATH="$(NODE_PATH_PREFIX)$$PATH" npm --prefix $(WEB) run --silent test
	@# The drills by themselves: what they do to the machine must not be what the others measure their time limits by.
	@$(if $(LONG),$(BIN)/python -m pytest -n 1 -m "faults or fuzz" $(ARGS))
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not faults and not fuzz" $(ARGS)

check: $(STAMPS)/test $(STAMPS)/project $(MODULES) ## lint, types, architecture
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy --strict shared gateway caddie
	$(BIN)/python -m pytest -q tests/test_architecture.py
	PATH="$(NODE_PATH_PREFIX)$$PATH" npm --prefix $(WEB) run check

e2e: $(STAMPS)/test $(STAMPS)/project $(PAGE) ## the browser tests alone
	@$(BIN)/python -m pytest -m e2e $(ARGS)

faults: $(STAMPS)/test $(STAMPS)/project ## kill and cut parts while runs go on
	@$(BIN)/python -m pytest -m faults $(ARGS)

fuzz: $(STAMPS)/test $(STAMPS)/project ## generated input
	@$(BIN)/python -m pytest -m fuzz $(ARGS)

conformance-server: $(STAMPS)/base $(STAMPS)/project ## echo server for the official protocol suites, on port 3000
	@exec $(BIN)/python -m caddie.realtime.echo --port 3000

conformance: $(STAMPS)/base $(STAMPS)/project $(STAMPS)/node ## run those suites against it; SUITE_DIR="folder folder"
	@test -n "$(SUITE_DIR)" || { echo 'SUITE_DIR: expected the folders of the suites, got none (docs/protocol.md)' >&2; exit 1; }
	@export PATH="$(NODE_PATH_PREFIX)$$PATH"; \
	if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then echo "port 3000 is taken" >&2; exit 1; fi; \
	$(BIN)/python -m caddie.realtime.echo --port 3000 & server=$$!; \
	trap 'kill $$server 2>/dev/null || true; wait $$server || true' EXIT; \
	for attempt in {1..100}; do \
	  if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then break; fi; \
	  kill -0 $$server; sleep 0.1; \
	done; \
	failed=0; \
	for folder in $(SUITE_DIR); do \
	  npm --prefix "$$folder" install --no-audit --no-fund --loglevel error; \
	  npm --prefix "$$folder" test --loglevel error || failed=1; \
	done; \
	exit $$failed

fmt: $(STAMPS)/test ## format and fix what can be fixed
	$(BIN)/python -m ruff check --fix-only --quiet .
	$(BIN)/python -m ruff format .

bench: $(STAMPS)/base $(STAMPS)/project $(STAMPS)/node ## delivery measured against its peers (ARGS=--long: steady figures), and MODEL's score
	@PATH="$(NODE_PATH_PREFIX)$$PATH" $(BIN)/python -m bench $(ARGS)
	@$(BIN)/python -m bench.evaluation --brief --model $(MODEL)

bench-executions: $(STAMPS)/base $(STAMPS)/project ## what running workflows costs a worker; ARGS="--rounds 5"
	@$(BIN)/python -m bench.executions $(ARGS)

evaluate: $(STAMPS)/base $(STAMPS)/project ## requests with checks, the offline model's score; ARGS="--model NAME" for another
	@$(BIN)/python -m bench.evaluation $(ARGS)

docker: $(STAMPS)/test ## check the container files
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml

docs: $(STAMPS)/base $(STAMPS)/project ## write the generated parts of docs/
	$(BIN)/python -m caddie.manual docs/operations.md

lock: ## compile requirements/ again (needs uv); UPGRADE=--upgrade takes newer versions
	$(LOCK) $(UPGRADE) pyproject.toml requirements/build.in $(SHIPPED) -o requirements/base.txt
	$(LOCK) $(UPGRADE) pyproject.toml requirements/build.in $(SHIPPED) --extra test \
	  -c requirements/base.txt -o requirements/test.txt
	$(LOCK) $(UPGRADE) requirements/web.in -o requirements/web.txt

clean: ## remove what set-up and tests leave behind
	rm -rf $(VENV) $(WEB)/node_modules gateway/static caddie.egg-info build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@for candidate in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	  $(if $(PYTHON),echo "PYTHON=$$candidate is not Python 3.11 or later" >&2; exit 1;) \
	done; \
	if [ -z "$${found:-}" ]; then echo "Python 3.11 or later is needed, and none is on PATH: install it or name it with PYTHON=" >&2; exit 1; fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then echo "$$found has no venv module: install it (Debian: python3-venv)" >&2; exit 1; fi; \
	echo "virtual environment: $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)

$(STAMPS)/base: requirements/base.txt | $(BIN)/python
	@echo "packages"
	@$(PIP) install --quiet --require-hashes -r requirements/base.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: requirements/test.txt requirements/base.txt | $(BIN)/python
	@echo "packages, also those of the tests"
	@$(PIP) install --quiet --require-hashes -r requirements/test.txt
	@mkdir -p $(STAMPS) && touch $(STAMPS)/base $@

# setuptools comes with the requirements, so that this needs no download
$(STAMPS)/project: pyproject.toml | $(BIN)/python
	@$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/node: requirements/web.txt | $(BIN)/python
	@mkdir -p $(STAMPS)
	@if node -e '$(NODE_FITS)' 2>/dev/null && npm --version >/dev/null 2>&1; then \
	  : > $@; \
	else \
	  echo "no fitting Node on this machine: taking the one of a pip wheel"; \
	  $(PIP) install --quiet --require-hashes -r requirements/web.txt; \
	  echo "$(abspath $(BIN)):" > $@; \
	fi

$(MODULES): $(WEB)/package-lock.json $(STAMPS)/node
	@echo "packages of the web client"
	@PATH="$(NODE_PATH_PREFIX)$$PATH" npm ci --prefix $(WEB) --no-audit --no-fund --loglevel error
	@touch $@

$(PAGE): $(MODULES) $(WEB_SOURCES)
	@echo "web client"
	@PATH="$(NODE_PATH_PREFIX)$$PATH" npm --prefix $(WEB) run --silent build
	@touch $@
