# The commands of a working day. Needs make and Python 3.11 or newer, nothing else:
# the first command that needs an environment makes one in .venv.
#
#   make demo                 the whole stack on this machine, once through
#   make demo CLOUD=azure     the same as Azure; CLOUD=aws is the default
#   make test ARGS="-k s3"    ARGS is passed on to the program that a target runs
#   make demo WORKERS=docker  the same, with the workers in containers of their image;
#                             WORKERS=serverless as a Lambda function that is invoked by Temporal

PYTHON ?= python3
ARGS ?=
CLOUD ?=
WORKERS ?=
# More arguments of `docker build`: IMAGE_ARGS="--build-arg PYTHON_IMAGE=python:3.13-slim@sha256:..."
IMAGE_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PINS := requirements/tools.txt requirements/dev.txt
PROJECT := pyproject.toml infra/wheel/tidegate.py
TEMPLATES := template.yaml \
	$(addprefix infra/aws/,alarms.yaml deployer.yaml edge.yaml registry.yaml serverless-workers.yaml worker.yaml workers.yaml)
DEPLOY := .venv-deploy
DEPLOY_PINS := requirements/deploy.txt
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make requirements"

.DEFAULT_GOAL := help
.PHONY: help routes azure-preflight azure-package azure-app-package setup demo demo-picture dev sam-local image push test soak check snapshots bench requirements \
	clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Two stamps, each a copy of what was installed: the pins, and what an editable install copies.
setup: ## Make .venv from the pins; does nothing while they are the same
	@test -x $(BIN)/python && cat $(PINS) | cmp -s - $(VENV)/pins.stamp || $(MAKE) --no-print-directory .install-pins
	@cat $(PROJECT) | cmp -s - $(VENV)/project.stamp || $(MAKE) --no-print-directory .install-project

.PHONY: .install-pins
.install-pins:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "error: $(PYTHON) was not found. Install Python 3.11 or newer," >&2; \
		echo "       or name one: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1), and Tidegate needs 3.11 or newer." >&2; \
		echo "       Name another one: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make virtual environments: it lacks ensurepip or venv." >&2; \
		echo "       On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@echo "Installing uv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@echo "Installing the packages of requirements/dev.txt"
	@$(UV_INSTALL) --require-hashes -r requirements/dev.txt
	@cat $(PINS) > $(VENV)/pins.stamp

.PHONY: .install-project
.install-project:
	@echo "Installing Tidegate, editable"
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@cat $(PROJECT) > $(VENV)/project.stamp

# An environment of its own: the template tools pin many packages that dev.txt pins otherwise.
.PHONY: .deploy-tools
.deploy-tools: setup
	@test -x $(DEPLOY)/bin/sam && cmp -s $(DEPLOY_PINS) $(DEPLOY)/pins.stamp || { \
		echo "Installing the packages of $(DEPLOY_PINS) in $(DEPLOY)" && \
		$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DEPLOY) && \
		$(BIN)/uv pip install --quiet --python $(DEPLOY)/bin/python --require-hashes -r $(DEPLOY_PINS) && \
		cp $(DEPLOY_PINS) $(DEPLOY)/pins.stamp; }

# Whatever needs packages of npm installs them if they are missing; this target reports it first.
.PHONY: .install-npm
.install-npm: setup
	@$(BIN)/python -m infra.local.azure.azurite
	@$(BIN)/python -m tests.support.npm_packages

# `exec` leaves no shell between the terminal and the program: Ctrl-C and SIGTERM reach it.
demo: setup $(if $(filter docker,$(WORKERS)),image) ## Run an outage through the whole stack on this machine
	@exec $(BIN)/tidegate demo $(if $(CLOUD),--cloud $(CLOUD)) $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

demo-picture: setup ## Draw docs/demo.svg, the picture in the README, from a run of the demo
	@exec $(BIN)/python -m tests.demo_picture

dev: setup $(if $(filter docker,$(WORKERS)),image) ## Run the whole stack on this machine until Ctrl-C
	@exec $(BIN)/tidegate dev $(if $(CLOUD),--cloud $(CLOUD)) $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

# Built for this machine, or for ARCHITECTURE: arm64 or x86_64, as in the clouds' templates.
# For versioned workers, the build ID is part of the image: BUILD_ID=1.4.0-3f2a9c1.
BUILD_ID ?=
ARCHITECTURE ?=
PLATFORM_arm64 := linux/arm64
PLATFORM_x86_64 := linux/amd64
VERSION = $$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image: .docker ## Build the workers' image, tidegate-worker
	@docker build --quiet --file workers/Dockerfile --tag tidegate-worker \
		--build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		--build-arg BUILD_ID=$(BUILD_ID) $(addprefix --platform ,$(PLATFORM_$(ARCHITECTURE))) $(IMAGE_ARGS) .

# An image of another architecture would only fail in the cloud, each task with "exec format error".
# Its tag says what it is, so that a repository with immutable tags takes it once.
REPOSITORY ?=
push: .docker ## Push the workers' image, built for ARCHITECTURE, to REPOSITORY
	@test -n "$(REPOSITORY)" || { echo "error: name REPOSITORY, e.g. the output RepositoryUri of infra/aws/registry.yaml" >&2; exit 1; }
	@test -n "$(ARCHITECTURE)" || { echo "error: name ARCHITECTURE, the one that the workers are deployed with" >&2; exit 1; }
	@built=$$(docker image inspect --format '{{.Os}}/{{.Architecture}}' tidegate-worker) || { \
		echo "error: there is no image yet: make image ARCHITECTURE=$(ARCHITECTURE)" >&2; exit 1; }; \
	test "$$built" = "$(PLATFORM_$(ARCHITECTURE))" || { \
		echo "error: tidegate-worker is built for $$built, and $(ARCHITECTURE) is $(PLATFORM_$(ARCHITECTURE))." >&2; \
		echo "       Build it again: make image ARCHITECTURE=$(ARCHITECTURE)" >&2; exit 1; }
	@commit=$$(git describe --always --dirty --exclude '*' 2>/dev/null) || { \
		echo "error: this is no git checkout with a commit, which the image's tag names" >&2; exit 1; }; \
	tag=$(REPOSITORY):$(VERSION)-$$commit-$(ARCHITECTURE); \
	docker tag tidegate-worker "$$tag" && docker push --quiet "$$tag" && \
	docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$$tag" | grep -F "$(REPOSITORY)@"

.PHONY: .docker
.docker:
	@command -v docker >/dev/null 2>&1 || { echo "error: there is no Docker on this machine" >&2; exit 1; }
	@test -z "$(ARCHITECTURE)" || test -n "$(PLATFORM_$(ARCHITECTURE))" || { \
		echo "error: ARCHITECTURE=$(ARCHITECTURE) is neither arm64 nor x86_64" >&2; exit 1; }

# Where the image cannot be pulled, use the one that is there: ARGS=--skip-pull-image
sam-local: .deploy-tools ## Run every function with every event in Lambda's image, by SAM and Docker
	@exec $(BIN)/python -m infra.local.aws.sam.run $(ARGS)

test: setup .install-npm .deploy-tools ## Run the tests
	@exec $(BIN)/python -m pytest $(ARGS)

# More examples for every property, and whole matrices of which `make test` runs a sample.
# Takes about half an hour; HYPOTHESIS_PROFILE=nightly some hours.
HYPOTHESIS_PROFILE ?= soak
soak: setup .install-npm ## Run the long versions of the tests
	@SOAK=1 HYPOTHESIS_PROFILE=$(HYPOTHESIS_PROFILE) exec $(BIN)/python -m pytest -m "soak or hypothesis" $(ARGS)

# All gates run at the same time; what each prints comes whole, in their order.
check: setup .deploy-tools ## Run every gate: style, types, layers, configuration files, templates
	@out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; trap 'kill $$running 2>/dev/null; exit 130' INT TERM; \
	gate() { \
		name=$$1; shift; gates="$$gates $$name"; \
		"$$@" >"$$out/$$name" 2>&1 & running="$$running $$!"; \
	}; \
	gate format $(BIN)/ruff format --check .; \
	gate lint $(BIN)/ruff check .; \
	gate types $(BIN)/mypy core functions_aws functions_azure workers infra tests; \
	gate layers $(BIN)/lint-imports --no-cache --no-logo; \
	gate routes $(BIN)/tidegate routes check; \
	gate policies $(BIN)/tidegate policies check; \
	gate oncall $(BIN)/tidegate oncall check infra/local/sample/oncall.yaml; \
	gate webhooks $(BIN)/tidegate webhooks check infra/local/webhooks.yaml; \
	gate bicep $(BIN)/python -m tests.gates.bicep; \
	gate licences $(BIN)/python -m tests.gates.licences; \
	gate sam env SAM_CLI_TELEMETRY=0 $(DEPLOY)/bin/sam validate --lint --region eu-west-1; \
	gate cloudformation $(DEPLOY)/bin/cfn-lint $(TEMPLATES); \
	gate graph $(DEPLOY)/bin/python -m tests.gates.cloudformation_graph $(TEMPLATES); \
	gate security $(DEPLOY)/bin/checkov --quiet --compact --skip-download --framework cloudformation \
		$(addprefix --file ,$(TEMPLATES)); \
	gate azure $(BIN)/python -m tests.gates.azure_security; \
	set -- $$running; failed=; \
	for name in $$gates; do \
		wait "$$1" || failed="$$failed, $$name"; \
		printf '\n== %s\n' "$$name"; cat "$$out/$$name"; shift; \
	done; \
	if [ -n "$$failed" ]; then printf '\nFailed: %s\n' "$${failed#, }" >&2; exit 1; fi; \
	printf '\nEvery gate passed.\n'

# What each example in infra/azure deploys. Needs the Bicep compiler, in the version of the gate.
snapshots: setup ## Renew infra/azure/snapshots after a change of a template
	@exec $(BIN)/python -m tests.gates.bicep --renew

bench: setup .deploy-tools ## Measure: throughput, latency, cold start
	@exec $(BIN)/python -m tests.benchmarks $(ARGS)

# Of a package that is published without a build step of ours, as to Azure: ROUTES=path/to/routes.yaml.
ROUTES ?= core/config/routes.yaml
routes: setup ## Compile the routing table into the package, so that listeners load no YAML
	@exec $(BIN)/python -m core.config.routing_table $(ROUTES)

AZURE_LOCATION ?=
ZONE_REDUNDANT ?=
azure-preflight: ## Check the machine, the subscription and the region before a deployment on Azure
	@exec infra/azure/preflight.sh

# What azd and `func` publish. A webhooks file that the app is set to read must be among it.
WEBHOOKS_FILE ?=
azure-package: routes ## Prepare what is published as the Azure function app, and check WEBHOOKS_FILE
	@[ -z "$(WEBHOOKS_FILE)" ] || [ -f "$(WEBHOOKS_FILE)" ] || { \
		echo "error: WEBHOOKS_FILE is $(WEBHOOKS_FILE), and there is no such file beside host.json to publish." >&2; \
		echo "       Put it there, or leave WEBHOOKS_FILE empty for no webhooks." >&2; exit 1; }
	@[ -z "$(WEBHOOKS_FILE)" ] || $(BIN)/tidegate webhooks check "$(WEBHOOKS_FILE)"

# A folder of its own, because a function app has one host.json and one requirements.txt.
ONCALL ?=
AZURE_APP := build/azure-app
azure-app-package: setup ## Prepare what is published as the HTTP application's function app: build/azure-app
	@[ -z "$(ONCALL)" ] || $(BIN)/tidegate oncall check "$(ONCALL)"
	@rm -rf $(AZURE_APP) && mkdir -p $(AZURE_APP)/functions_azure
	@cp infra/azure/app/host.json infra/azure/app/function_app.py $(AZURE_APP)
	@cp requirements/azure-app.txt $(AZURE_APP)/requirements.txt
	@cp functions_azure/__init__.py functions_azure/application.py $(AZURE_APP)/functions_azure
	@find core -type f ! -path 'core/cli/*' ! -name '*.pyc' ! -name '*.compiled.json' ! -name oncall.yaml \
		-exec sh -c 'for f; do mkdir -p "$$0/$${f%/*}" && cp "$$f" "$$0/$$f"; done' $(AZURE_APP) {} +
	@[ -z "$(ONCALL)" ] || cp "$(ONCALL)" $(AZURE_APP)/core/config/oncall.yaml
	@$(BIN)/python -m core.config.routing_table "$(ROUTES)" --output $(AZURE_APP)/core/config/routes.compiled.json

# dev.txt holds everything; the others take their versions from it. The Functions app's are where
# Azure looks for them, at the root. Pins that still fit are kept:
# ARGS=--upgrade renews them all, ARGS="--upgrade-package temporalio" one.
requirements: setup ## Renew the pins after a change in pyproject.toml
	@echo "requirements/dev.txt" && $(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt $(ARGS)
	@echo "requirements/aws.txt" && $(COMPILE) pyproject.toml --extra aws -c requirements/dev.txt -o requirements/aws.txt
	@echo "requirements/aws-app.txt" && $(COMPILE) pyproject.toml --extra aws-app -c requirements/dev.txt -o requirements/aws-app.txt
	@echo "requirements/azure-app.txt" && $(COMPILE) pyproject.toml --extra azure-app -c requirements/dev.txt -o requirements/azure-app.txt
	@echo "requirements.txt" && $(COMPILE) pyproject.toml --extra azure -c requirements/dev.txt -o requirements.txt
	@echo "requirements/worker.txt" && $(COMPILE) pyproject.toml --extra worker -c requirements/dev.txt -o requirements/worker.txt
	@echo "requirements/command.txt" && $(COMPILE) pyproject.toml --extra cli --extra local -c requirements/dev.txt -o requirements/command.txt
	@echo "requirements/tools.txt" && $(COMPILE) --group tools -c requirements/dev.txt -o requirements/tools.txt
	@echo "requirements/deploy.txt" && $(COMPILE) --group deploy -o requirements/deploy.txt $(ARGS)
	@echo "requirements/audit.txt" && $(COMPILE) --group audit -o requirements/audit.txt $(ARGS)
	@echo "infra/local/azure/azurite/package-lock.json" && $(BIN)/python -m infra.local.azure.azurite lock
	@echo "tests/support/npm/package-lock.json, tests/support/typescript/package-lock.json" && $(BIN)/python -m tests.support.npm_packages lock
	@if grep -n '"resolved"' infra/local/azure/azurite/package-lock.json tests/support/*/package-lock.json; then echo "error: a pin names an address" >&2; exit 1; fi
	@if grep -n '://' requirements.txt requirements/*.txt; then echo "error: a pin names an address" >&2; exit 1; fi
	@$(MAKE) --no-print-directory licences

# Of a file of your own: make costs ARGS=mine.toml prints the tables for it and writes nothing.
costs: setup ## Write the tables and the picture of docs/costs.md from prices, assumptions and counts
	@$(BIN)/python -m tests.costs $(ARGS)

licences: setup .deploy-tools ## Renew requirements/licences.toml after a change of the pins
	@$(BIN)/python -m tests.supply_chain.licences

sbom: setup ## Write the SBOM of each artefact to build/sbom, as CycloneDX JSON
	@exec $(BIN)/python -m tests.supply_chain.sbom

# Fails where a package cannot be looked up, too. Another index: ARGS="-s osv"
audit: setup ## Look every pinned package up in an index of advisories
	@exec $(BIN)/python -m tests.supply_chain.audit $(ARGS)

clean: ## Remove the environment, caches, builds and local state
	@rm -rf $(VENV) $(DEPLOY) .tidegate .bench .aws-sam build dist *.egg-info
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
