//! What the end-to-end tests stand on: real services, the gateway as a process of its own, and the shop's records with
//! what should become of them. The tests below `tests/` call it; nothing here knows the gateway's inside.
//!
//! ```text
//! Tenant            a test's own names, topics, database and files   tenant.rs
//!   Kafka           topics, records in and out, offsets              topics.rs
//!   ClickHouse      statements and rows                              clickhouse.rs, http.rs
//!   Postgres        the same for PostgreSQL and Greenplum            postgres.rs
//!   PipelineFile    what the operator writes                         files.rs
//! SecureKafka       a broker with TLS and users                      secure.rs
//! Gateway           the process: its log, its pages, its end         gateway.rs
//! Shop              the records of a test                          shop.rs
//! Feed              a writer in the background                       feed.rs
//! Proxy             a server that can hang or be away               proxy.rs
//! TlsFront          TLS before a server that has none                 front.rs
//! NumbersTenant     a pipeline whose versions come and go           numbers.rs
//! Expected          what a correct gateway makes of the records      expected.rs, letters.rs
//! eventually        waits for a condition, never for a time          wait.rs
//! ```

mod clickhouse;
mod expected;
mod feed;
mod files;
mod front;
mod gateway;
mod http;
mod letters;
mod numbers;
mod postgres;
mod proxy;
mod secure;
mod services;
mod shop;
mod tenant;
mod topics;
mod wait;

pub use clickhouse::ClickHouse;
pub use expected::{
    CORRECTIONS, Duplicates, Expected, MOVEMENTS, SALES, TableQuery, compare, escaped, nullable, origins,
};
pub use feed::{Feed, Padded};
pub use files::{GatewayFile, PipelineFile};
pub use front::{Opening, TlsFront};
pub use gateway::{End, Gateway, binary};
pub use http::{Answer, Http};
pub use letters::{Letter, check_letters, check_letters_in};
pub use numbers::{Numbers, NumbersTenant, Version, plugin, rename, with_build};
pub use postgres::{Postgres, PostgresServer};
pub use proxy::{Mode, Proxy};
pub use secure::{Certificates, SecureKafka};
pub use services::Services;
pub use shop::Shop;
pub use tenant::Tenant;
pub use topics::{Group, Kafka, Message, Received, Transaction};
pub use wait::{PATIENCE, eventually};
