# Every target sets itself up: on a fresh machine, Python 3.11 or newer and make are enough.
.DEFAULT_GOAL := help
.PHONY: help quickstart test check benchmark clean environment

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED = $(MAKE) --no-print-directory --silent environment && $(MAKE) --no-print-directory --silent

help:
	@echo "make quickstart  tune a classifier, then a remote training service (examples/)"
	@echo "make test        run the tests, with coverage        (ARGS='-k name' hands words to pytest)"
	@echo "make check       lint, formatting and types"
	@echo "make benchmark   speed and quality against Optuna and Rustuna   (ARGS=--quick for a taste)"
	@echo "make clean       remove .venv and everything that was generated"

quickstart:
	@$(INSTALLED) $(VENV)/.installed-examples
	$(RUN) examples/quickstart.py
	$(RUN) examples/remote_service.py

# As many processes as cores: threads of linear algebra in each of them would only wait for each other.
test:
	@$(INSTALLED) $(VENV)/.installed-test
	OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist worksteal --cov --cov-report=term --cov-report=json:.coverage.json $(ARGS)
	@$(RUN) tests/line_coverage.py .coverage.json 95

check:
	@$(INSTALLED) $(VENV)/.installed-test $(VENV)/.installed-check
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m basedpyright

benchmark:
	@$(INSTALLED) $(VENV)/.installed-benchmark
	$(RUN) -m benchmarks.speed $(ARGS)
	$(RUN) -m benchmarks.storages $(ARGS)
	$(RUN) -m benchmarks.quality $(ARGS)

clean:
	rm -rf $(VENV) build dist .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A fresh .venv where there is none, where its Python no longer runs or has no pip, and where another
# version was asked for by name (PYTHON=python3.13). Runs each time, so it is quick when all is well.
environment:
	@command -v "$(PYTHON)" > /dev/null || \
	  { echo "ahpo needs Python 3.11 or newer, and there is no '$(PYTHON)': name one, as in 'make PYTHON=/path/to/python3.12 ...'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else 1)' || \
	  { echo "ahpo needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -c 'import sys; print(sys.version.split()[0])'): name a newer one, as in 'make PYTHON=/path/to/python3.12 ...'." >&2; exit 1; }
ifeq ($(origin PYTHON),file)
	@$(RUN) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || \
	  { echo "Creating $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
else
	@wanted=$$($(PYTHON) -c 'import sys; print(sys.version_info[:2])'); \
	found=$$($(RUN) -c 'import pip, sys; print(sys.version_info[:2])' 2> /dev/null || true); \
	[ "$$wanted" = "$$found" ] || { echo "Creating $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
endif

# A stamp says that .venv holds this extra as pyproject.toml asks for it. (`environment` has run in a
# make of its own before: what make believes of a file's age it looks up once, before .venv is renewed.)
$(VENV)/.installed-%: pyproject.toml
	@echo "Installing ahpo[$*] into $(VENV)"
	@$(RUN) -m pip install --quiet --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
