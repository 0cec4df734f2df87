# Needs make and Python 3.11 or newer; everything else is installed into .venv.
# `make help` lists what there is.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test check bench clean requirements

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq

help: ## list these commands
	@echo "Market Data Service"
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24
	@echo
	@echo "  make run PORT=8080              another port (default 8000)"
	@echo "  make run VENDORS=real           the vendors themselves, with your keys"
	@echo "  make run REPLAY=DIR SPEED=60    recorded sessions, 60 times as fast as they were"
	@echo "  make test ARGS='-k cursor'      arguments for pytest"

run: $(INSTALLED) ## start everything: sandbox, collection, web; Ctrl-C stops it
	@$(BIN)/python -m deploy.launch

test: $(INSTALLED_DEV) ## run the tests in every lane this machine can run
	@$(BIN)/python -m tests.lanes $(ARGS)

check: $(INSTALLED_DEV) ## style, types, floors, migrations, settings, API schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

bench: $(INSTALLED_DEV) ## run the benchmarks and print their table
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove the virtual environment and what tools left; var/ (your data) stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

requirements: $(INSTALLED_DEV) ## pin requirements.in and requirements-dev.in anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
		--custom-compile-command "make requirements" $(ARGS) \
		requirements.in --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
		--custom-compile-command "make requirements" $(ARGS) \
		requirements-dev.in --output-file requirements-dev.txt

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "This needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python"; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "This needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment (Debian: python3-venv)."; \
		exit 1; }

$(INSTALLED): requirements.txt | $(BIN)/python
	@echo "Installing what the service needs into $(VENV) ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt $(INSTALLED)
	@echo "Installing what tests and checks need into $(VENV) ..."
	@$(PIP) -r requirements.txt -r requirements-dev.txt
	@touch $@
