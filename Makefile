# Reelsense. `make help` lists the tasks. Each installs the packages it needs by name and is safe to repeat.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
JOBS ?= $(shell nproc)
REQUIREMENTS := training/requirements.lock training/requirements-dev.lock lab/requirements.lock -e lab -e training
PYTHON := build/venv/bin/python
RELEASE := build/release/bin/reelsense

SDK_PACKAGES := python-sdk go android ios
SERVER := build/release/bin/reelsense-server
# A test that needs a clock or a socket may fail once on a machine that stands still for a while; ctest says which did.
AGAIN := --repeat until-pass:2

# configure-and-build PRESET [OPTIONS] [TARGETS]
define build
@mkdir -p build
@if ! cmake --preset $(1) $(2) >build/$(1).log 2>&1 || ! cmake --build --preset $(1) -j $(JOBS) $(addprefix --target ,$(3)) >>build/$(1).log 2>&1; then \
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

.PHONY: server
server: ## build the edge server at build/release/bin/reelsense-server
	@scripts/setup build server
	@scripts/openvino
	$(call build,release,-DREELSENSE_SERVER=ON)

.PHONY: serve
serve: server ## run the edge server on loopback: REST on 8080, gRPC on 8081, log in build/serve
	@mkdir -p build/serve
	$(SERVER) --log.file build/serve/log.sqlite --flows.snapshot build/serve/flows $(ARGS)

.PHONY: test
test: ## all tests, also under the address, undefined-behaviour and thread sanitizers
	@scripts/setup build server test $(SDK_PACKAGES)
	@scripts/openvino
	@scripts/venv build/venv $(REQUIREMENTS)
	@scripts/venv build/server-venv server/tests/requirements.lock
	$(call build,release)
	$(call build,dev,-DREELSENSE_SERVER=ON)
	ctest --preset dev -j $(JOBS) $(AGAIN)
	REELSENSE_SERVER=$(CURDIR)/build/dev/bin/reelsense-server scripts/server-tests
	REELSENSE_SERVER=$(CURDIR)/build/dev/bin/reelsense-server scripts/sdk-tests
	$(PYTHON) -m pytest -q training/tests tests/reference
	@scripts/lab-ci
	$(PYTHON) -m pytest -q lab/tests
	$(call build,asan,-DREELSENSE_SERVER=ON)
	ctest --preset asan -j $(JOBS) $(AGAIN)
	$(call build,tsan,-DREELSENSE_SERVER=ON,server_engine_test server_store_test)
	build/tsan/bin/server_engine_test --gtest_filter=-SnapshotTest.*  # these run OpenVINO, which is not instrumented
	build/tsan/bin/server_store_test

.PHONY: tsan
tsan: ## the server under the thread sanitizer: engine, store, REST, and a whole server under load (a long build)
	@scripts/setup build server test
	@scripts/openvino
	@scripts/venv build/server-venv server/tests/requirements.lock
	$(call build,tsan,-DREELSENSE_SERVER=ON,reelsense-server server_engine_test server_store_test server_http_test)
	scripts/tsan

.PHONY: sdk-tests
sdk-tests: ## the SDKs alone: each one's tests, and that all run the same conformance cases (SDK=python for one)
	@scripts/setup build server test $(SDK_PACKAGES)
	@scripts/openvino
	$(call build,dev,-DREELSENSE_SERVER=ON,conformance reelsense-server)
	REELSENSE_SERVER=$(CURDIR)/build/dev/bin/reelsense-server scripts/sdk-tests $(SDK)

.PHONY: android
android: ## build the Android SDK's AAR at build/android/reelsense.aar, with the sample app, and check what is in it
	@scripts/android-sdk

.PHONY: bench
bench: release ## speed and memory beside the peers, answers checked first
	@scripts/setup build bench
	@scripts/venv build/bench-venv bench/requirements.lock
	$(call build,bench)
	@scripts/bench

.PHONY: bench-ue
bench-ue: release ## the device tier: latency, instructions and a day's use, beside ONNX Runtime and TFLite
	@scripts/setup build bench test
	@scripts/venv build/venv $(REQUIREMENTS)
	$(call build,bench)
	$(PYTHON) bench/ue/run.py

.PHONY: bench-server
bench-server: server ## the edge server beside FastAPI, grpc.aio and MLServer, answers checked first
	@scripts/venv build/bench-server-venv bench/server/requirements.lock
	@scripts/bench-server

.PHONY: soak
soak: server ## ten minutes of load on the edge server: memory must stay flat (SOAK_SECONDS=600)
	@scripts/venv build/server-venv server/tests/requirements.lock
	build/server-venv/bin/python server/tests/soak.py

.PHONY: fuzz
fuzz: ## fuzz every decoder of untrusted bytes, FUZZ_SECONDS each (default 60)
	@scripts/setup build server fuzz
	@scripts/openvino
	$(call build,fuzz,-DREELSENSE_SERVER=ON)
	@scripts/fuzz

.PHONY: lint
lint: ## formatters, linters and the layer check
	@scripts/setup build server test lint
	@scripts/openvino
	@scripts/venv build/venv $(REQUIREMENTS)
	$(call build,dev,-DREELSENSE_SERVER=ON)
	@scripts/lint

.PHONY: docs
docs: server ## regenerate the reference pages and the picture of the ribbon from source
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
lab-more: lab-full ## beside them the four other app designs, and slow paths shared with downloads: what reelsense-ue learned from (another hour)
	build/venv/bin/reelsense-lab run lab/scenarios/full.yaml lab/scenarios/more.yaml lab/scenarios/shared.yaml --out build/lab/full

.PHONY: qos-lab
qos-lab: release ## players on congested paths with and without Reelsense, paired by seed (root; about two hours, resumes)
	@scripts/setup test lab
	@scripts/venv build/venv $(REQUIREMENTS)
	@lab/setup
	scripts/qos-lab $(ARGS)

.PHONY: clean
clean: ## delete everything built
	rm -rf build
