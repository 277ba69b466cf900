# The commands: `make demo` grows the default sweep, `make reproduce` the published results, `make test` passes the tests. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Lineages and tests run side by side, one numerical thread each; more would fight for the processors.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo reproduce test check setup lock clean

demo: setup
	python -m flows.sweep

# Grow the presets that want no GPU and no data of yours, about three quarters of an hour, and say which published results they reproduce.
reproduce: setup
	python -m flows.reproduce --all

# Two at a time: many tests wait for servers and worker processes. Tests of one file stay together, in its order, and
# files in theirs: those with few and long tests come first, so that neither process is left with them at the end.
test: setup
	pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: setup
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	dwindle plan --check

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'dwindle needs Python 3.11 or newer')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $@

# Compile the lock anew from pyproject.toml. torch loses its local label, so that any index's build of it will do; the
# extras of this package that `dev` names are no line of it.
lock:
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --strip-extras --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --allow-unsafe --output-file requirements.lock pyproject.toml
	sed -i -e 's/^\(torch==[0-9.]*\)+.*/\1/' -e '/^dwindle @/d' -e '/^#/d' -e '/^$$/d' requirements.lock

clean:
	rm -rf data models metrics plots reproduced mlflow.db mlartifacts .dwindle
