# The few commands that a person, the CI and the README share. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAB := PYTHONPATH=tests:. $(BIN)/python -m lab

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- setting up

.PHONY: setup
setup: $(READY) ## Make .venv with everything in it (the other targets do it by themselves)

# Debian keeps ensurepip in a package of its own, python3-venv.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; $$($(PYTHON) --version) is here. Try make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
	         && echo "Installing python3-venv" && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install python3-venv >/dev/null; } \
	    || { echo "Python's venv is missing: install the package python3-venv"; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock: $(READY) ## Choose the newest versions anew, and write requirements.lock
	printf 'setuptools>=77\n' | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url \
	    --no-header --extra dev pyproject.toml - -o requirements.lock
	printf 'setuptools>=77\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --no-header -c requirements.lock pyproject.toml - -o docker/requirements.lock

# ---------------------------------------------------------------- checking

.PHONY: check
check: $(READY) docs ## Lint, format, types, who may import whom, and the manual
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: docs
docs: $(READY) ## Build the manual into site/
	$(BIN)/mkdocs build --strict

# Two processes share the files in their order, each with an Asterisk of its own. The last word counts: ARGS=-n0 is one.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: test
test: $(READY) ## Every test, on a real Asterisk 22 too (as root; ARGS goes to pytest)
	$(PYTEST) $(ARGS)

.PHONY: test-all
test-all: $(READY) ## Every test, and those on the real Asterisk on 16 as well
	$(PYTEST) $(ARGS)
	LAB_ASTERISK=16 $(PYTEST) -m real $(ARGS)

.PHONY: matrix
matrix: $(READY) ## Every state of a call against every end of its pickup (ROUNDS=20 RACES=20 ONLY=part-of-a-name)
	PYTHONPATH=tests:. $(BIN)/python -m matrix.run

.PHONY: recordings
recordings: $(READY) ## Make the recordings of real calls anew, on Asterisk 22 and 16 (ARGS=part-of-a-name)
	PYTHONPATH=tests:. $(BIN)/python tools/recordings.py $(ARGS)

.PHONY: latency
latency: $(READY) ## Time a PUT until the phone rings, beside a bare Originate (ARGS='--rounds 300')
	PYTHONPATH=tests:. $(BIN)/python tools/latency.py $(ARGS)

.PHONY: bench
bench: $(READY) ## The table of figures beside those of others (ONLY=part-of-a-name ROUNDS=n; root, ten minutes)
	PYTHONPATH=tests:. $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-growth
bench-growth: $(READY) ## The figures for 10 to 10,000 live calls, as a plot in docs/images (no lab)
	PYTHONPATH=tests:. $(BIN)/python -m bench.growth

.PHONY: profile
profile: $(READY) ## Flame graphs of the events path and of the PUT path, into docs/images (ONLY=events or put)
	PYTHONPATH=tests:. $(BIN)/python -m bench.profile $(if $(ONLY),--only $(ONLY))

.PHONY: mutants
mutants: $(READY) ## Switch each guard off by name, and see a test go red (ONLY=name)
	$(BIN)/python tools/mutants.py

.PHONY: fuzz
fuzz: $(READY) ## Wrong requests against the service beside a hostile PBX (REQUESTS=100000, SEED=)
	PYTHONPATH=tests:. $(BIN)/python -m fuzz --requests $(or $(REQUESTS),100000) $(if $(SEED),--seed $(SEED))

MCP_REPOSITORY ?= https://github.com/4psa/mcp-voipnow

.PHONY: mcp-voipnow
mcp-voipnow: ## Fetch and build VoipNow's own client, for its test (git, npm; MCP_REPOSITORY is another place of it)
	[ -d .mcp-voipnow ] || git clone --quiet --depth 1 $(MCP_REPOSITORY) .mcp-voipnow
	cd .mcp-voipnow/calls && npm ci --no-audit --no-fund && npm run build

.PHONY: fuzz-ami
fuzz-ami: $(READY) ## Hostile streams of AMI against reader, core and service (SECONDS=600, SEED=)
	PYTHONPATH=tests:. $(BIN)/python -m streams.fuzz --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))
	EXAMPLES=$(or $(EXAMPLES),2000) $(BIN)/python -m pytest -q tests/streams/test_hostile.py -k least

.PHONY: soak-calls
soak-calls: $(READY) ## A million calls through the service at full speed, without Asterisk (CALLS=1000000)
	PYTHONPATH=tests:. $(BIN)/python -m streams.soak --calls $(or $(CALLS),1000000)

.PHONY: soak
soak: $(READY) ## SIPp calls and is called on a real Asterisk while the API picks up (MINUTES=30 CALLS=100 PICKUPS=10 a second)
	PYTHONPATH=tests:. $(BIN)/python -m soak.run --minutes $(or $(MINUTES),30) --calls $(or $(CALLS),100) --pickups $(or $(PICKUPS),10)

.PHONY: resync-cost
resync-cost: $(READY) ## What the minute's look at all channels costs, bridge and Asterisk (CHANNELS=1000)
	PYTHONPATH=tests:. $(BIN)/python -m soak.resync --channels $(or $(CHANNELS),1000)

.PHONY: images
images: $(READY) ## Build both images, run docker-compose.yml with them; no engine needed (root, five to ten minutes)
	PYTHON=$(BIN)/python tools/images.sh $(ARGS)

.PHONY: unit
unit: ## Start the bridge under a real systemd (root, five minutes)
	tools/unit.sh

# ---------------------------------------------------------------- seeing it work

.PHONY: demo
demo: $(READY) ## A pickup on a real Asterisk, step by step (KEEP=1 leaves everything up to try by hand)
	@$(LAB).demo $(if $(KEEP),--keep)

.PHONY: phone
phone: $(READY) ## A phone of the demo: make phone EXT='0003*024' DO=accept (dial|accept|decline|hangup|hold|resume|transfer, TO=number)
	@$(LAB).demo phone '$(EXT)' '$(DO)' $(if $(TO),'$(TO)')

.PHONY: demo-down
demo-down: $(READY) ## Take down what make demo KEEP=1 left up
	@$(LAB).demo down

.PHONY: clean
clean: ## Remove what setup and the tools have made
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
