# findalike: `make` lists what there is. Nothing here needs more than Python, pip and this folder.

PYTHON ?= python3
VENV ?= .venv
DATA ?= ../shared/data
ARGS ?=
UV ?= $(shell command -v uv 2>/dev/null)

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WITH_TORCH := $(VENV)/.with-torch
PYTHON_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
BENCHMARKS := start ingest query store server memory evaluate

COMMA := ,
ifneq ($(UV),)
define install
@test -x $(BIN)/python || $(UV) venv --quiet --seed --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(1)]'
endef
else
define install
@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(1)]'
endef
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt bench eval results docs constraints clean

help: ## Say what each target does
	@echo "findalike: find the pictures that look alike, offline."
	@echo
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1 /' \
	  | while read -r name words; do printf '  make %-12s %s\n' "$$name" "$$words"; done
	@echo
	@echo "  PYTHON=python3.12 picks the interpreter (3.11 to 3.13; now $(PYTHON)), VENV=DIR the environment"
	@echo "  ($(VENV)), UV= does without uv, DATA=DIR names the picture sets of eval and results ($(DATA)),"
	@echo "  ARGS=... is handed to pytest: make test ARGS=tests/test_query.py; -n 0 runs one test after another"

setup: $(INSTALLED) ## Install findalike and what its developers need into .venv

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c '$(PYTHON_RANGE)' || { \
	  echo "findalike needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is not one of them;" \
	    "name one: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	$(call install,dev$(COMMA)demo)
	@touch $@

# PyTorch is large, and the tests of training alone need it.
$(WITH_TORCH): $(INSTALLED)
	$(call install,dev$(COMMA)demo$(COMMA)train)
	@touch $@

demo: setup ## Index real photographs, search them, write contact sheets to findalike-demo
	$(BIN)/findalike demo

test: $(WITH_TORCH) ## Run all tests; those that need picture sets skip where ../shared/data is not there
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: setup ## Lint, formatting, types, layers and documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check.py

fmt: setup ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Measure start, ingest, queries, store, server, memory and the judge (half an hour); JSON in out/
	@mkdir -p out
	@for name in $(BENCHMARKS); do \
	  echo; echo "benchmarks/$$name.py"; \
	  $(BIN)/python benchmarks/$$name.py --json out/$$name.json || exit 1; \
	done

eval: setup ## Measure retrieval on labelled pictures (DATA); JSON in out/
	@mkdir -p out
	$(BIN)/python benchmarks/retrieval.py $(DATA) --json out/retrieval.json
	$(BIN)/python benchmarks/words.py $(DATA) --json out/words.json
	$(BIN)/python benchmarks/focus.py $(DATA) --json out/focus.json
	$(BIN)/python benchmarks/boxes.py $(DATA) --json out/boxes.json
	$(BIN)/python benchmarks/faces.py $(DATA) --json out/faces.json
	$(BIN)/python benchmarks/videos.py $(DATA) --json out/videos.json

results: setup ## Write docs/results.md: every method on labelled pictures (DATA)
	$(BIN)/python benchmarks/results.py $(DATA)

docs: setup ## Write the generated parts of docs/ and the picture of the README anew
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/picture.py

constraints: ## Resolve all dependencies anew and write constraints.txt
	rm -rf out/constraints && mkdir -p out
	$(PYTHON) -m venv out/constraints
	out/constraints/bin/python -m pip install --quiet --upgrade pip
	out/constraints/bin/python -m pip install --quiet '.[dev,demo,train]'
	{ sed -n '/^#/p' constraints.txt; \
	  out/constraints/bin/python -m pip freeze --exclude findalike | LC_ALL=C sort -f; } > out/constraints.txt
	mv out/constraints.txt constraints.txt
	rm -rf out/constraints

clean: ## Remove the environment, caches and what was built
	rm -rf $(VENV) out build dist findalike-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
