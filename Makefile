# `make demo` and `make test` need nothing but Python 3.9 or newer with pip and venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test test-slow test-all lint docs contract bench clean

demo: $(VENV)/.demo
	@$(BIN)/teamwire-sync demo

# Some tests wait for other processes: three workers keep two cores busy.
PYTEST = -m pytest -q -n 3 --dist worksteal -r fEs -o console_output_style=classic
# What runs the tests: python, or coverage.
RUN ?= $(BIN)/python

# For some of them: make test ARGS="tests/promises -k create"
test: $(VENV)/.dev
	$(RUN) $(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev
	$(RUN) $(PYTEST) -m slow $(ARGS)

test-all: $(VENV)/.dev
	$(BIN)/coverage erase
	$(MAKE) test RUN="$(BIN)/coverage run"
	$(MAKE) test-slow RUN="$(BIN)/coverage run"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy teamwire_sync

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -n -q -b html docs site

# After each change of openapi.yaml.
contract: $(VENV)/.dev
	$(BIN)/python .ci/contract.py

# The whole of it takes four minutes and writes docs/performance.md; BENCH=--quick is a try.
BENCH ?= --markdown
bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks $(BENCH)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: setup.cfg setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --use-pep517 --editable '.[demo]'
	@touch $@

$(VENV)/.dev: setup.cfg setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --use-pep517 --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache \
		.ruff_cache .schemathesis
