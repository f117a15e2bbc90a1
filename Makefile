# Two commands do everything: `make demo` shows it, `make test` proves it.
#
# Both build .venv beside this file first; a stamp in it makes the second run quick.
# PYTHON, HOST and PORT can be given: make demo PORT=9000 PYTHON=python3.13

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8080

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
DEMO := examples/departures
INPUTS := pyproject.toml hatch_build.py $(wildcard src/flask_sluice/formats/_*.[ch]) $(DEMO)/requirements.txt scripts/environment

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo packages test lint docs bench clean

help: ## say what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

$(VENV)/.demo-ready: $(INPUTS)
	@PYTHON="$(PYTHON)" scripts/environment $(VENV) demo
	@touch $@

$(VENV)/.dev-ready: $(INPUTS)
	@PYTHON="$(PYTHON)" scripts/environment $(VENV) dev
	@touch $@ $(VENV)/.demo-ready

demo: $(VENV)/.demo-ready ## install, load the real flights, serve them on PORT (8080)
	@BIN="$(BIN)" scripts/demo "$(HOST)" "$(PORT)"

packages: # programs and headers, which the environment's own builds need, too
	@PYTHON="$(PYTHON)" scripts/debian-packages

test: packages $(VENV)/.dev-ready ## install what the tests need, then run every check
	@BIN="$(BIN)" scripts/check

lint: $(VENV)/.dev-ready ## ruff, mypy and the import contracts
	@BIN="$(BIN)" scripts/check lint

docs: $(VENV)/.dev-ready ## build docs/_build/html, warnings are errors
	@BIN="$(BIN)" scripts/check docs

bench: $(VENV)/.dev-ready ## measure, as a table and a picture
	@"$(BIN)/python" -m benchmarks

clean: ## remove the environment, the caches and what was built
	rm -rf $(VENV) build dist docs/_build $(DEMO)/instance
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
