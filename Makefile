# make study | make demo | make test: each, alone, on a fresh machine with Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs

.PHONY: setup study demo test bench clean

setup: $(VENV)/.installed

# Exactly the pinned versions; -c on every call, or an unconstrained dependency may swap torch for another build.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "notbugs needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-page: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[page]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

demo: $(VENV)/.installed-page
	$(BIN)/notbugs demo

study: $(VENV)/.installed
	$(BIN)/notbugs study --out $(OUT)

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder
	OMP_NUM_THREADS=1 $(BIN)/pytest --quiet --doctest-modules src

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run $(if $(DATA_ROOT),--data-root $(DATA_ROOT))

clean:
	rm -rf $(VENV) build dist
