# What a newcomer needs: `make demo` and `make test`. `make help` says what else there is.

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

# Plugins with their pipeline files and tables, as an operator would lay them out.
PLUGINS := $(CURDIR)/target/plugins
EXAMPLES := $(CURDIR)/target/examples
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

# As a module alone: cargo optimises a crate across its dependencies only where it is not also made a library for others.
MODULE := cargo rustc --quiet --profile plugin --lib --crate-type cdylib

.PHONY: plugins
plugins: toolchain ## build the shop's plugins into target/plugins, all other examples into target/examples
	@set -e; for name in sales sensors syslog music people campaigns flights; do \
	  $(MODULE) --target wasm32-unknown-unknown -p $$name; done
	@$(MODULE) --target wasm32-wasip2 -p warehouse
	@mkdir -p $(PLUGINS)
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/sales.wasm plugins/sales/sales.toml plugins/sales/products.csv $(PLUGINS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-wasip2/plugin/warehouse.wasm plugins/warehouse/warehouse.toml $(PLUGINS)/
	@mkdir -p $(EXAMPLES)
	@for name in sensors syslog music people campaigns; do \
	  cp plugins/$$name/$$name.toml $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/$$name.wasm $(EXAMPLES)/; done
	@cp plugins/campaigns/campaigns.csv $(EXAMPLES)/
	@# Without its pipeline file, which needs the data set: for the golden cases.
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/flights.wasm $(EXAMPLES)/

.PHONY: test-guests
test-guests: toolchain json-fuzz-guests ## build the plugins that only tests load into target/test-guests
	cargo build --quiet --profile plugin --target wasm32-unknown-unknown -p unruly -p counter -p objects -p picky -p liar -p twofold
	cargo build --quiet --profile plugin --target wasm32-wasip2 -p unruly
	@mkdir -p $(TEST_GUESTS)
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/unruly.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/counter.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/objects.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/picky.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/liar.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/twofold.wasm $(TEST_GUESTS)/
	@cp $(CARGO_TARGET_DIR)/wasm32-wasip2/plugin/unruly.wasm $(TEST_GUESTS)/unruly-wasip2.wasm

DATASET := $(CURDIR)/target/dataset

.PHONY: dataset
dataset: toolchain services-needed ## fetch a public data set, build its plugin, both into target/dataset; docs/examples.md goes on from there
	@$(MODULE) --target wasm32-unknown-unknown -p flights
	@mkdir -p $(DATASET)/plugins
	@cp $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/flights.wasm plugins/flights/flights.toml $(DATASET)/plugins/
	@data=$$(python3 tests/datasets/flights.py) && cp $$data/airlines.csv $(DATASET)/plugins/ && cp $$data/flights.csv $(DATASET)/

.PHONY: demo
demo: plugins ## see records become rows, with nothing else installed; `make demo SECONDS=20` ends by itself
	@echo "building the gateway; the first time this takes some minutes"
	@cargo build --release -p tidegate-demo
	@$(CARGO_TARGET_DIR)/release/tidegate-demo demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE))

SERVICES := python3 tests/services/services.py

.PHONY: services-needed
services-needed:
	@command -v python3 >/dev/null || { echo "Python 3 is missing; install it with: apt-get install -y python3 python3-venv"; exit 1; }

.PHONY: test
test: plugins test-guests dataset services-needed ## run all tests on a real Kafka, a real ClickHouse engine, PostgreSQL and files, all started here
	cargo build --release --workspace --bins
	$(SERVICES) run kafka kafka-secure clickhouse clickhouse-2018 postgres -- cargo test --release --workspace

.PHONY: lint
lint: ## formatting, clippy, docs and licences; warnings are errors
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items
	@if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; \
	  else echo "cargo-deny is missing; install it with: cargo install cargo-deny --locked"; fi

RECORDS ?= 5000000
ROUNDS ?= 5
PIPELINES ?= 1000
BENCH = $(SERVICES) run kafka clickhouse postgres -- $(CARGO_TARGET_DIR)/release/bench --records $(RECORDS) --rounds $(ROUNDS)

.PHONY: bench-built
bench-built: plugins services-needed
	cargo build --release -p tidegate-tests --bins

.PHONY: bench
bench: bench-built ## what a record costs, against a bare poll loop; RECORDS= and ROUNDS= change its size
	$(BENCH)

.PHONY: bench-wide
bench-wide: bench-built ## the same with 64 partitions
	$(BENCH) --partitions 64 --summary target/bench/summary-wide.json

.PHONY: bench-many
bench-many: plugins services-needed ## what 1,000 pipelines cost in one gateway; PIPELINES= changes their number
	cargo build --release -p tidegate -p tidegate-tests --bins
	TIDEGATE_KAFKA_HEAP=2g $(SERVICES) run kafka -- $(CARGO_TARGET_DIR)/release/bench-many --pipelines $(PIPELINES)

SWAPS ?= 100

.PHONY: bench-swap
bench-swap: plugins test-guests services-needed ## versions that take over under 100,000 records/s; SWAPS= changes how many
	cargo build --release -p tidegate -p tidegate-tests --bins
	$(SERVICES) run kafka clickhouse -- $(CARGO_TARGET_DIR)/release/bench-swap --swaps $(SWAPS)

.PHONY: bench-tenants
bench-tenants: plugins test-guests services-needed ## what a tenant keeps of its throughput beside hostile neighbours; ROUNDS= changes how often
	cargo build --release -p tidegate-tests --bins
	$(SERVICES) run kafka -- $(CARGO_TARGET_DIR)/release/bench-tenants --rounds $(ROUNDS)

# The module has the rivals in it: a dependency of jiter's wants to be told that a guest has no random numbers. What is said
# here is added to what `.cargo/config.toml` says.
JSON_GUEST_FLAGS = --cfg getrandom_backend="custom"

.PHONY: bench-json-built
bench-json-built: toolchain
	cargo build --quiet --profile plugin -p tidegate-json-bench --features rivals --bins
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='$(JSON_GUEST_FLAGS)' \
	  $(MODULE) --target wasm32-unknown-unknown -p tidegate-json-bench --features rivals
	cargo build --quiet --release -p tidegate-json-runner --bin bench-json

.PHONY: bench-json
bench-json: ROUNDS = 11
bench-json: bench-json-built ## what it costs to read JSON, with this parser and with others; ROUNDS=, SET= and PARSER= choose
	$(CARGO_TARGET_DIR)/release/bench-json --rounds $(ROUNDS) --set "$(SET)" --parser "$(PARSER)" \
	  --native $(CARGO_TARGET_DIR)/plugin/json-bench \
	  --guest $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/tidegate_json_bench.wasm

JSON_FUZZ = cargo build --quiet --profile plugin -p tidegate-json-fuzz --bin json-fuzz --features exact
JSON_FUZZ_PLACE = $(CARGO_TARGET_DIR)/json-fuzz

# Two native programs of the same sources, so each goes to a place of its own.
.PHONY: fuzz-json-built
fuzz-json-built: json-fuzz-guests
	@mkdir -p $(JSON_FUZZ_PLACE)
	$(JSON_FUZZ),scalar && cp $(CARGO_TARGET_DIR)/plugin/json-fuzz $(JSON_FUZZ_PLACE)/scalar
	$(JSON_FUZZ) && cp $(CARGO_TARGET_DIR)/plugin/json-fuzz $(JSON_FUZZ_PLACE)/vectors
	cargo build --quiet --release -p tidegate-json-runner --bin fuzz-json

JSON_FUZZ_GUEST = $(MODULE) --target wasm32-unknown-unknown -p tidegate-json-fuzz --features exact
JSON_FUZZ_MODULE = $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/plugin/tidegate_json_fuzz.wasm

.PHONY: json-fuzz-guests
json-fuzz-guests: toolchain
	@mkdir -p $(TEST_GUESTS)
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='-C target-feature=-simd128' $(JSON_FUZZ_GUEST)
	@cp $(JSON_FUZZ_MODULE) $(TEST_GUESTS)/json-fuzz-scalar.wasm
	$(JSON_FUZZ_GUEST)
	@cp $(JSON_FUZZ_MODULE) $(TEST_GUESTS)/json-fuzz-vectors.wasm

.PHONY: fuzz-json
fuzz-json: RECORDS = 10000000
fuzz-json: SEED = 1
fuzz-json: fuzz-json-built ## read RECORDS= tampered JSON records in each of four ways, as serde_json does; SEED= for others
	$(JSON_FUZZ_PLACE)/vectors $(RECORDS) $(SEED)
	$(JSON_FUZZ_PLACE)/scalar $(RECORDS) $(SEED)
	$(CARGO_TARGET_DIR)/release/fuzz-json $(TEST_GUESTS)/json-fuzz-vectors.wasm $(RECORDS) $(SEED)
	$(CARGO_TARGET_DIR)/release/fuzz-json $(TEST_GUESTS)/json-fuzz-scalar.wasm $(RECORDS) $(SEED)

.PHONY: miri-json
miri-json: ## run the JSON parser's tests under Miri, without vectors
	@cargo +nightly miri --version >/dev/null 2>&1 || { \
	  echo "Miri is missing; install it with: rustup component add miri rust-src --toolchain nightly"; exit 1; }
	@# Without the tests that compare very many inputs: Miri takes a thousand times as long.
	MIRIFLAGS=-Zmiri-disable-isolation TIDEGATE_JSON_MUTATIONS=40 cargo +nightly miri test -p tidegate-json --features scalar \
	  --target-dir $(CARGO_TARGET_DIR)/miri --lib --test differential --test grammar -- \
	  --skip eight_at_a_time --skip every_byte --skip the_depth --skip nesting --skip what_must_be_refused

CHAOS = $(CARGO_TARGET_DIR)/release/chaos $(if $(SEED),--seed $(SEED))

.PHONY: chaos-built
chaos-built: test-guests services-needed
	cargo build --release -p tidegate -p tidegate-tests --bins

.PHONY: chaos
chaos: chaos-built ## break everything around two gateways and count every record; LONG=1: 10 million, 100 faults; SEED= repeats
	$(CHAOS) $(if $(LONG),--records 10000000 --faults 100)

.PHONY: chaos-unplanned
chaos-unplanned: chaos-built ## the same without planning a range before it is sent, to see that the count shows it
	@# Without the stop points of plans, which nobody would pass.
	$(CHAOS) --unplanned --records 100000 --only killed --only "gateway frozen" --only write --only reached --folder target/chaos-unplanned

.PHONY: profile
profile: bench-built ## where a record's time goes, guest functions by name, for `perf report`
	@command -v perf >/dev/null || { echo "perf is missing; install it with: apt-get install -y linux-perf"; exit 1; }
	@mkdir -p target/bench
	$(BENCH) --profile target/bench/perf.data

.PHONY: up down
up: services-needed ## start Kafka and ClickHouse to try things by hand; `make down` stops them
	@$(SERVICES) up kafka clickhouse --dir target/services
down: ## stop what `make up` started
	@$(SERVICES) down --dir target/services
