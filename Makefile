PYTHON ?= python

.PHONY: install fix check test e2e docs run bench

install:  ; $(PYTHON) -m pip install -r requirements-dev.txt
fix:      ; $(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .
check:    ; $(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy && lint-imports
test:     ; $(PYTHON) -m pytest
e2e:      ; $(PYTHON) -m pytest -m e2e
docs:     ; PYTHONPATH=. $(PYTHON) tests/write_docs.py
run:      ; $(PYTHON) app.py
bench:    ; $(PYTHON) -m explorer bench
