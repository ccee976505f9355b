# Every target sets up what it needs; the first run builds llama.cpp (about 4 minutes on two cores).
#
#   make demo     hear a real agent answer real speech
#   make test     everything CI runs
#   make help     the rest

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := proto/src/voice_contract services tests bench tools

.DEFAULT_GOAL := help
.PHONY: help setup models demo test test-unit check format contract bench bench-first-call bench-callers bench-stt bench-end-of-turn bench-duplex clean compose-test fuzz fuzz-night sim sim-night

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## virtual environment with pinned dependencies and the two services

$(READY): requirements/runtime.txt requirements/traces.txt requirements/dev.txt proto/pyproject.toml services/operations/pyproject.toml services/orchestrator/pyproject.toml services/inference/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "error: Python 3.11 is needed; name one with: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (the first time builds llama.cpp: about 4 minutes on two cores)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^pip==' requirements/runtime.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e proto -e services/operations -e services/orchestrator -e services/inference
	@touch $@

models: $(READY) ## fetch and verify the model weights of the default placement
	@$(BIN)/voice-inference models pull

demo: models ## a call with human speech, answered by real models; leaves no process behind
	@$(BIN)/python tools/demo.py

check: $(READY) ## format, lint, types, contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/python tools/generate_contract.py --check
	$(BIN)/python tools/check_contract.py
	$(BIN)/python tools/draw_reducer.py --check
	$(BIN)/python tools/make_dashboards.py --check

test-unit: $(READY) ## unit tests alone: no model, under a minute
	$(BIN)/pytest tests/unit -m "not models" -n 2

test: check models ## everything CI runs, the end-to-end call on real models included
	$(BIN)/pytest tests/e2e tests/models
	$(BIN)/pytest tests -m "not sim" --ignore=tests/e2e --ignore=tests/models -n 2 \
	  --cov=voice_orchestrator.session --cov-branch --cov-report=term --cov-fail-under=100
	$(MAKE) --no-print-directory sim

sim: $(READY) ## 50,000 simulated sessions, planted faults, determinism: 5 minutes on two cores
	$(BIN)/pytest tests/simulation -m sim

sim-night: $(READY) ## five million other sessions on both cores: some hours
	$(BIN)/python tests/simulation/run.py --first 1000000 --count 5000000 --processes 2

fuzz: $(READY) ## broken events, sounds, settings and journals by the ten thousand: a minute on two cores
	$(BIN)/pytest tests/fuzz

fuzz-night: $(READY) ## a million other inputs for each reader, on both cores
	$(BIN)/python tests/fuzz/run.py --first 1000000 --count 1000000 --processes 2

compose-test: $(READY) ## deploy/docker-compose.yml for real: needs Docker with Compose
	$(BIN)/python tools/compose_test.py

format: $(READY) ## rewrite the sources in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

contract: $(READY) ## regenerate the code of the contract from proto/
	$(BIN)/python tools/generate_contract.py

bench: models ## how fast it answers, every figure beside its bar: about 6 minutes
	$(BIN)/python bench/fast.py

bench-first-call: models ## latency of every stage, start-up, memory and bare engine times: about 4 minutes
	$(BIN)/python bench/first_call.py

bench-callers: $(READY) ## many callers on scripted models: cost, kills, stops, overload, restarts, leaks: half an hour
	$(BIN)/python bench/many_callers/control_plane.py
	$(BIN)/python bench/many_callers/node_kills.py
	$(BIN)/python bench/many_callers/node_stops.py
	$(BIN)/python bench/many_callers/stalled_node.py
	$(BIN)/python bench/many_callers/overload.py
	$(BIN)/python bench/many_callers/rolling_restart.py
	$(BIN)/python bench/many_callers/churn.py

bench-end-of-turn: models ## what tells an end from a pause, and what waiting for it costs: two minutes
	$(BIN)/python bench/end_of_turn.py

bench-stt: models ## Whisper's cut window against the stock one: time, word errors, loops
	$(BIN)/python bench/stt_windows.py

bench-duplex: models ## turn-taking on real audio, speculation on against off: about 30 minutes
	$(BIN)/python bench/full_duplex.py

clean: ## remove the virtual environment and caches, keep model weights
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage out
