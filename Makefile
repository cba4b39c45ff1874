PYTHON ?= python

.PHONY: install fix check test e2e fuzz soak docs run bench

install:  ; $(PYTHON) -m pip install -r requirements-dev.txt
fix:      ; $(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .
check:    ; $(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy && lint-imports
test:     ; $(PYTHON) -m pytest
e2e:      ; $(PYTHON) -m pytest -m e2e
fuzz:     ; EXPLORER_FUZZ_CASES=$${EXPLORER_FUZZ_CASES:-5000} $(PYTHON) -m pytest tests/property/test_fuzz.py tests/property/test_http_fuzz.py
soak:     ; $(PYTHON) tests/soak.py
docs:     ; PYTHONPATH=. $(PYTHON) tests/write_docs.py
run:      ; $(PYTHON) app.py
bench:    ; $(PYTHON) -m explorer bench
