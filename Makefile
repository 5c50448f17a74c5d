# Two commands: `make demo` and `make test`. Each installs what it needs into .venv first.
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
            command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint types unit static bench soak simulate lock clean

demo: .venv/runtime
	$(BIN)/tag-gateway demo

test: lint types unit

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: .venv/dev
	$(BIN)/mypy

unit: .venv/dev
	$(BIN)/python -m gateway.web.snippet
	$(BIN)/python -m tests.browsers
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --cov --cov-report=term

static: .venv/dev
	$(BIN)/python -m tests.minified

bench: .venv/dev
	$(BIN)/python -m bench

soak: .venv/dev
	$(BIN)/python -m bench.soak

simulate: .venv/dev
	$(BIN)/python -m bench.simulate

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --upgrade --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --upgrade --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -o requirements/dev.txt

clean:
	rm -rf .venv

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "tag-gateway needs Python 3.11 or newer: install it and run make again" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/runtime: requirements/runtime.txt pyproject.toml | .venv/bin/python
	@echo "Installing what it needs into .venv, once: a minute or two"
	$(PIP) --require-hashes -r requirements/runtime.txt
	$(PIP) --no-deps -e .
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	@echo "Installing what it needs into .venv, once: a minute or two"
	$(PIP) --require-hashes -r requirements/dev.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ .venv/runtime
