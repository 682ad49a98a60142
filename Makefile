# What a newcomer needs: `make demo` and `make test`. `make help` says what else there is.

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

# Plugins with their pipeline files and tables, as an operator would lay them out.
PLUGINS := $(CURDIR)/target/plugins
TEST_GUESTS := $(CURDIR)/target/test-guests

.PHONY: help
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { echo "Rust is missing; install it with: curl --proto '=https' -sSf https://sh.rustup.rs | sh"; exit 1; }
	@command -v cmake >/dev/null || { echo "cmake is missing; install it with: apt-get install -y cmake"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing; install it with: apt-get install -y build-essential"; exit 1; }
	@rustup target add wasm32-unknown-unknown wasm32-wasip2 >/dev/null 2>&1 || { \
	  echo "the WebAssembly targets cannot be added; run: rustup target add wasm32-unknown-unknown wasm32-wasip2"; exit 1; }

.PHONY: plugins
plugins: toolchain ## build the example plugins into target/plugins
	cargo build --quiet --profile plugin --target wasm32-unknown-unknown -p sales
	cargo build --quiet --profile plugin --target wasm32-wasip2 -p warehouse
	@mkdir -p $(PLUGINS)
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/sales.wasm plugins/sales/sales.toml plugins/sales/products.csv $(PLUGINS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-wasip2/plugin/warehouse.wasm plugins/warehouse/warehouse.toml $(PLUGINS)/

.PHONY: test-guests
test-guests: toolchain ## build the plugins that only tests load into target/test-guests
	cargo build --quiet --profile plugin --target wasm32-unknown-unknown -p unruly -p counter
	cargo build --quiet --profile plugin --target wasm32-wasip2 -p unruly
	@mkdir -p $(TEST_GUESTS)
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/unruly.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/counter.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-wasip2/plugin/unruly.wasm $(TEST_GUESTS)/unruly-wasip2.wasm

.PHONY: demo
demo: plugins ## see records become rows, with nothing else installed; `make demo SECONDS=20` ends by itself
	@echo "building the gateway; the first time this takes some minutes"
	@cargo build --release -p tidegate-demo
	@$(CARGO_TARGET_DIR)/release/tidegate-demo demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE))
