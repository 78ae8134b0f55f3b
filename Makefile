# Builds, tests and packages the extension. Needs Rust, Python 3.11 or newer, make and a C compiler; the versions of
# everything else are pinned in Cargo.lock, extension-ci/requirements-*.txt and test/node/package.json.

PYTHON ?= python3
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := build/venv
TESTED := $(shell awk '$$2 == "tested" { sub("v", "", $$1); print $$1 }' extension-ci/duckdb_versions.txt)
QUICK := $(shell awk '$$2 == "quick" { sub("v", "", $$1); print $$1 }' extension-ci/duckdb_versions.txt)
TOO_OLD := 1.3.2
DEMO_VERSION := 1.5.6
QUICK_VERSION := 2.0.1
PYTHON_CODE := benches extension-ci orchestration test packaging report sql/dbt/plugins
DBT := $(patsubst extension-ci/requirements-%.txt,%,$(wildcard extension-ci/requirements-dbt-*.txt))
# The newest one reads the databases of all others.
REPORT_VERSION := 2.0.1

BIN := bin
ifeq ($(OS),Windows_NT)
BIN := Scripts
LIBRARY := amazing.dll
else ifeq ($(shell uname -s),Darwin)
LIBRARY := libamazing.dylib
else
LIBRARY := libamazing.so
endif

.DEFAULT_GOAL := help
.PHONY: help release debug demo report dbt quick test wheel dist checksums bench bench-categories bench-kmeans bench-kernels bench-marketplace bench-features lint format docs site venvs clean
.DELETE_ON_ERROR:

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A library that is linked for an old C library runs on older Linux systems than the one that it is built on.
ifdef GLIBC
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
BUILT := $(TARGET)/$(HOST)/release/$(LIBRARY)
release: $(VENV)/wheel/.ready
	PATH="$(CURDIR)/$(VENV)/wheel/bin:$$PATH" $(CARGO) zigbuild --release --target $(HOST).$(GLIBC)
else
BUILT := $(TARGET)/release/$(LIBRARY)
release: ## Builds build/release/amazing.duckdb_extension and the local repository build/repo; `GLIBC=2.28` for older Linux
	$(CARGO) build --release
endif
	@$(PYTHON) extension-ci/package.py --library $(BUILT)

debug: ## Builds build/debug/amazing.duckdb_extension
	$(CARGO) build
	@$(PYTHON) extension-ci/package.py --library $(TARGET)/debug/$(LIBRARY) --kind debug

demo: release $(VENV)/$(DEMO_VERSION)/.ready ## Builds a shop and a games platform from generated events: build/demo/*.duckdb
	@$(VENV)/$(DEMO_VERSION)/$(BIN)/python extension-ci/demo.py

dbt: release $(DBT:%=$(VENV)/%/.ready) ## Runs all tests of the dbt project on each DuckDB that it is tested on; `make test` runs the quick ones
	@for environment in $(DBT); do echo "$$environment"; $(VENV)/$$environment/$(BIN)/python -m pytest -q -rs -p no:cacheprovider test/dbt || exit 1; done

report: release $(VENV)/$(REPORT_VERSION)/.ready ## Writes the demonstration as HTML pages, build/report/*.html; `make report DATABASE=shop.duckdb` another one
	@$(VENV)/$(REPORT_VERSION)/$(BIN)/python report/report.py $(if $(DATABASE),"$(DATABASE)")

quick: debug $(VENV)/$(QUICK_VERSION)/.ready ## Runs the Rust tests but the slowest, and the SQL tests on one DuckDB, with the debug build
	@$(PYTHON) extension-ci/run_tests.py --extension build/debug/amazing.duckdb_extension cargo-quick sql-$(QUICK_VERSION)

test: release venvs ## Runs all tests on every supported DuckDB; `make test SUITES=sql-2.0.1` runs some
	@$(PYTHON) extension-ci/run_tests.py $(SUITES)

.PHONY: clients notebook airflow valgrind distributed kills
distributed: release $(VENV)/distributed/.ready ## Fits by parts with Ray, Spark and Dask, of which a node or a worker is lost: the same bits as one process
	@$(VENV)/distributed/$(BIN)/python -m pytest -q -rs -p no:cacheprovider test/distributed

kills: release venvs ## Kills loads of Parquet and JSON files at many more random moments than `make test` does
	@AMAZING_KILLS=40 $(VENV)/$(QUICK_VERSION)/$(BIN)/python -m pytest -q -p no:cacheprovider test/python/test_foreign_schemas.py -k killed

clients: release $(VENV)/clients/.ready $(VENV)/$(DEMO_VERSION)/.ready ## Installs the clients of docs/clients.md and runs that page and the notebook
	@$(PYTHON) extension-ci/run_tests.py node clients

notebook: release $(VENV)/clients/.ready ## Runs docs/notebooks and writes their outputs into them
	@$(VENV)/clients/$(BIN)/python extension-ci/run_notebook.py

airflow: release $(VENV)/airflow/.ready ## Rehearses the Airflow DAG: a full disk, a retry, the tables of a plain run
	@$(VENV)/airflow/$(BIN)/python extension-ci/rehearse_airflow.py

# The oldest release has the shortest table of functions. Python has errors of its own; ours name the extension's file.
VALGRIND := PYTHONMALLOC=malloc valgrind --leak-check=no --log-file=build/valgrind.log
valgrind: release $(VENV)/$(firstword $(TESTED))/.ready ## Loads and calls the extension under valgrind in the oldest DuckDB: no byte may be read that is not there
	@$(VALGRIND) $(VENV)/$(firstword $(TESTED))/$(BIN)/python extension-ci/load_once.py
	@grep -q 'ERROR SUMMARY' build/valgrind.log
	@! grep -B 12 -A 12 'amazing.duckdb_extension)' build/valgrind.log

wheel: release $(VENV)/wheel/.ready ## Builds build/wheel/*.whl, a Python package that carries the extension
	@rm -rf build/wheel
	@cd packaging/wheel && $(CURDIR)/$(VENV)/wheel/$(BIN)/python -m hatchling build -t wheel -d ../../build/wheel/built
	@$(VENV)/wheel/$(BIN)/python packaging/wheel/tag.py build/wheel/built build/wheel

dist: wheel $(VENV)/$(DEMO_VERSION)/.ready ## Collects what a release publishes in build/dist and build/community
	@$(VENV)/$(DEMO_VERSION)/$(BIN)/python extension-ci/dist.py

checksums: $(VENV)/$(DEMO_VERSION)/.ready ## Writes build/dist/SHA256SUMS anew
	@$(VENV)/$(DEMO_VERSION)/$(BIN)/python extension-ci/dist.py --checksums

# What the build of DuckDB's community extensions calls, besides `release`: nothing has to be prepared, and the tests take
# the extension that was built, which there happens in another system. Its containers are too old for DuckDB's packages.
.PHONY: configure_ci set_duckdb_version set_duckdb_tag test_release
configure_ci set_duckdb_version set_duckdb_tag:
	@:
ifeq ($(LINUX_CI_IN_DOCKER),1)
test_release:
	@echo "tested outside of the container"
else
test_release: venvs ## Runs the SQL tests with the extension that is there
	@$(PYTHON) extension-ci/run_tests.py $(foreach version,$(TESTED),sql-$(version))
endif

bench: bench-categories bench-kmeans bench-kernels bench-marketplace bench-features ## Prints the tables of the documentation that benchmarks make

bench-categories: release $(VENV)/bench/.ready ## Prints the tables of docs/categories.md: quality, and speed beside peers
	@$(CARGO) bench --bench category_quality
	@$(VENV)/bench/$(BIN)/python benches/categories/speed.py

bench-kmeans: release $(VENV)/bench/.ready ## Prints the tables of docs/benchmarks.md: segments, metrics, components, beside scikit-learn and faiss
	@for benchmark in whole_query iterations metrics_pca mixtures scaling; do \
		$(VENV)/bench/$(BIN)/python benches/$$benchmark.py --extension build/release/amazing.duckdb_extension || exit 1; done

bench-kernels: ## Times kernels of k-means and PCA with criterion, linfa's beside them, and what the machine can do at most
	cd benches/kernels && CARGO_TARGET_DIR=$(abspath $(TARGET))/kernels $(CARGO) bench

bench-marketplace: release $(VENV)/bench/.ready ## Prints the table of docs/benchmarks.md: from files to segments, beside pandas
	@$(VENV)/bench/$(BIN)/python benches/marketplace.py --extension build/release/amazing.duckdb_extension

bench-features: release $(VENV)/bench/.ready ## Prints the table of docs/benchmarks.md: from events to segments in one statement, beside Polars
	@$(VENV)/bench/$(BIN)/python benches/features.py --extension build/release/amazing.duckdb_extension

lint: $(VENV)/lint/.ready ## Checks format and style of Rust, SQL and Python
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(VENV)/lint/$(BIN)/sqlfluff lint --disable-progress-bar sql report
	$(VENV)/lint/$(BIN)/ruff check --no-cache --config extension-ci/ruff.toml $(PYTHON_CODE)
	$(VENV)/lint/$(BIN)/ruff format --no-cache --check --config extension-ci/ruff.toml $(PYTHON_CODE)
	$(VENV)/lint/$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: $(VENV)/lint/.ready ## Formats Rust and Python
	$(CARGO) fmt
	$(VENV)/lint/$(BIN)/ruff check --no-cache --fix --config extension-ci/ruff.toml $(PYTHON_CODE)
	$(VENV)/lint/$(BIN)/ruff format --no-cache --config extension-ci/ruff.toml $(PYTHON_CODE)

docs: ## Writes what is generated: docs/functions.md, examples.test, install.sql, 00_raw.sql, build.sql, models of dbt
	AMAZING_BLESS=1 $(CARGO) test --test generated

site: $(VENV)/site/.ready ## Builds the documentation as pages for a browser, without a network: build/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(VENV)/site/$(BIN)/mkdocs build --quiet
	@echo build/site/index.html

venvs: $(foreach version,$(TESTED) $(QUICK) $(TOO_OLD) $(DBT),$(VENV)/$(version)/.ready) ## Makes the Python environments of the tests
	@# Not every platform has packages of PostgreSQL: its tests are skipped without this environment.
	@$(MAKE) -s $(VENV)/postgresql/.ready || echo "no PostgreSQL: its tests will be skipped"

# The stamp is the last thing written: an environment whose installation was cut short is made anew.
$(VENV)/%/.ready: extension-ci/requirements-%.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "python environment $*"
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## Removes everything that was built
	$(CARGO) clean
	rm -rf build
