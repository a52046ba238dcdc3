# `make demo` and `make test` do all of their own set-up from a bare clone. `make help` lists the rest.
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    ?= .venv
WORKERS ?= 2
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
EXTRAS  := dev,demo,sbml,trial
PIP     := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint format types proto check bench qualify docs clean distclean

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# The stamp makes installation rerun only when what is installed changes.
$(STAMP): pyproject.toml deploy/constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing the pinned dependencies into $(VENV)"
	@$(PIP) install --quiet --editable '.[$(EXTRAS)]' --constraint deploy/constraints.txt
	@touch $@

setup: $(STAMP)  ## create the virtual environment and install everything pinned

demo: $(STAMP)  ## start a server, stream real patients in, write demo-output/
	$(BIN)/twin demo --out demo-output --json demo-output/summary.json

test: lint types  ## format, rules, types, then the default test run (two workers)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -q

test-slow: $(STAMP)  ## the long suites
	$(BIN)/python -m pytest -m slow -q

lint: $(STAMP)  ## ruff: format and rules
	$(BIN)/ruff format --check twin_service clients tests
	$(BIN)/ruff check twin_service clients tests

format: $(STAMP)  ## sort imports, apply the safe fixes, format
	$(BIN)/ruff check --fix twin_service clients tests
	$(BIN)/ruff format twin_service clients tests

types: $(STAMP)  ## mypy, strict, every file of the package and the client
	$(BIN)/python -m mypy

proto: $(STAMP)  ## regenerate twin_service/v1 from proto/ and lint the contract
	cd proto && ../$(BIN)/buf lint
	$(BIN)/python proto/generate.py

check: test  ## everything a change must pass

bench: $(STAMP)  ## measure the engine against its peers (installs them)
	$(PIP) install --quiet --editable '.[$(EXTRAS),bench]' --constraint deploy/constraints.txt
	$(BIN)/twin bench engine

docs: $(STAMP)  ## write the reference pages and build the site (installs mkdocs-material)
	$(BIN)/python deploy/docs/generate.py
	$(PIP) install --quiet --editable '.[docs]' --constraint deploy/constraints.txt
	$(BIN)/mkdocs build --quiet --strict --config-file deploy/docs/mkdocs.yml

qualify: $(STAMP)  ## re-run every library check against its published studies
	$(BIN)/twin qualify --out qualification-output

clean:  ## remove what runs leave behind
	rm -rf demo-output qualification-output build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find twin_service clients tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## also remove the virtual environment
	rm -rf $(VENV)
