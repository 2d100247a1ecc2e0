# `make help` lists what is here. All of it works on Debian 12 and newer with Go, make and git.

.DEFAULT_GOAL := help
SHELL := /bin/sh

GO          ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
DOCKER      ?= docker
FUZZTIME    ?= 20s
BENCH       ?= .
SOAK        ?= 3m
export SOAK
DEPLOYS     ?= 100
CRASHES     ?= 50

# On a laptop packages are tested side by side; where nobody waits, one after the other, so that none disturbs another's
# time limits.
TESTFLAGS   ?= $(if $(CI),-p 1)

# Debian keeps haproxy in /usr/sbin, which is not on every user's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X berth/cmd/internal/cli.version=$(VERSION)
PROGRAMS := $(notdir $(patsubst %/main.go,%,$(wildcard cmd/*/main.go)))
GOFILES  := $(shell find . -name '*.go' -not -path './vendor/*' -not -path './.git/*' 2>/dev/null)

.PHONY: help build test deps vet staticcheck gofmt unit race lint fuzz golden e2e e2e-haproxy-3.0 soak soak-deploy crash compose-test bench demo image images base-images clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## all programs, static, into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./cmd/,$(PROGRAMS))

test: deps lint race e2e $(if $(CI),e2e-haproxy-3.0) ## everything that has to pass: lint, unit tests with -race, fuzz seeds, e2e

deps:
	@scripts/install-deps --try haproxy curl cc nft dig

lint: gofmt vet staticcheck ## gofmt, go vet, staticcheck

gofmt:
	@bad=$$(gofmt -l $(GOFILES)); if [ -n "$$bad" ]; then echo "not formatted by gofmt:" >&2; echo "$$bad" >&2; exit 1; fi

vet:
	$(GO) vet ./...
	@if [ -d e2e ]; then $(GO) vet -tags e2e ./e2e/... && $(GO) vet -tags e2e,compose,soak ./e2e/...; fi

staticcheck:
	$(STATICCHECK) ./...

unit: ## unit tests and fuzz seeds, without -race (no C compiler needed)
	CGO_ENABLED=0 $(GO) test ./...

race: ## unit tests and fuzz seeds with -race
	@if command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1; then \
		echo '$(GO) test -race $(TESTFLAGS) ./...'; CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...; \
	elif [ -n "$$CI" ]; then \
		echo "no C compiler, and -race needs one" >&2; exit 1; \
	else \
		echo "SKIPPED: -race, because there is no C compiler" >&2; CGO_ENABLED=0 $(GO) test $(TESTFLAGS) ./...; \
	fi

fuzz: ## each fuzz target for FUZZTIME (20s)
	@scripts/fuzz $(FUZZTIME)

golden: ## rewrite the golden files; review the diff
	$(GO) test ./mlb/... -update

e2e: ## whole programs with real HAProxy and, where an engine answers, real Docker
	@if [ -d e2e ]; then echo '$(GO) test -tags e2e -count=1 $(TESTFLAGS) ./e2e/...'; \
		$(GO) test -tags e2e -count=1 $(TESTFLAGS) -timeout 30m ./e2e/...; \
	else echo "no e2e folder"; fi

soak-deploy: deps ## DEPLOYS (100) rolling deployments and 10 rollbacks under load, the orchestrator killed 20 times; minutes
	BERTH_SOAK_DEPLOYS=$(DEPLOYS) BERTH_SOAK_ROLLBACKS=10 BERTH_SOAK_KILLS=20 $(GO) test -tags e2e -count=1 -timeout 40m -v \
		-run 'TestRollingDeploys|TestBrokenVersionIsRolledBack' ./e2e

crash: ## the orchestrator killed CRASHES (50) times amid writes and deployments; minutes
	BERTH_CRASH_ROUNDS=$(CRASHES) $(GO) test -tags e2e -count=1 -timeout 30m -v -run TestCrash ./e2e

compose-test: ## docker compose with a freshly built image, as docs/compose.md says; takes minutes
	$(GO) test -tags e2e,compose -count=1 -timeout 30m -v -run TestCompose ./e2e/...

soak: ## mlb and HAProxy under load and 500 random changes, none of which may fail a request; SOAK=10m is longer
	@scripts/install-deps --try haproxy
	$(GO) test -tags e2e,soak -count=1 -timeout 25h -v -run TestSoak ./e2e

HAPROXY_E2E := Canary|Label|Template|Protocols|Flags|Environment|FailOver|OneShot|ZDD|Reload|HAProxy|MLB

e2e-haproxy-3.0: ## what has to do with HAProxy, with Debian 13's HAProxy 3.0 (kept in ~/.cache/berth)
	@BERTH_HAPROXY=$$(scripts/haproxy-3.0) && export BERTH_HAPROXY && \
		echo "$(GO) test ./mlb/... ./cmd/internal/mlbd ./e2e with $$BERTH_HAPROXY" && \
		$(GO) test -count=1 $(TESTFLAGS) ./mlb/... ./cmd/internal/mlbd && \
		$(GO) test -tags e2e -count=1 $(TESTFLAGS) -timeout 30m -run '$(HAPROXY_E2E)' ./e2e/...

bench: ## benchmarks, and dnsd beside other name servers; BENCH selects by regular expression
	@scripts/install-deps --try haproxy wrk nft
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./...
	$(GO) test -tags e2e -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 10m ./e2e/vip
	@if [ '$(BENCH)' = . ]; then scripts/bench-dns; fi

demo: build ## the six apps step by step on this machine, no Docker needed; ONCE=1 ends by itself
	@scripts/install-deps haproxy curl dig
	@bin/berth demo $(if $(ONCE),--once) $(DEMOFLAGS)

image: ## one image with all programs and HAProxy: berth
	$(DOCKER) build -t berth --build-arg VERSION=$(VERSION) .

images: build ## the example image berth/hello, FROM scratch
	@scripts/hello-image $(DOCKER)

base-images: ## the Dockerfile's two base images from Debian packages, where no registry answers
	@scripts/install-deps debootstrap
	@scripts/base-images $(DOCKER)

clean: ## remove what was built
	rm -rf bin dist
