//! The gateway's file and the pipelines' files: read in two stages, text to [`Section`]s to settings that are valid.
//! A file reports all of its faults at once, each with its line, key, value and what would be right.

mod fault;
mod gateway;
mod kafka;
mod pipeline;
mod section;
mod sink;
mod units;

pub use fault::{ConfigFaults, Fault};
pub use gateway::GatewaySettings;
pub use kafka::KafkaValue;
pub use pipeline::{BatchLimits, LookupSettings, OnReject, PipelineName, PipelineSettings, Start, Target, discover};
pub use section::{Document, Section};
pub(crate) use section::{json, shown};
pub use sink::{ClickHouseFormat, ClickHouseSettings, Compression, PostgresSettings, Secret, SinkSettings, SslMode};
pub use units::{ByteSize, parse_duration};
