# Two commands set everything up by themselves: `make run` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Another Python than the one that .ci/python finds: `make venv PYTHON=/path/to/python`.
PYTHON ?=
BIN := .venv/bin
READY := .venv/.ready
UV ?= uv
# More for pytest and for the lock: `make test PYTEST_ARGS='-k window'`, `make lock LOCK_ARGS=--upgrade`.
PYTEST_ARGS ?=
LOCK_ARGS ?=

.PHONY: help venv run test races lint format docs lock clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
		printf 'make %-16s %s\n' "$$name" "$$what"; done

venv: $(READY) ## make .venv with the locked dependencies and this project in it

# Done again, from nothing, only when the lock or pyproject.toml has changed.
$(READY): requirements.lock pyproject.toml
	@python=$$(bash .ci/python $(PYTHON)) || { \
		echo 'make: $(or $(PYTHON),this machine) has no Python 3.11 or later that can make a virtual environment.' >&2; \
		echo 'make: on Debian: sudo apt-get install python3 python3-venv' >&2; exit 1; }; \
	echo "Setting up .venv with $$("$$python" --version) …"; \
	"$$python" -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY) ## show it at work: validate, plan and apply on the embedded simulator, until nothing is left
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

test: lint ## everything that CI checks; the tests' summary stands last
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

races: $(READY) ## 200 rounds of processes that apply at once, on each store; prints what came of them
	@RECONCILER_ROUNDS=200 $(BIN)/python -m pytest -q $(PYTEST_ARGS) tests/state/test_races.py

.PHONY: prove simulate simulate-nightly kill seeded-bugs soak overhead store-failures stale-plans dry-run-is-dry
# Each proof has a target of its own; a short form of most runs in `make test`.
PROVE := PYTHONPATH=tests:. $(BIN)/python
SEED ?= 1

prove: simulate-nightly kill seeded-bugs soak overhead races store-failures stale-plans dry-run-is-dry ## every proof of docs/reliability.md, in its long form: an hour

simulate: $(READY) ## play one story of the simulation again: make simulate SEED=4711
	@$(PROVE) tests/reliability/simulate.py $(SEED)

simulate-nightly: $(READY) ## 20,000 stories of worlds, runs, deaths and people; prints what they were made of
	@$(PROVE) tests/reliability/simulate.py --seeds 1000:21000

kill: $(READY) ## kill real processes at every point of each call, 30 times, and at 1,000 random moments
	@$(PROVE) tests/reliability/kill.py --seeds 30 --random 1000

seeded-bugs: $(READY) ## plant 61 bugs, one by one, and see whether the tests catch each
	@$(PROVE) tests/reliability/seeded_bugs.py

soak: $(READY) ## 20,000 steps over HTTP while 2 % of the calls go wrong, all accounted for
	@$(PROVE) tests/reliability/soak.py

overhead: $(READY) ## what the applier costs a call, above a raw client
	@$(PROVE) benchmarks/apply_overhead.py

.PHONY: bench
# The full run is `make bench SIZES="10k 100k 1M"`; in pieces: PARTS="startup octodns", BENCH_ARGS="--missing".
SIZES ?= 10k 100k
PARTS ?= startup overhead octodns terraform plan
BENCH_ARGS ?=

bench: $(READY) ## measure plans of whole fleets beside PyYAML, octoDNS and Terraform; writes docs/benchmarks.md
	@PYTHONPATH=. $(BIN)/python -m benchmarks --sizes $(SIZES) --parts $(PARTS) $(BENCH_ARGS)

store-failures: $(READY) ## each write of the store failing in turn, in memory and on SQLite; prints the figures
	@PYTHONPATH=tests:. $(BIN)/python tests/reliability/store_failures.py

stale-plans: $(READY) ## 1,000 plans that something overtakes, and every byte of one altered; prints the figures
	@PYTHONPATH=tests:. $(BIN)/python tests/reliability/stale_plans.py

dry-run-is-dry: $(READY) ## every way to a dry run with its every deed noted; prints the figures
	@PYTHONPATH=tests:. $(BIN)/python tests/reliability/dry_run_is_dry.py

.PHONY: review screenshots
review: $(READY) ## what a plan of 3,000 steps costs a reviewer: comment, report in the browser, text
	@$(PROVE) benchmarks/review.py

screenshots: $(READY) ## photograph terminal, comment and HTML report for the docs (needs Chromium)
	@$(PROVE) docs/screenshots.py

lint: $(READY) ## style, types and the directions of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## put the code into the one style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(READY) ## write the pages that are drawn from the code
	@$(BIN)/python docs/generate.py

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	@command -v $(UV) >/dev/null || { echo 'make: the lock is written by uv: pipx install uv' >&2; exit 1; }
	@$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet $(LOCK_ARGS) --output-file requirements.lock

clean: ## take away all that was made here, the environment too
	@rm -rf .venv .demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find reconciler tests docs benchmarks -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
