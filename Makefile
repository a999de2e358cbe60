# make chat    install, index the bundled sample (or CORPUS=/path/to/articles) and open the chat page
# make test    the tests · make lint    formatting, lint and types · make bench    the measurements
#
# PYTHON=python3.12          another interpreter (3.11 or newer)
# TORCH_INDEX=https://…      PyTorch's index of CPU builds; on Linux the plain one brings CUDA, gigabytes of it
# ARGS="--port 8000"         more options: of `tanya serve` for chat, of pytest for test

PYTHON ?= python3
CORPUS ?=
TORCH_INDEX ?=
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

export CORPUS

.PHONY: chat test lint bench clean

chat: .venv/installed
	@set -e; index=.tanya/default; corpus=corpus; \
	if [ -n "$$CORPUS" ]; then \
	  corpus=$$CORPUS; \
	  [ -e "$$corpus" ] || { echo "There is no file or folder $$corpus. Name one: make chat CORPUS=/path/to/articles" >&2; exit 1; }; \
	  index=.tanya/$$($(BIN)/python -c 'import hashlib, os, sys; print(hashlib.sha256(os.path.realpath(sys.argv[1]).encode()).hexdigest()[:12])' "$$corpus"); \
	fi; \
	$(BIN)/tanya index "$$corpus" --index "$$index" --prune; \
	exec $(BIN)/tanya serve --index "$$index" $(ARGS)

test: .venv/installed-dev
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv .tanya

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tanya needs Python 3.11 or newer, this is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# Each stamp is older than what it was made from as soon as that changes, so make installs again only then.
.venv/torch: constraints.txt | .venv/bin/python
	$(if $(TORCH_INDEX),$(PIP) torch --index-url $(TORCH_INDEX))
	@touch $@

.venv/installed: pyproject.toml constraints.txt .venv/torch
	@echo "Installing Tanya into .venv; the first time this takes a few minutes."
	$(PIP) --editable .
	@touch $@

.venv/installed-%: .venv/installed
	$(PIP) --editable '.[$*]'
	@touch $@
