# Every target first makes sure that set-up is done; where it is, that takes under a second.
PYTHON ?= python3
STATE := $(or $(EMBERLINE_STATE),state)
BIN := $(STATE)/venv/bin
BENCHES = $(subst /,.,$(patsubst tests/bench/%.py,%,$(wildcard tests/bench/[a-z]*.py tests/bench/images/[a-z]*.py))) \
	$(patsubst tests/bench/%/__main__.py,%,$(wildcard tests/bench/*/__main__.py))
SOURCES := apps pipelines dlcore features infra dags examples tests
export PYTHONPYCACHEPREFIX ?= $(abspath $(STATE))/cache/python

# The demo's app and the parameters of its run, by the app's own names: make demo APP=fraud MEMBERS=3 EPOCHS=5
APP ?= fraud
PARAMS = $(shell sed -n 's/^    "\([a-z0-9_]*\)": {.*/\1/p' apps/$(APP)/params.json | tr a-z A-Z)
GIVEN = $(foreach name,$(PARAMS),$(if $($(name)),--param $(shell echo $(name) | tr A-Z a-z)=$($(name))))

.DEFAULT_GOAL := help
.PHONY: help setup extras demo demo-images test lint bench pictures airflow stop check clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## environment, Java and data, once
	@$(PYTHON) -m infra.setup.bootstrap

extras: ## set-up, jars of the embedded HBase and of the HDFS and YARN of tests, the weights that detectors begin with, once a machine
	@$(PYTHON) -m infra.setup.bootstrap hbase hadoop bouncycastle weights

demo: setup ## an app's whole pipeline on its data, in a real Airflow (APP=fraud MEMBERS=3 EPOCHS=5 ... set parameters)
	@$(BIN)/python -m infra demo $(APP) $(GIVEN)

demo-images: APP = images
demo-images: ## pictures from landing files into a real HBase, prepared and reported, in a real Airflow
	@$(PYTHON) -m infra.setup.bootstrap hbase weights
	@$(BIN)/python -m infra demo images $(GIVEN)

airflow: setup ## start Airflow and leave it running
	@$(BIN)/python -m infra airflow

stop: ## end Airflow and all that it started, and HBase
	@test ! -x $(BIN)/python || $(BIN)/python -m infra stop

test: lint extras ## lint, types, import contracts and every test
	@$(BIN)/python -m pytest -n 2

lint: setup ## ruff, mypy and the import contracts
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy $(SOURCES)
	@PATH="$(abspath $(BIN)):$$PATH" lint-imports --cache-dir $(STATE)/cache/imports

bench: setup ## the measurements of tests/bench, one after the other (BENCH=name for one)
	@for program in $(or $(BENCH),$(BENCHES)); do \
		echo "== $$program"; $(BIN)/python -m tests.bench.$$program || exit 1; done

pictures: setup ## the README's pictures, of what `make demo` left running (APP=fraud)
	@$(BIN)/python -m tests.pictures $(APP)

check: setup ## try every address and folder of the settings
	@$(BIN)/python -m infra check

clean: ## remove state by KIND: runs, tables, models, airflow, data, cache, environment or all
	@$(PYTHON) -m infra.setup.clean $(KIND)
