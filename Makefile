# Few targets, each a thing a person wants. PYTHON= chooses the interpreter (3.11 or newer).
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check bench mutants soak faults fuzz realcall year format phone docs references transcripts lock audit sbom licences wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make run     a rehearsed emergency call, then a running demonstration (PORT=$(PORT))"
	@echo "make test    every test"
	@echo "make check   format, lint, types, arrows between packages"
	@echo "make bench   what everything costs, and against what (half an hour; QUICK=1: minutes; ONLY=\"journal flood\")"
	@echo "make mutants which small changes of the code no test notices (ten minutes; ONLY=ivr/flow.py)"
	@echo "make soak    thousands of generated calls, judged from their telephones (CALLS=100000 SEED=…)"
	@echo "make faults  10,000 conversations through real processes while everything breaks (an hour; QUICK=1: minutes)"
	@echo "make fuzz    requests nobody would send, to the webhook door (MINUTES=10 SEED=…)"
	@echo "make year    30,000 calls of a year, purged each night by the shipped policy (CALLS=30000 SEED=… FIGURES=…)"
	@echo "make realcall a call with real sound, from ring to bridge, measured (half a minute; KEEP=folder keeps what was heard)"
	@echo "make phone   a telephone in the terminal; CALL=tests/calls/NAME.call plays a conversation"
	@echo "make docs    the papers as a site, in site/; every link is checked"
	@echo "make references  writes anew what the papers have from the code"
	@echo "make format  rewrite the files in the house style"
	@echo "make lock    resolve the dependencies anew (needs uv)"
	@echo "make audit   whether anything that is locked is known to be vulnerable (asks osv.dev)"
	@echo "make sbom    what the program consists of, as dist/sbom.json (CycloneDX); make licences: docs/licences.md"
	@echo "make wheel   the package in dist/: the same bytes whoever builds it"

# The environment is made again when the lock file changes. The hashes make a tampered package fail.
$(VENV)/made: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/made-test: $(VENV)/made requirements-test.lock
	$(PIP) install --require-hashes --requirement requirements-test.lock
	@touch $@

run: $(VENV)/made
	@exec $(BIN)/ivr demo --port $(PORT)

test: $(VENV)/made-test
	$(BIN)/python -m pytest

check: $(VENV)/made-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_arrows.py

# Every figure is a ratio of two things measured in the same run; docs/performance.md tells how.
bench: $(VENV)/made-test
	$(BIN)/python bench/run.py $(if $(QUICK),--quick) $(ONLY)

# Never part of `make test`; docs/mutations.md tells what its last run found.
ONLY ?=
mutants: $(VENV)/made-test
	$(BIN)/python tests/mutations.py $(ONLY)

# 100,000 calls take some hours; docs/soak.md tells what is judged.
CALLS ?= 100000
SEED ?=
soak: $(VENV)/made-test
	$(BIN)/python tests/soak.py --calls $(CALLS) $(if $(SEED),--seed "$(SEED)")

# docs/fuzzing.md tells what is sent and what is judged.
MINUTES ?= 10
fuzz: $(VENV)/made-test
	$(BIN)/python tests/fuzz_door.py --minutes $(MINUTES) $(if $(SEED),--seed "$(SEED)")

# docs/faults.md tells what is done and judged. Its number of conversations is its own, not that of the soak.
QUICK ?=
ONLY_FAULT ?=
faults: CALLS := $(if $(filter command line environment,$(origin CALLS)),$(CALLS),)
faults: $(VENV)/made-test
	$(BIN)/python tests/faults $(if $(QUICK),--quick) $(if $(CALLS),--calls $(CALLS)) \
	    $(if $(SEED),--seed "$(SEED)") $(if $(ONLY_FAULT),--only "$(ONLY_FAULT)")

# docs/privacy.md tells what a year must show.
year: CALLS := $(if $(filter command line environment,$(origin CALLS)),$(CALLS),30000)
year: $(VENV)/made-test
	$(BIN)/python tests/year.py --calls $(CALLS) $(if $(SEED),--seed "$(SEED)") $(if $(FIGURES),--figures $(FIGURES))

# docs/real-call.md tells what is real in it, and what it needs beside the environment.
KEEP ?=
realcall: $(VENV)/made-test
	$(BIN)/python tests/realcall $(if $(KEEP),--keep "$(KEEP)")

format: $(VENV)/made-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

CALL ?=
phone: $(VENV)/made
	@$(BIN)/ivr phone $(CALL)

# Nothing is fetched: the theme comes with the environment. The variable silences an advertisement of its authors.
# Not --quiet: it counts no warnings, so that nothing would be strict.
docs: $(VENV)/made-test
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html, to be opened in a browser or put on any web server"

references: $(VENV)/made-test
	@for each in api commands configuration metrics operations roles; do $(BIN)/python docs/$$each.py || exit 1; done

transcripts: $(VENV)/made
	$(BIN)/python docs/transcripts.py

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --extra build pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --extra build --extra postgresql --extra oidc --extra opentelemetry pyproject.toml --output-file requirements-server.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --extra build --extra test --extra check --extra docs --extra realcall pyproject.toml --output-file requirements-test.lock

# Fails if something is vulnerable (the script ends with 1), and also if nobody could be asked (with 3).
audit:
	@$(PYTHON) supply/advisories.py

# The licences are those of what is installed: the test environment has all that a serving machine has.
sbom: $(VENV)/made-test
	$(BIN)/python supply/sbom.py dist/sbom.json

licences: $(VENV)/made-test
	$(BIN)/python supply/licences.py

# hatchling sorts what it packs and dates it alike. SOURCE_DATE_EPOCH sets another date.
wheel: $(VENV)/made
	$(BIN)/python -m hatchling build -d dist
	@cd dist && sha256sum after_hours_ivr-*

clean:
	rm -rf $(VENV) site .pytest_cache .ruff_cache .mypy_cache .hypothesis
