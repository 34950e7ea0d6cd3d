# The front door: every command that a contributor or a user needs is a line here.
# CI runs these targets and nothing else.

SHELL := /bin/bash
.DEFAULT_GOAL := help

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
EXTRAS := --extra operator --extra worker --extra tensorrt-rtx
STORAGE := out/storage

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-24s %s\n", $$1, $$2}'

## ---- set-up

.tools/bin/uv:
	python3 -m pip install --quiet --target .tools uv

.PHONY: sync
sync: $(filter .tools/%,$(UV)) ## Install everything that is locked into .venv
	$(UV) sync --frozen --quiet $(EXTRAS)

## ---- use it

.PHONY: quickstart
quickstart: sync ## Without a cluster: make a small model, then run examples/quickstart.yaml on it
	$(RUN) python examples/quickstart/make_model.py $(STORAGE)
	$(RUN) lathe run examples/quickstart.yaml --storage $(STORAGE)

.PHONY: demo
demo: sync ## On Kubernetes: $KUBECONFIG, else kind, else a local cluster; the same example until Succeeded
	$(RUN) python -m e2e.demo up

.PHONY: demo-down
demo-down: sync ## Take away what `make demo` made
	$(RUN) python -m e2e.demo down

## ---- work on it

.PHONY: fmt
fmt: sync ## Format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

.PHONY: generate
generate: sync ## Rewrite what is generated from the types: crds/*.yaml, the chart's copies, docs/reference
	$(RUN) python -m lathe_api.crd crds
	$(RUN) python -m lathe_api.steps_page > docs/.generated && mv docs/.generated docs/reference/steps.md
	$(RUN) python -m lathe_api.resource_page > docs/.generated && mv docs/.generated docs/reference/resource.md
	$(RUN) python -m lathe_operator.metrics.page > docs/.generated && mv docs/.generated docs/reference/metrics.md
	$(RUN) python -m lathe_worker.report.schema > docs/.generated && mv docs/.generated docs/reference/report.schema.json
	$(MAKE) --no-print-directory chart-copies

.PHONY: chart-copies
chart-copies: ## Rewrite what the chart has copies of: a chart can only read its own files
	cp crds/*.yaml charts/lathe/files/crds/
	cp charts/kustomize/base/{admission-policy,roles,roles-for-users}.yaml charts/lathe/files/base/
	cp charts/monitoring/{dashboard.json,prometheus-rule.yaml} charts/lathe/files/monitoring/

.PHONY: picture
picture: sync ## Run docs/images/report.yaml, and take the picture of its report (needs chromium)
	$(RUN) python examples/quickstart/make_model.py $(STORAGE)
	$(RUN) lathe run docs/images/report.yaml --storage $(STORAGE)
	$(RUN) python docs/images/picture.py $(STORAGE)/artifacts/digits-small docs/images/report.png

.PHONY: lint
lint: sync ## Format, lint, types and the laws of ARCHITECTURE.md
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) lint-imports
	$(RUN) mypy

.PHONY: verify
verify: generate lint ## What a change must pass before its tests: nothing generated is stale, no lint
	git diff --exit-code -- crds docs/reference charts
	@test -z "$$(git status --porcelain -- crds docs/reference charts)" || { git status --short -- crds docs/reference charts; exit 1; }

.PHONY: unit
unit: sync ## Tests without servers, a minute or two
	$(RUN) pytest -n auto tests/unit tests/golden tests/architecture

.PHONY: test
test: control-plane ## Every test but e2e: real kube-apiserver, real S3 server, real engine builds
	$(RUN) pytest -n auto tests/unit tests/golden tests/architecture
	$(RUN) pytest -n 2 tests/integration/examples
	$(RUN) pytest -m "not disturbed" tests/integration --ignore=tests/integration/examples

.PHONY: disturbed
disturbed: control-plane ## The operator killed, refused and cut off from a real API server, among twenty resources (minutes)
	$(RUN) pytest -m disturbed tests/integration

.PHONY: e2e
e2e: sync ## Stories in a local cluster with real pods; needs root on Linux
	$(RUN) pytest e2e

.PHONY: bench-compression
bench-compression: sync ## Every task of the compression suite beside rivals: docs/benchmarks (hours; goes on where it was)
	$(RUN) python -m benchmarks.compression

.PHONY: bench-compression-quick
bench-compression-quick: sync ## The same on small tasks in minutes: does every task run to its end, and keep its quality?
	rm -rf out/bench-quick
	$(RUN) python -m benchmarks.compression --quick

.PHONY: bench-operator
bench-operator: control-plane ## The operator beside a twin in Go: docs/benchmarks (an hour; needs an idle machine)
	$(RUN) python -m benchmarks.operator

.PHONY: bench-operator-quick
bench-operator-quick: control-plane ## The same, small: are the counts as promised? (a minute or two; no times judged)
	rm -rf out/bench-operator-quick
	$(RUN) python -m benchmarks.operator --quick

.PHONY: control-plane
control-plane: sync ## Build etcd, kube-apiserver and what tests run beside them from Go modules (minutes, once)
	$(RUN) python -m e2e.localcluster control-plane-build

.PHONY: cluster-up
cluster-up: sync ## Start the local cluster, or find it running (Linux, root)
	$(RUN) python -m e2e.localcluster up

.PHONY: cluster-down
cluster-down: sync ## End the local cluster
	$(RUN) python -m e2e.localcluster down

.PHONY: images
images: cluster-up ## Build both images into the local registry; print their names and what they weigh
	$(RUN) python -m e2e.localcluster images
	$(RUN) python -m e2e.release.measure

## ---- publish it

.PHONY: changelog
changelog: sync ## Collect changes/ into CHANGELOG.md for VERSION=x.y.z
	$(UV) tool run --from towncrier==25.8.0 towncrier build --yes --version $(VERSION)

.PHONY: release
release: sync ## Of the tagged commit: images, chart, crds.yaml, bills of materials, checksums, into dist/
	$(RUN) python -m e2e.release $(if $(REGISTRY),--registry=$(REGISTRY))
