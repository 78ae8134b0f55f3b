# Builds, tests and packages the extension. Needs Rust, Python 3.11 or newer, make and a C compiler; the versions of
# everything else are pinned in Cargo.lock, extension-ci/requirements-*.txt and test/node/package.json.

PYTHON ?= python3
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := build/venv
TESTED := $(shell awk '$$2 == "tested" { sub("v", "", $$1); print $$1 }' extension-ci/duckdb_versions.txt)
TOO_OLD := 1.3.2
DEMO_VERSION := 1.5.6

ifeq ($(OS),Windows_NT)
LIBRARY := amazing.dll
else ifeq ($(shell uname -s),Darwin)
LIBRARY := libamazing.dylib
else
LIBRARY := libamazing.so
endif

.DEFAULT_GOAL := help
.PHONY: help release debug demo test bench bench-categories bench-kmeans bench-marketplace lint format docs venvs clean
.DELETE_ON_ERROR:

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

release: ## Builds build/release/amazing.duckdb_extension and the local repository build/repo
	$(CARGO) build --release
	@$(PYTHON) extension-ci/package.py --library $(TARGET)/release/$(LIBRARY)

debug: ## Builds build/debug/amazing.duckdb_extension
	$(CARGO) build
	@$(PYTHON) extension-ci/package.py --library $(TARGET)/debug/$(LIBRARY) --kind debug

demo: release $(VENV)/$(DEMO_VERSION)/.ready ## Builds a shop and a games platform from generated events: build/demo/*.duckdb
	@$(VENV)/$(DEMO_VERSION)/bin/python extension-ci/demo.py

test: release venvs ## Runs all tests on every supported DuckDB; `make test SUITES=sql-2.0.0` runs some
	@$(PYTHON) extension-ci/run_tests.py $(SUITES)

bench: bench-categories bench-kmeans ## Prints the tables of the documentation that benchmarks make

bench-categories: release $(VENV)/bench/.ready ## Prints the tables of docs/categories.md: quality, and speed beside peers
	@$(CARGO) bench --bench category_quality
	@$(VENV)/bench/bin/python benches/categories/speed.py

bench-kmeans: release $(VENV)/bench/.ready ## Prints the table of docs/benchmarks.md: segments of a table, beside scikit-learn
	@$(VENV)/bench/bin/python benches/whole_query.py --extension build/release/amazing.duckdb_extension

bench-marketplace: release $(VENV)/bench/.ready ## Prints the table of docs/benchmarks.md: from files to segments, beside pandas
	@$(VENV)/bench/bin/python benches/marketplace.py --extension build/release/amazing.duckdb_extension

lint: $(VENV)/lint/.ready ## Checks format and style of Rust, SQL and Python
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(VENV)/lint/bin/sqlfluff lint --disable-progress-bar sql
	$(VENV)/lint/bin/ruff check --no-cache --config extension-ci/ruff.toml extension-ci test
	$(VENV)/lint/bin/ruff format --no-cache --check --config extension-ci/ruff.toml extension-ci test

format: $(VENV)/lint/.ready ## Formats Rust and Python
	$(CARGO) fmt
	$(VENV)/lint/bin/ruff check --no-cache --fix --config extension-ci/ruff.toml extension-ci test
	$(VENV)/lint/bin/ruff format --no-cache --config extension-ci/ruff.toml extension-ci test

docs: ## Writes what is generated: docs/functions.md, examples.test, install.sql, 00_raw.sql, build.sql
	AMAZING_BLESS=1 $(CARGO) test --test generated

venvs: $(foreach version,$(TESTED) $(TOO_OLD),$(VENV)/$(version)/.ready) ## Makes the Python environments of the tests
	@# Not every platform has packages of PostgreSQL: its tests are skipped without this environment.
	@$(MAKE) -s $(VENV)/postgresql/.ready || echo "no PostgreSQL: its tests will be skipped"

# The stamp is the last thing written: an environment whose installation was cut short is made anew.
$(VENV)/%/.ready: extension-ci/requirements-%.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "python environment $*"
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## Removes everything that was built
	$(CARGO) clean
	rm -rf build
