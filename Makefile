# make demo       a shop mirror on SQLite in one command   (make demo ARGS=--no-serve)
# make test       every test this machine can run          (make test ARGS="-k demo")
# make services   MariaDB and Redis, where they are missing (Debian, Ubuntu)
# make stack      the demo on MariaDB and Redis: web, worker, beat
# make bench      the benchmarks, small                    (make bench ARGS="--rows 1000000")
# make openapi    write docs/openapi.yaml anew
# make clients    generate, check and drive a Python and a TypeScript client, and Swagger
# make schemathesis  what the schema promises, asked of a running server (make schemathesis ARGS="--seeds 1 2 3 -n 30")
# make fuzz       every parser against a fuzzer            (make fuzz ARGS="--minutes 10")
# make chaos      kill workers, database and broker        (make chaos ARGS="--storm 200")
# make model      long histories against a plain model     (make model ARGS="--examples 50")
# make mutations  take the engine's safeguards away; each must be missed

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test services stack bench openapi clients schemathesis fuzz chaos model mutations lint types clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(VENV)/.demo
	@$(BIN)/python example_project/manage.py demo $(ARGS)

test: $(VENV)/.test
	@$(BIN)/python tests/run.py $(ARGS)

services:
	@.ci/services

stack: $(VENV)/.mysql
	@$(BIN)/python example_project/stack.py

bench: $(VENV)/.test
	@$(BIN)/python benchmarks/reading.py $(ARGS)
	@$(BIN)/python benchmarks/syncing.py $(ARGS)
	@$(BIN)/python benchmarks/shapes.py $(ARGS)
	@$(BIN)/python benchmarks/duplicates.py --rows 20000
	@$(BIN)/python benchmarks/serving.py --seconds 0.3 $(ARGS)

openapi: $(VENV)/.test
	@$(BIN)/python -m tests.openapi

clients: $(VENV)/.clients
	@$(BIN)/python -m pytest -m clients tests/clients $(ARGS)

schemathesis: $(VENV)/.schemathesis
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.live.conformance $(ARGS)

fuzz: $(VENV)/.fuzz
	@$(BIN)/python fuzz/run.py $(ARGS)

chaos: $(VENV)/.test
	@$(BIN)/python tests/chaos/run.py $(ARGS)

model: $(VENV)/.test
	@$(BIN)/python -m tests.model.run $(ARGS)

mutations: $(VENV)/.test
	@$(BIN)/python -m tests.chaos.mutations $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .tox dist example_project/var .mypy_cache .ruff_cache .pytest_cache

# A stamp in the environment says which group is installed; pyproject.toml makes it old.
$(VENV)/.schemathesis $(VENV)/.demo $(VENV)/.test $(VENV)/.dev $(VENV)/.fuzz $(VENV)/.clients: $(VENV)/.%: pyproject.toml | $(VENV)/.made
	@echo "Installing the $* environment into $(VENV) ..."
	@$(INSTALL) --group $* --editable .
	@touch $@

$(VENV)/.mysql: $(VENV)/.demo
	@$(INSTALL) --editable '.[mysql]' || { echo "mysqlclient cannot be built; run 'make services' first." >&2; exit 1; }
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --upgrade 'pip>=25.1'
	@touch $@
