# berry: `make quickstart` to see it work, `make test` before a change goes in.
.PHONY: help setup quickstart test check bench fmt clean
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready

help:
	@echo "make quickstart   set up, then run configs/quickstart.yaml with a real model on the CPU"
	@echo "make test         set up, then linters, types and all tests"
	@echo "make check        linters and types only"
	@echo "make bench        measure, and write benchmarks/README.md (hours)"
	@echo "make fmt          format the code"

$(READY): requirements/cpu.lock requirements/setup.sh pyproject.toml
	requirements/setup.sh
	@touch $@

setup: $(READY)

quickstart: $(READY)
	$(BIN)/berry run configs/quickstart.yaml

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest -n 2 --no-loadscope-reorder --durations=15

bench: $(READY)
	$(BIN)/python -m benchmarks

fmt: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
