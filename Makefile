# Fieldmerge. `make demo` shows it, `make test` proves it; plain GNU make (3.81 will do) and sh.

SHELL = /bin/sh
VENV = .venv
PY = $(VENV)/bin/python
PIP = $(PY) -m pip --disable-pip-version-check --no-input
FLASK = exec $(PY) -m flask
# More words for pytest: make test ARGS="-k visits -x"
ARGS =
# Test processes, each with a database of its own; files stay whole, so that their fixtures are made once.
WORKERS = 2
SPREAD = -n $(WORKERS) --dist loadfile
# What is about the engine, for its coverage.
ENGINE_TESTS = tests/sync tests/sync_api tests/inbox tests/devices tests/scope tests/journeys tests/identity/test_farewell.py
# Where the examples find a server, and a script of yours that runs instead of theirs.
URL ?= http://127.0.0.1:8000
APP =
# Of new histories in test-long.
MINUTES = 60
# mutmut brings setproctitle, with which gunicorn and pytest rename their processes: not into everybody's environment.
MUTMUT = .fieldmerge/mutmut
# Java, the grammars and what generated Python stands on: for the SDKs alone.
SDK = .fieldmerge/sdk-tools
# Sphinx and its theme, of which the product needs nothing.
DOCS = .fieldmerge/docs
# Where test-faults keeps its results; a table for people is written beside it.
FAULTS = .fieldmerge/faults.json

# Korean text in files and on the terminal, whatever LANG says; packages of this project only.
export PYTHONUTF8 = 1
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help demo serve stop reset test test-more test-long doors test-faults coverage mutants mutants-pure mutants-sql check bench docs sdk example-rxdb example-watermelon pwa

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.ready ## play the story of two offline phones, then keep the server running (ONCE=1: end after it)
	@$(FLASK) demo $(if $(ONCE),--once)

serve: $(VENV)/.ready ## start the server on DATABASE_URL, or on the local PostgreSQL
	@$(FLASK) serve

stop: ## stop what `make demo`, `make serve` and `make test` left running
	@if [ -x $(PY) ]; then \
	  status=0; \
	  $(PY) -m app.serve stop || status=1; \
	  for name in demo test; do $(PY) -m localpg stop --name $$name || status=1; done; \
	  exit $$status; \
	else echo "Nothing to stop: $(VENV) was never made."; fi

reset: stop ## stop everything and delete the data of the local PostgreSQL
	@if [ -x $(PY) ]; then \
	  for name in demo test; do $(PY) -m localpg reset --name $$name || exit 1; done; \
	fi

test: $(VENV)/.ready-dev ## run the tests on the local PostgreSQL (ARGS="-k visits -x" goes to pytest)
	@exec $(PY) -m pytest $(SPREAD) -m "not more" $(ARGS)

test-more: $(VENV)/.ready-dev $(SDK)/.ready ## run the heavier suites too: long simulations, other PostgreSQL versions
	@status=0; \
	play() { $(PY) -m pytest "$$@" $(ARGS) || [ $$? = 5 ] || status=1; }; \
	play $(SPREAD) -m "more and not alone"; \
	play -m "more and alone"; \
	exit $$status # pytest's 5: there are none

test-long: $(VENV)/.ready-dev $(MUTMUT)/.ready ## an hour and more: new histories for the ledger, 200 made-up requests an operation, 100 seeds by all doors and by each, bugs planted into them, inverted branches, the whole sweep, mutants
	@status=0; \
	say() { echo "== $$*"; "$$@" || status=1; }; \
	say $(PY) -m tests.simulator run --jobs $(WORKERS) --minutes $(MINUTES); \
	say env FIELDMERGE_EXAMPLES=200 $(PY) -m pytest -q tests/openapi/test_made_up_requests.py; \
	say env FIELDMERGE_DOOR_SEEDS=100 FIELDMERGE_DOOR_GAMES="together watermelon rxdb" $(PY) -m pytest -q -m more tests/doors/test_at_random.py; \
	say $(PY) -m tests.doors.planted; \
	say $(PY) -m tests.inverted --sample 40 --seed $$(date +%j); \
	say $(PY) -m tests.simulator mutants; \
	say env FIELDMERGE_SWEEP=whole $(PY) -m pytest -q -m more tests/sweep; \
	say $(MUTMUT)/bin/python -m tests.mutation pure --jobs $(WORKERS); \
	say $(PY) -m tests.mutation sql --jobs $(WORKERS) --minutes $(MINUTES); \
	exit $$status

doors: $(VENV)/.ready-dev ## play all scenarios through the three doors and print the table (ARGS=--write: into docs/doors.md)
	@exec $(PY) -m tests.doors $(ARGS)

test-faults: $(VENV)/.ready-dev ## hours: 200 kills each of workers and PostgreSQL, 500 partition runs; goes on where it stopped (ARGS="--minutes 60")
	@exec $(PY) -m tests.faults --out $(FAULTS) $(ARGS)

coverage: $(VENV)/.ready-dev ## see that the tests take every branch of the engine
	@$(PY) -m coverage run -m pytest -q -m "not more" $(ENGINE_TESTS)
	@exec $(PY) -m coverage report

mutants: $(VENV)/.ready-dev ## plant bugs of one line into the server, and see that histories find each (ARGS="--only 'a removal'")
	@exec $(PY) -m tests.simulator mutants $(ARGS)

mutants-pure: $(MUTMUT)/.ready ## let mutmut break the pure modules; 90 % of each have to be found (ARGS="sync.cursor*")
	@exec $(MUTMUT)/bin/python -m tests.mutation pure --jobs $(WORKERS) $(ARGS)

mutants-sql: $(VENV)/.ready-dev ## break the SQL of push, pull and sequencer by rule, and see that tests or histories find it
	@exec $(PY) -m tests.mutation sql --jobs $(WORKERS) --minutes $(MINUTES) $(ARGS)

check: $(VENV)/.ready-dev ## format, lint, types, imports, drift of migrations and of the API document
	@status=0; \
	say() { echo "== $$*"; "$$@" || status=1; }; \
	say $(VENV)/bin/ruff format --check --output-format concise .; \
	say $(VENV)/bin/ruff check --output-format concise .; \
	say $(VENV)/bin/mypy; \
	say $(PY) -m tests.imports; \
	say $(PY) -m pytest -q -m "not more" tests/openapi tests/migrations tests/test_house.py; \
	exit $$status

sdk: $(VENV)/.ready-dev $(SDK)/.ready ## generate the SDKs (TypeScript, Python, Kotlin, Swift) and the stores' definitions into .fieldmerge/sdk (ARGS=kotlin)
	@exec $(PY) -m sdk $(ARGS)

example-rxdb: $(VENV)/.ready-node ## play the example of an app on RxDB against `make demo` (URL=http://127.0.0.1:8000, APP=mine.mjs)
	@exec $(PY) -m examples.rxdb $(URL) $(if $(APP),--app $(APP))

example-watermelon: $(VENV)/.ready-node ## the same with WatermelonDB
	@exec $(PY) -m examples.watermelon $(URL) $(if $(APP),--app $(APP))

pwa: $(VENV)/.ready ## serve the web app for a phone's browser beside `make demo` (URL=http://127.0.0.1:8000, ARGS="--port 8080")
	@exec $(PY) -m examples.pwa --api $(URL) $(ARGS)

bench: $(VENV)/.ready-dev ## run the benchmarks beside Kinto and bare Flask (ARGS=--quick: 3 minutes; --help lists the rest)
	@exec $(PY) -m benchmarks $(ARGS)

docs: $(DOCS)/.ready $(VENV)/.ready-node ## make a site of the documents in .fieldmerge/site; a broken link or a warning fails
	@DOCS_PACKAGES=$$($(PY) -c 'import localnode, pathlib; print(localnode.installed(pathlib.Path("docs/site")))') && \
	export DOCS_PACKAGES && $(DOCS)/bin/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet \
	  --conf-dir docs/site --doctree-dir .fieldmerge/doctrees . .fieldmerge/site
	@echo "The documents are in .fieldmerge/site/index.html"

# The stamps are newer than the lock files they were made from; the second run does nothing.
# The packages for development include those of the product.
$(VENV)/.ready: requirements.lock
	@$(make_venv)
	@if [ $(VENV)/.ready-dev -nt requirements.lock ]; then :; else \
	  echo "Installing the packages of requirements.lock into $(VENV) (the first time takes a minute) ..." && \
	  $(PIP) install --require-hashes -r requirements.lock; fi
	@touch $@

$(VENV)/.ready-dev: requirements/dev.lock
	@$(make_venv)
	@echo "Installing the packages of requirements/dev.lock into $(VENV) (the first time takes a minute) ..."
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/.ready-node: requirements/node.lock $(VENV)/.ready
	@if [ $(VENV)/.ready-dev -nt requirements/node.lock ]; then :; else \
	  echo "Installing Node.js into $(VENV) ..." && \
	  $(PIP) install --require-hashes -r requirements/node.lock; fi
	@touch $@

$(MUTMUT)/.ready: requirements/mutants.lock $(VENV)/.ready-dev
	@echo "Installing the packages of requirements/mutants.lock into $(MUTMUT) ..."
	@$(PY) -m venv --clear $(MUTMUT)
	@$(MUTMUT)/bin/python -m pip --disable-pip-version-check --no-input install --require-hashes -r requirements/mutants.lock
	@touch $@

$(SDK)/.ready: requirements/sdk.lock $(VENV)/.ready-dev
	@echo "Installing the packages of requirements/sdk.lock into $(SDK) ..."
	@$(PY) -m venv --clear $(SDK)
	@$(SDK)/bin/python -m pip --disable-pip-version-check --no-input install --require-hashes -r requirements/sdk.lock
	@touch $@

$(DOCS)/.ready: requirements/docs.lock $(VENV)/.ready
	@echo "Installing the packages of requirements/docs.lock into $(DOCS) ..."
	@$(PY) -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip --disable-pip-version-check --no-input install --require-hashes -r requirements/docs.lock
	@touch $@

# A venv without a working pip is one that was interrupted, or whose Python is gone: it is made again.
define make_venv
if $(PY) -m pip --version > /dev/null 2>&1; then exit 0; fi; \
for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
    if $$python -c 'import ensurepip, venv' 2> /dev/null; then \
      echo "Making $(VENV) with `$$python --version` ..."; \
      exec $$python -m venv --clear $(VENV); \
    fi; \
    unfit="$$unfit $$python"; \
  fi; \
done; \
if [ -n "$$unfit" ]; then \
  echo "Python is here ($$unfit ) but cannot make virtual environments." >&2; \
  echo "On Debian and Ubuntu: apt install python3-venv" >&2; \
else \
  echo "Python 3.11 or newer is needed; found: `python3 --version 2> /dev/null || echo none`." >&2; \
  echo "Install it, or name it: make demo PYTHON=/path/to/python3.12" >&2; \
fi; \
exit 1
endef
