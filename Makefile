# The project's commands. Each sets up what it needs; `make` alone lists them.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup test test-all test-pythons test-images sim fuzz drill load alerts container-drill demo pictures bench \
	benchmarks lint audit format image image-push lock clean
SHELL := /bin/sh
# Nothing but a command's own output goes to standard output: `make demo ARGS=--json` ends in JSON.
MAKEFLAGS += --no-print-directory

# rustup installs here, and a shell that was open at that time does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# clippy and maturin build against the same interpreter, or each would undo the other's work.
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python

PYTHON_BIN := .venv/bin/python
# Further versions that the tests of the codec and of the shared parts run under, where they are installed.
PYTHONS ?= 3.12 3.13
# The lock file names every dependency: pip need not find any.
PIP := $(PYTHON_BIN) -m pip --disable-pip-version-check install --quiet --no-deps
# Marks of what was done are kept inside .venv, so that they go with it.
INSTALLED := .venv/.installed
BUILT := .venv/.built
# With the directories, since a file that was removed or renamed changes only them.
RUST_SOURCES := $(shell find rust/codec/src rust/codec-py/src rust/codec/Cargo.toml rust/codec-py/Cargo.toml)

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'ARGS="..." is passed to the command: make test ARGS="-k drain", make demo ARGS=--help.'
	@echo 'PYTHONS="$(PYTHONS)" are the versions of make test-pythons; it names those that are not installed.'
	@echo 'PROCESSOR_TEST_SERVERS=auto|machine|embedded chooses the servers of make test:'
	@echo "  auto, the default, takes the machine's own Redis and PostgreSQL where they are installed, else embedded ones."

setup: $(BUILT) ## Install the locked dependencies and build; leaves .venv/bin/processor and .venv/bin/tcp-ingestion
	@echo "setup: .venv/bin/processor is up to date" >&2

test: $(BUILT) ## Run the tests of the codec (cargo) and of everything else (pytest), but for those of test-all
	cargo test --locked --package codec --package load
	$(PYTHON_BIN) -m pytest -m "not deployment" $(ARGS)

test-all: $(BUILT) ## Run every test, and test-pythons; some need docker-compose, faketime, HAProxy, PgBouncer, Prometheus, stress, chromium
	cargo test --locked --package codec --package load
	@PYTHONS="$(PYTHONS)" sh dev/test-all $(ARGS)

test-pythons: $(BUILT) ## Run the tests of the codec and of the shared parts under PYTHONS that are installed
	@sh dev/pythons $(PYTHONS)

test-images: $(BUILT) ## Run the contract tests on images of the servers; needs a container engine and a registry
	@sh dev/test-images $(ARGS)

sim: $(BUILT) ## Cut simulated lives at every checkpoint; ARGS="--scenario poison" for one scenario
	@exec $(PYTHON_BIN) -m tests.simulation $(ARGS)

fuzz: ## Run the libFuzzer targets; ARGS="--seconds 1800 avl"
	@sh dev/fuzz $(ARGS)

drill: $(BUILT) ## Stop and kill a service under load, on servers started for it; ARGS="tcp-ingestion --rounds 100"
	@exec $(PYTHON_BIN) -m dev.drill $(ARGS)

load: $(BUILT) ## Kill, stop, freeze and replace instances under a steady load; ARGS="--instances 2 --only kill9 --report DIR"
	@exec $(PYTHON_BIN) -m dev.drill load $(ARGS)

container-drill: $(BUILT) ## Build the images and run them as compose.yaml says, under load; needs root and docker.io
	@exec $(PYTHON_BIN) -m dev.container $(ARGS)

alerts: $(BUILT) ## Make each alert fire by its fault, and print the seconds; needs Prometheus
	$(PYTHON_BIN) -m pytest -q tests/deployments/test_alerts.py $(ARGS)

demo: $(BUILT) ## Take real packets to rows, on embedded servers; ARGS="--devices 5", --json or --keep-running
	@exec $(PYTHON_BIN) -m dev.demo $(ARGS)

pictures: $(BUILT) ## Take the pictures in docs/pictures again; needs chromium; ARGS=page for some
	@exec $(PYTHON_BIN) -m dev.pictures $(ARGS)

bench: $(BUILT) ## Print the ratios to other services and to psql's \copy
	@exec $(PYTHON_BIN) -m bench $(ARGS)

benchmarks: $(BUILT) ## Measure everything into docs/benchmarks, with tables and plots; ARGS="--only codec", --quick or --draw
	@exec $(PYTHON_BIN) -m bench.figures $(ARGS)

lint: $(BUILT) ## Check style, types, layers, the codec's stub, workflows and licences; changes nothing
	$(PYTHON_BIN) -m ruff check
	$(PYTHON_BIN) -m ruff format --check
	.venv/bin/lint-imports --no-logo
	$(PYTHON_BIN) -m mypy
	$(PYTHON_BIN) -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist dev/stubtest.allow telemetry._codec
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .gitea/workflows/*.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(PYTHON_BIN) -m dev.licences

audit: $(INSTALLED) ## Ask for known advisories against what the lock files name; needs the network
	@sh dev/audit

format: $(INSTALLED) ## Format Python and Rust
	$(PYTHON_BIN) -m ruff check --fix
	$(PYTHON_BIN) -m ruff format
	cargo fmt --all

image: ## Build the images of both services, labelled and tagged by branch and commit
	@sh dev/image

image-push: ## Build them and push their tags to REGISTRY
	@sh dev/image push

lock: $(INSTALLED) ## Resolve the dependencies of pyproject.toml again, into the lock files
	@$(PYTHON_BIN) -m venv .venv/uv && .venv/uv/bin/python -m pip install --quiet uv >&2
	$(LOCK) --output-file requirements.txt pyproject.toml
	$(LOCK) --output-file requirements-dev.txt --constraint requirements.txt --group dev --group bench pyproject.toml
	$(LOCK) --output-file requirements-audit.txt --group audit
	$(LOCK) --output-file requirements-images.txt --constraint requirements-dev.txt --group images
	cargo update --workspace

clean: ## Remove everything that the commands have made
	rm -rf .venv target demo-output .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f python/telemetry/_codec.*.so
	find python dev tests -name __pycache__ -prune -exec rm -rf {} +

# Names, versions and hashes alone: where packages come from is each machine's own setting.
LOCK = .venv/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url

# venv and pip, when Ctrl-C ends them, do not always remove their temporary files.
$(INSTALLED) $(BUILT): export TMPDIR := $(CURDIR)/.venv/.tmp

$(INSTALLED): requirements-dev.txt dev/prerequisites
	@mkdir -p .venv/.tmp
	@python=$$(sh dev/prerequisites) && echo "setup: installing the locked dependencies into .venv" >&2 && "$$python" -m venv .venv
	@$(PIP) --require-hashes -r requirements-dev.txt >&2
	@touch $@

$(BUILT): $(INSTALLED) $(RUST_SOURCES) Cargo.toml Cargo.lock pyproject.toml
	@echo "setup: building the codec (release) and installing processor into .venv" >&2
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PIP) --no-build-isolation --editable . >&2
	@touch $@
