# syntax=docker/dockerfile:1
# The gateway with the example plugins, and the generator of their records.

FROM rust:1.95-bookworm AS builder
# librdkafka is built with cmake; what else it takes (a C compiler, make, perl) is in the base image.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
# The toolchain of this image, whatever components rust-toolchain.toml asks for besides: they are for development.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TARGET_DIR=/target
RUN rustup target add wasm32-unknown-unknown wasm32-wasip2
WORKDIR /source
COPY . .
# What a cache mount holds is not part of the image: results are copied out in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target,sharing=locked \
    cargo build --locked --release -p tidegate -p tidegate-demo \
    && cargo build --locked --profile plugin --target wasm32-unknown-unknown -p sales \
    && cargo build --locked --profile plugin --target wasm32-wasip2 -p warehouse \
    && mkdir -p /out/bin /out/plugins \
    && cp /target/release/tidegate /target/release/tidegate-demo /out/bin/ \
    && strip --strip-debug /out/bin/tidegate /out/bin/tidegate-demo \
    && cp /target/wasm32-unknown-unknown/plugin/sales.wasm /target/wasm32-wasip2/plugin/warehouse.wasm \
       plugins/sales/sales.toml plugins/sales/products.csv plugins/warehouse/warehouse.toml /out/plugins/

FROM debian:bookworm-slim
# Certificates are for brokers and databases that are reached by TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tidegate \
    && install --directory --owner=10001 --mode=0700 /var/lib/tidegate
COPY --from=builder /out/bin/ /usr/local/bin/
COPY --from=builder /out/plugins/ /etc/tidegate/plugins/
USER 10001
# Compiled plugins and the last good versions.
VOLUME /var/lib/tidegate
WORKDIR /etc/tidegate
EXPOSE 9464
ENTRYPOINT ["tidegate"]
CMD ["run", "--config", "/etc/tidegate/gateway.toml"]
