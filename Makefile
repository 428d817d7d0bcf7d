# sketchbench. `make help` lists the targets; `make demo` and `make test` need
# Go and nothing else.

export CGO_ENABLED ?= 0
GO          ?= go
BIN         := bin/sketchbench
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
COMMIT      := $(shell h=$$(git rev-parse --short=12 HEAD 2>/dev/null) && { git diff --quiet HEAD || h=$$h-dirty; echo $$h; })
LDFLAGS     := -s -w -X main.commit=$(COMMIT)
PKGS        := ./...

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary bin/sketchbench
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/sketchbench

.PHONY: demo
demo: build ## build, then run the shipped scenario demo
	$(BIN) run demo

.PHONY: test
test: ## run every test
	$(GO) test $(PKGS)

.PHONY: test-noasm
test-noasm: ## run the tests of the numerics on portable kernels
	$(GO) test -tags noasm ./kernels/... ./internal/linalg/... ./internal/compress/... ./internal/engine/... ./internal/calib/...

.PHONY: test-race
test-race: ## run the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short $(PKGS)

FUZZTIME    ?= 30s

.PHONY: fuzz
fuzz: ## run every fuzz target in turn, for FUZZTIME each
	@grep -rE --include='*_test.go' '^func Fuzz' . | sed -E 's|/[^/]*:func (Fuzz[A-Za-z]*).*| \1|' | sort | \
	while read -r package target; do \
		echo "$$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$package || exit 1; \
	done

.PHONY: soak
soak: ## kill a run 200 times, fill the disk, damage the cache: half an hour
	SKETCHBENCH_SOAK=1 $(GO) test -v -count=1 -timeout 3h -run 'TestKill|TestSignals|TestMended|TestSoak|DiskFull|CacheFull' ./cmd/sketchbench

.PHONY: bench
bench: ## run the benchmarks, about two seconds each
	$(GO) test -run '^$$' -bench . -benchtime 2s ./kernels/... ./internal/linalg/... ./internal/compress/... ./internal/tokenizer/... ./internal/engine/...

.PHONY: check
check: ## gofmt, vet, staticcheck, go.mod tidiness, arm64 vet
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt -w is due on:"; echo "$$out"; exit 1; fi
	$(GO) vet $(PKGS)
	$(GO) run $(STATICCHECK) $(PKGS)
	$(GO) mod tidy -diff
	GOARCH=arm64 $(GO) vet $(PKGS)

.PHONY: fmt
fmt: ## format the Go files
	gofmt -w $$(git ls-files '*.go')

.PHONY: golden
golden: ## rewrite the golden files of the tests; review the difference
	$(GO) test ./cmd/sketchbench ./results/table -update

.PHONY: schema
schema: ## remake the JSON Schema of a scenario
	$(GO) run ./cmd/sketchbench schema > scenarios/scenario.schema.json.new && mv scenarios/scenario.schema.json.new scenarios/scenario.schema.json

.PHONY: asm
asm: ## regenerate the assembly of the kernels (fetches avo)
	$(GO) generate ./kernels/gemm ./kernels/cpu ./internal/compress/grid ./internal/compress/nf4

.PHONY: tables
tables: build ## remake the tables of results/published and of the README from the committed records
	for f in results/published/*.records.jsonl*; do \
		$(BIN) report --format md -o "$${f%%.records.jsonl*}.md" "$$f" || exit 1; done
	@awk -v table=results/published/demo.md '/<!-- table: begin -->/ {print; while ((getline line < table) > 0) print line; skip = 1} /<!-- table: end -->/ {skip = 0} !skip && !/<!-- table: begin -->/' README.md > README.md.new && mv README.md.new README.md
