# Everything below sets up what it needs: a virtual environment in .venv, then the packages of requirements*.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ENV := DEBUG=true LOG_LEVEL=WARNING DATABASE_URL=sqlite:///$(CURDIR)/demo/demo.sqlite3
HOST ?= 127.0.0.1
PORT ?= 8000

.PHONY: help demo test fuzz-api lint check bench screenshots requirements clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: $(VENV)/.installed ## Run everything on SQLite with demo data at http://127.0.0.1:8000
	@mkdir -p demo
	@$(DEMO_ENV) $(BIN)/python manage.py migrate --verbosity 0 --skip-checks
	@$(DEMO_ENV) $(BIN)/python manage.py load_demo
	@($(DEMO_ENV) $(BIN)/python manage.py create_client agent --user agent 2>/dev/null || \
		$(DEMO_ENV) $(BIN)/python manage.py create_client agent --rotate) | sed 's/^/AGENT_/' > demo/agent.env
	@set -a; . demo/agent.env; AGENT_API_URL=http://$(HOST):$(PORT)/api; DEBUG=true; LOG_LEVEL=ERROR; \
		(sleep 3; exec $(BIN)/python manage.py agent --interval 5) & agent=$$!; trap "kill $$agent 2>/dev/null" EXIT INT TERM; \
	$(DEMO_ENV) $(BIN)/granian --interface wsgi --host $(HOST) --port $(PORT) --workers 1 --blocking-threads 4 --backpressure 64 \
		--log-level warning releng.wsgi:application

# On PostgreSQL only what asks this database is run again: pure tests, and those with servers of their own, are not.
# Long tests that either database can answer are then asked of PostgreSQL alone.
test: $(VENV)/.installed-dev ## Run all tests on SQLite, and on PostgreSQL when TEST_DATABASE_URL is set
	env -u TEST_DATABASE_URL $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(if $(TEST_DATABASE_URL),-m "not either") $(PYTEST_ARGS)
	@if [ -n "$$TEST_DATABASE_URL" ]; then $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m database $(PYTEST_ARGS); \
	else echo "TEST_DATABASE_URL is not set: the run on PostgreSQL is left out."; fi

fuzz-api: $(VENV)/.installed-dev ## Ask the whole API many made-up requests (FUZZ_EXAMPLES for each operation)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-300} $(BIN)/pytest -n 2 tests/api/test_fuzz.py $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict releases/blobs rules/engine
	DEBUG=true $(BIN)/mypy --cache-dir=/dev/null history releases rules releng

check: $(VENV)/.installed-dev ## Django's own checks, with production settings; migrations complete
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
		ALLOWED_HOSTS=updates.example DATABASE_URL=sqlite:///$(CURDIR)/build/check.sqlite3 \
		sh -c 'mkdir -p build && $(BIN)/python manage.py migrate --verbosity 0 && \
		$(BIN)/python manage.py check --deploy --fail-level WARNING'
	DEBUG=true $(BIN)/python manage.py makemigrations --check --dry-run --skip-checks

bench: $(VENV)/.installed-dev ## Benchmarks, printed as tables (BENCH_DATA names a folder with larger data)
	$(BIN)/python -m tests.bench

screenshots: $(VENV)/.installed-dev ## Pictures of the main pages into build/screenshots, and those of the README
	SCREENSHOTS=build/screenshots $(BIN)/pytest -q -n 0 tests/browser/test_screenshots.py

requirements: $(VENV)/.installed-dev ## Pin requirements*.in again
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links --no-header -o requirements.txt requirements.in
	$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links --no-header -o requirements-dev.txt requirements-dev.in

clean: ## Remove what was made here: environment, demo database, caches
	rm -rf $(VENV) demo build staticfiles .pytest_cache .mypy_cache .ruff_cache .hypothesis *.sqlite3*
