# `make` alone lists the targets.
.PHONY: help deps demo test bench lint fmt

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/'

deps: ## install what building, testing and benching need
	hack/deps.sh test

# The dev profile: on a fresh machine it is compiled in half the time of a release build.
demo: ## a page with moving numbers, without network or servers
	hack/deps.sh demo
	cargo run --locked -p dvmdash -- local --demo --ephemeral

test: deps ## all tests, against real servers that start by themselves
	cargo build --locked --workspace --bin dvmdash
	cargo test --locked --workspace --doc
	cargo test --locked --workspace --lib --bins --tests

bench: deps ## events a second from the queue to committed numbers
	cargo build --locked --release --workspace --bins
	"$${CARGO_TARGET_DIR:-target}/release/bench"

lint: ## what CI checks besides the tests
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo-deny is not installed: skipped"; fi

fmt: ## format the code
	cargo fmt --all
