# berry: run `make quickstart` to try it, and `make test` before each change is merged.
.PHONY: help setup quickstart test check coverage docs bench fmt clean
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready

help:
	@echo "make quickstart   set up, then run configs/quickstart.yaml with a real model on the CPU"
	@echo "make test         set up, then run linters, type checks and all tests"
	@echo "make coverage     run all tests, measure coverage and fail under a floor (40% slower)"
	@echo "make check        run only the linters, type checks and dependency checks"
	@echo "make docs         build the documentation site in site/"
	@echo "make bench        run the benchmarks and write benchmarks/README.md (takes hours)"
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
	$(BIN)/deptry .

docs: $(READY)
	$(BIN)/mkdocs build --strict

test: check
	requirements/browser.sh
	$(BIN)/pytest -n 2 --no-loadscope-reorder --durations=25

coverage: $(READY)
	requirements/browser.sh
	$(BIN)/pytest -n 2 --no-loadscope-reorder --cov --cov-report=term

bench: $(READY)
	$(BIN)/python -m benchmarks

fmt: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
