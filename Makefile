# `make demo` and `make test` need nothing but Python 3.9 or newer with pip and venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test test-slow test-all lint lint-contract docs contract bench clean

demo: $(VENV)/.demo
	@$(BIN)/teamwire-sync demo

# Some tests wait for other processes: more workers than cores keep all cores busy.
PYTEST = -m pytest -q --dist worksteal -r fEs -o console_output_style=classic
# The versions of the double of the vendor's SDK: the newest, and both for test-all.
export VENDOR_VERSIONS ?= 1.8
test-all: export VENDOR_VERSIONS = 1.4 1.8
# What runs the tests: python, or coverage.
RUN ?= $(BIN)/python

# For some of them: make test ARGS="tests/promises -k create"
test: $(VENV)/.dev
	$(RUN) $(PYTEST) -n 4 -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev
	$(RUN) $(PYTEST) -n 3 -m slow $(ARGS)

test-all: $(VENV)/.dev
	$(BIN)/coverage erase
	$(MAKE) test RUN="$(BIN)/coverage run"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(MAKE) test-slow

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy teamwire_sync
	@if $(HAS_NODE); then \
		$(MAKE) --no-print-directory lint-contract; \
	else \
		echo "npm with Node.js 20.19 or newer is not installed: openapi.yaml is not checked"; \
		test "$$CI" != true; \
	fi

REDOCLY = 2.77.0
HAS_NODE = command -v npm >/dev/null && node -e \
	"process.exit(+(process.versions.node.localeCompare('20.19', 'en', {numeric: true}) < 0))"

# Without these variables, redocly reports its use, and looks for a newer version of itself.
lint-contract: $(VENV)/openapi-tools/redocly-$(REDOCLY)
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $</node_modules/.bin/redocly lint

$(VENV)/openapi-tools/redocly-$(REDOCLY):
	npm install --prefix $@.new --silent --no-audit --no-fund --ignore-scripts @redocly/cli@$(REDOCLY)
	mv $@.new $@

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -n -q -b html docs site

# After each change of openapi.yaml.
contract: $(VENV)/.dev
	$(BIN)/python .ci/contract.py

# The whole of it takes six minutes and writes docs/performance.md; BENCH=--quick is a try.
BENCH ?= --markdown
bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks $(BENCH)

TOO_OLD = teamwire_sync needs Python 3.9 or newer, and $(PYTHON) is Python %d.%d: run make again with \
	another one, such as PYTHON=python3.13
$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; v >= (3, 9) or sys.exit('$(TOO_OLD)' % v)"
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Each is an extra of setup.cfg. dev contains the two others.
$(VENV)/.demo $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: setup.cfg setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --use-pep517 --editable '.[$*]'
	@touch $@ $(if $(filter %.dev,$@),$(VENV)/.demo $(VENV)/.docs)

clean:
	rm -rf $(VENV) build dist site *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache \
		.ruff_cache .schemathesis
