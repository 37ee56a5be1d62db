# `make` lists what there is to make.

SWIFT_BUILD := swift build -c release --static-swift-stdlib
SOURCES := Package.swift Sources Tests

.DEFAULT_GOAL := help
.PHONY: help bootstrap build demo bench bench-plan bench-scale bench-restore chaos test test-unit test-integration test-long fuzz sanitize lint format install clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: ## Install what building and testing need (Debian packages, a Python environment in .testbed)
	@scripts/bootstrap

build: ## Build .build/release/milvus-backup and .build/release/milvus-backup-agent
	@scripts/bootstrap --build
	$(SWIFT_BUILD) --product milvus-backup
	$(SWIFT_BUILD) --product milvus-backup-agent
	@scripts/swagger-ui || echo "make: without Swagger UI the page /api/v1/docs/index.html is a plain one"

demo: build ## Back a real Milvus up with two agents, restore it into another one, compare every row
	@scripts/demo

bench: ## Measure copying beside rclone, juicefs sync and s5cmd (and the original, MILVUS_BACKUP_PEER), and write docs/benchmarks.md
	@scripts/bench

bench-plan: build ## Measure what planning up to a million objects costs the coordinator
	@scripts/bench-plan

bench-scale: build ## Measure what more agents bring, each behind a wire of its own, and write it into docs/benchmarks.md
	@scripts/bench-scale

bench-restore: build ## Measure how long a restore takes, and write it into docs/benchmarks.md
	@scripts/bench-restore

SEED ?=
MINUTES ?= 10
chaos: build ## Back up and restore while things break (SEED, MINUTES), and compare every byte and row
	@scripts/chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

test: ## All tests, against real Milvus and S3 servers that are started for them
	@scripts/test unit fuzz integration

test-unit: ## The Swift tests alone
	@scripts/test unit

FAST_PATH ?=
test-integration: ## The tests of the built programs alone (FAST_PATH=auto, checksummed or off: how they copy)
	@MILVUS_BACKUP_TEST_FAST_PATH=$(FAST_PATH) scripts/test integration

test-long: ## The tests that take minutes
	@SCHEDULER_MODEL_STEPS=1000000 swift test --disable-xctest --filter ModelTests
	@scripts/test integration -- -m long

SECONDS_PER_TARGET ?= 600
fuzz: ## Fuzz every reader of foreign bytes for ten minutes each (SECONDS_PER_TARGET)
	@scripts/fuzz --seconds $(SECONDS_PER_TARGET) --jobs $$(nproc)

sanitize: ## The Swift tests under thread and address sanitizer
	@scripts/sanitize

lint: ## Check the layout of all Swift sources
	swift format lint --strict --parallel --recursive $(SOURCES)

format: ## Lay all Swift sources out
	swift format --in-place --parallel --recursive $(SOURCES)

PREFIX ?= /usr/local
install: ## Install the built programs below PREFIX (/usr/local), and the systemd units (DESTDIR is respected)
	install -D -m 755 .build/release/milvus-backup $(DESTDIR)$(PREFIX)/bin/milvus-backup
	install -D -m 755 .build/release/milvus-backup-agent $(DESTDIR)$(PREFIX)/bin/milvus-backup-agent
	if [ -d .build/swagger-ui ]; then \
	    install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/milvus-backup/swagger-ui .build/swagger-ui/*; \
	fi
	for unit in server agent; do \
	    install -d $(DESTDIR)$(PREFIX)/lib/systemd/system; \
	    sed 's|/usr/local/bin|$(PREFIX)/bin|' deploy/systemd/milvus-backup-$$unit.service \
	        > $(DESTDIR)$(PREFIX)/lib/systemd/system/milvus-backup-$$unit.service; \
	done

clean: ## Stop the servers and remove all that was built, recorded or installed below this folder
	@if [ -d .testbed/venv ]; then scripts/testbed down; fi
	@if [ -d .testbed/gw1 ]; then scripts/testbed down --dir .testbed/gw1; fi
	rm -rf .build .testbed
