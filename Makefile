# Everything from a fresh clone with only Node 20.15 or newer and npm.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install build run test lint types rules bench soak endurance corpus coverage format clean

NODE := node --enable-source-maps
INSTALLED := node_modules/.package-lock.json

help: ## Lists what can be made.
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(INSTALLED)

$(INSTALLED): package-lock.json
	npm ci --no-fund --no-audit
	@touch $@

build: install ## Compiles to dist/.
	npm run --silent build

run: build ## The engine on its embedded store with a demo fleet, and the console's address.
	$(NODE) dist/engine/demo/run.js

test: lint build rules ## Lints, type-checks and runs every test; CI=true makes a missing server a failure.
	test/run-tests

lint: install ## Formatting, style, and promises that nobody awaits.
	npm run --silent lint

rules: install ## Who may import whom, and nothing that nobody uses.
	npm run --silent rules

bench: build ## The benchmarks, each beside its reference, and a JSON file of all of them.
	$(NODE) dist/bench/run.js

endurance: build ## 30,000 meters into QuestDB, ten minutes at 139 readings/s and ten flat out; memory must stay flat.
	$(NODE) dist/bench/endurance.js

soak: build ## Every fault in its long round (docs/RELIABILITY.md), at most 40 minutes, then 5,000 simulated histories; ARGS="--write".
	$(NODE) dist/test/faults/soak.js $(ARGS)
	SIM_SEED=$${SIM_SEED:-$$RANDOM} SIM_SEEDS=$${SIM_SEEDS:-5000} $(NODE) --test dist/test/simulation/node.test.js

corpus: build ## Traces that break rules for resets: what flowed, our rows' sums, and what four other rules say.
	@$(NODE) dist/test/corpus/print.js

coverage: build ## Every test, then which lines they reached, worker threads included.
	npm run --silent coverage

format: install ## Formats every file.
	npm run --silent format

clean: ## Removes what was built; data/ stays.
	rm -rf dist coverage .build .cache
