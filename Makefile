# Every target works from a fresh clone with no step before it; what is up to date is not done again.
# Needs GNU make and Python 3.13. Nothing is installed outside of this folder; the caches of uv, pip and SAM lie in the
# user's home, or with CACHE=.tools/cache in here.

PYTHON ?= python3.13
BIN := .venv/bin
CODE := functions layers/core tests deploying.py
LOCKED := tests/requirements

# uv doesn't read pip's settings: a machine that reaches its index by them is served all the same.
PIP_INDEX = $(or $(PIP_INDEX_URL),$(shell .tools/uv/bin/pip config get global.index-url 2> /dev/null))
UV = $(if $(PIP_INDEX),UV_DEFAULT_INDEX="$(PIP_INDEX)") .tools/uv/bin/uv
ifneq ($(PIP_CERT),)
export SSL_CERT_FILE ?= $(PIP_CERT)
endif
ifneq ($(CACHE),)
export UV_CACHE_DIR := $(abspath $(CACHE))/uv
export PIP_CACHE_DIR := $(abspath $(CACHE))/pip
export __SAM_CLI_APP_DIR := $(abspath $(CACHE))/sam
endif
export UV_NO_PROGRESS = 1
export SAM_CLI_TELEMETRY = 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo try asked unit test check bench soak costs lint audit format lock build deploy clean

help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.done ## Make .venv/bin/esx-drift.
	@echo "Ready: .venv/bin/esx-drift --help"

demo: .venv/.done .tools/aws/.done .aws-sam/.done ## Play a timeline of changes through a local AWS.
	@$(BIN)/python -m tests.lab.interruptible tests.lab.demo.__main__

TRIED = --vcenter="$(VCENTER)" --ca="$(CA)" --strict="$(STRICT)" --proxy="$(PROXY)" --cluster="$(CLUSTER)"
try: asked .venv/.done .tools/aws/.done .aws-sam/.done ## Check a vCenter once: VCENTER=https://HOST|simulator; more: README.
	@$(BIN)/python -m tests.lab.trying $(TRIED)

# Before anything is built for it.
asked: .tools/uv/.done
	@.tools/uv/bin/python -m tests.lab.trying.asking $(TRIED)

unit: .venv/.done ## Run the quick tests: no build, no local AWS, under a minute.
	@HYPOTHESIS_PROFILE=quick $(BIN)/pytest tests/unit tests/simulator tests/test_readme.py -m "not slow" \
		--quiet --numprocesses 2 --dist loadfile

# What needs neither the build nor the local AWS.
IN_ONE_PROCESS := tests/unit% tests/simulator% tests/test_readme.py%
ifneq ($(filter-out $(IN_ONE_PROCESS),$(or $(T),tests)),)
test: .tools/aws/.done .tools/runtime/.done build
endif
# Three processes on two cores: while tests of deployed stacks wait, others use theirs.
test: .venv/.done ## Run every test, or those of a path with what they need: make test T=PATH.
	@HYPOTHESIS_PROFILE=$(if $(T),here,gate) $(BIN)/pytest $(or $(T),--cov --numprocesses 3 --dist loadfile)

check: lint unit ## Lint, and run the quick tests.

bench: .venv/.done .tools/aws/.done .tools/runtime/.done build ## Measure into build/bench.json.
	@$(BIN)/python -m tests.benchmarks

soak: .venv/.done .tools/aws/.done .aws-sam/.done ## Play a quarter of a year, and 1,000 clusters; hold both to bounds.
	@$(BIN)/python -m tests.lab.interruptible tests.soak.__main__

costs: .venv/.done ## Work out what a month on AWS costs, into docs/costs.md.
	@$(BIN)/python -m tests.benchmarks.costs_page

# One region for each partition of AWS: what one lacks, the template must not need.
REGIONS := eu-central-1 cn-north-1 us-gov-west-1
lint: .venv/.done .tools/sam/.done .tools/checkov/.done .tools/security/.done ## Check style, types, imports, the template, weak code and secrets.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint --regions $(REGIONS) -- template.yaml docs/takeover.yaml
	@.tools/sam/bin/sam validate --lint --region eu-central-1
	@.tools/checkov/bin/checkov --file template.yaml --framework cloudformation --skip-download --compact --quiet
	@.tools/security/bin/bandit --quiet --configfile pyproject.toml --recursive layers/core/esx_drift functions deploying.py
	@if git rev-parse --git-dir > /dev/null 2>&1; then git ls-files -z | \
		xargs -0 .tools/security/bin/detect-secrets-hook --no-verify --baseline .secrets.baseline; \
		else echo "This is no checkout of git: nothing is searched for secrets."; fi

# Asks PyPI's list of known faults, which takes a network.
audit: .tools/security/.done ## Look for known faults in what the layers hold.
	@.tools/security/bin/pip-audit --strict --disable-pip --require-hashes --requirement layers/dependencies/requirements.txt

format: .venv/.done ## Write the code as lint wants it.
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

# The layer first: what runs in Lambda is what the tests run.
COMPILE = $(UV) pip compile --quiet --upgrade --generate-hashes --python-version 3.13 --no-header \
	--no-emit-index-url --no-emit-find-links
lock: .tools/uv/.done ## Pin the newest releases that pyproject.toml allows.
	@mkdir -p build
	@$(COMPILE) pyproject.toml --output-file layers/dependencies/requirements.txt > build/lock.log
	@$(COMPILE) pyproject.toml --universal --constraints layers/dependencies/requirements.txt --extra cli \
		--group build --group lint --group test --output-file $(LOCKED)/dev.txt > build/lock.log
	@for group in aws checkov runtime sam security uv; do \
		$(COMPILE) --universal --group $$group --output-file $(LOCKED)/$$group.txt > build/lock.log || exit 1; \
	done

build: .aws-sam/.done build/sbom.json ## Build what is deployed, and list what its layers hold (build/sbom.json, CycloneDX).

# Of what was built: the path of a Python with nothing of its own leads to the layer alone; the tool itself doesn't look there.
build/sbom.json: .aws-sam/.done pyproject.toml .tools/security/.done
	@mkdir -p build
	@PYTHONPATH=.aws-sam/build/DependenciesLayer/python .tools/security/bin/python -I -m cyclonedx_py environment -S \
		--pyproject pyproject.toml --output-reproducible --output-file $@ .tools/uv/bin/python

# The processor is settled before anything is built for it.
DEPLOYING = .tools/sam/bin/python deploying.py --answers "$(or $(ANSWERS),deployment.toml)"
deploy: .tools/sam/.done ## Deploy, or upgrade: make deploy [ARCH=arm64] [REGION=…] [STACK=…] [SET="NAME=VALUE …"] [TAGS="NAME=VALUE …"].
	@arch=$$($(DEPLOYING) --stack "$(STACK)" --region "$(REGION)" --architecture "$(ARCH)" \
		--parameters "$(SET)" --tags "$(TAGS)" settle) && \
		$(MAKE) --no-print-directory build ARCH=$$arch && $(DEPLOYING) deploy

clean: ## Remove all that make made.
	@rm -rf .venv .tools .aws-sam build .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -rf .import_linter_cache

# .tools/uv/bin is on the path for its python3.13 with pip. Whoever starts cold, starts faster with .pyc files; they say
# "unchecked", since a layer's files get new dates when they are unpacked.
# Of folders only the names of the files in them count: Python keeps its own beside the code.
SOURCES := $(sort $(shell find functions layers schemas -name __pycache__ -prune -o -type f -print))
LISTED := .aws-sam/.sources-$(firstword $(shell echo $(SOURCES) | cksum))
$(LISTED):
	@mkdir -p $(@D) && rm -f .aws-sam/.sources-* && touch $@

# Likewise for another processor.
BUILT_FOR := .aws-sam/.built-for-$(or $(ARCH),x86_64)
$(BUILT_FOR):
	@mkdir -p $(@D) && rm -f .aws-sam/.built-for-* && touch $@

.aws-sam/.done: template.yaml samconfig.toml $(BUILT_FOR) .tools/sam/.done $(SOURCES) $(LISTED)
	@echo "Building the functions and their layers"
	@mkdir -p build
	@PATH="$(CURDIR)/.tools/uv/bin:$$PATH" .tools/sam/bin/sam build \
		--parameter-overrides Architecture=$(or $(ARCH),x86_64) > build/sam-build.log 2>&1 || \
		{ cat build/sam-build.log >&2; exit 1; }
	@.tools/uv/bin/python -m compileall -q -j 2 --invalidation-mode unchecked-hash .aws-sam/build
	@touch $@

# Written only if it is another one than last time: then all is built anew.
.tools/uv/.done: $(LOCKED)/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2> /dev/null || { \
		echo "Python 3.13 is needed, and '$(PYTHON)' is not it. Install it (with pyenv: pyenv install 3.13)," >&2; \
		echo "or say where it is: make PYTHON=/path/to/python3.13 ..." >&2; exit 1; }
	@echo "Installing uv"
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

.venv/.done: $(LOCKED)/dev.txt pyproject.toml .tools/uv/.done
	@echo "Installing the command and the tools to test it"
	@$(UV) venv --quiet --allow-existing --python .tools/uv/bin/python3.13 .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python $<
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

NAME_aws := the local AWS
NAME_runtime := a Lambda runtime to test with
NAME_sam := AWS SAM
NAME_security := what looks for weak code and secrets
.tools/%/.done: $(LOCKED)/%.txt .tools/uv/.done
	@echo "Installing $(NAME_$*)"
	@$(UV) venv --quiet --allow-existing --python .tools/uv/bin/python3.13 $(@D)
	@$(UV) pip sync --quiet --require-hashes --python $(@D)/bin/python $<
	@touch $@
