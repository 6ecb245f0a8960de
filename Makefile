# Reelsense. `make help` lists the tasks. Each installs the packages it needs by name and is safe to repeat.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
JOBS ?= $(shell nproc)
REQUIREMENTS := training/requirements.lock training/requirements-dev.lock lab/requirements.lock -e lab -e training
PYTHON := build/venv/bin/python
RELEASE := build/release/bin/reelsense

# configure-and-build PRESET
define build
@mkdir -p build
@if ! cmake --preset $(1) >build/$(1).log 2>&1 || ! cmake --build --preset $(1) -j $(JOBS) >>build/$(1).log 2>&1; then \
	tail -n 60 build/$(1).log; echo "build of preset $(1) failed, whole log: build/$(1).log" >&2; exit 1; fi
@echo "built: preset $(1)"
endef

.PHONY: help
help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: release ## build, then classify the shipped captures with the shipped model
	@scripts/demo

.PHONY: release
release: ## build the optimised product at build/release/bin/reelsense
	@scripts/setup build
	$(call build,release)

.PHONY: test
test: ## all tests, also under the address and undefined-behaviour sanitizers
	@scripts/setup build test
	@scripts/venv build/venv $(REQUIREMENTS)
	$(call build,release)
	$(call build,dev)
	ctest --preset dev -j $(JOBS)
	$(PYTHON) -m pytest -q training/tests tests/reference
	@scripts/lab-ci
	$(PYTHON) -m pytest -q lab/tests
	$(call build,asan)
	ctest --preset asan -j $(JOBS)

.PHONY: bench
bench: release ## speed and memory beside the peers, answers checked first
	@scripts/setup build bench
	@scripts/venv build/bench-venv bench/requirements.lock
	$(call build,bench)
	@scripts/bench

.PHONY: fuzz
fuzz: ## fuzz every decoder of untrusted bytes, FUZZ_SECONDS each (default 60)
	@scripts/setup build fuzz
	$(call build,fuzz)
	@scripts/fuzz

.PHONY: lint
lint: ## formatters, linters and the layer check
	@scripts/setup build test lint
	@scripts/venv build/venv $(REQUIREMENTS)
	$(call build,dev)
	@scripts/lint

.PHONY: docs
docs: release ## regenerate the reference pages and the picture of the ribbon from source
	@scripts/docs

.PHONY: train
train: release ## retrain all models into models/ from ../shared/data/public and, if recorded, build/lab/full
	@scripts/setup test
	@scripts/torch-venv
	@scripts/train

.PHONY: track
track: ## log the released bundles and their reports to MLflow and offline Weights & Biases in build/tracking
	@scripts/setup test
	@scripts/tracking-venv
	@scripts/track

.PHONY: lab-ci
lab-ci: release ## record a few short sessions of the traffic lab and check them (root; at most three minutes)
	@scripts/setup test
	@scripts/venv build/venv $(REQUIREMENTS)
	@scripts/lab-ci

.PHONY: lab-full
lab-full: release ## record two hours of flow time into build/lab/full (root; about 45 minutes; repeat to resume)
	@scripts/setup test lab
	@scripts/venv build/venv $(REQUIREMENTS)
	@lab/setup
	build/venv/bin/reelsense-lab full --out build/lab/full

.PHONY: lab-more
lab-more: lab-full ## record the four other app designs beside them: what the released models learned from (another 45 minutes)
	build/venv/bin/reelsense-lab run lab/scenarios/full.yaml lab/scenarios/more.yaml --out build/lab/full

.PHONY: clean
clean: ## delete everything built
	rm -rf build
