//! The gateway's file and the pipelines' files: read in two stages, text to [`Section`]s to settings that are valid.
//! A file reports all of its faults at once, each with its line, key, value and what would be right.

mod batch;
mod claims;
pub mod confined;
mod document;
mod fault;
mod gateway;
mod kafka;
mod limits;
mod pipeline;
mod probation;
mod refused;
mod route;
mod schedule;
mod section;
mod sink;
mod start;
mod tenants;
mod units;

pub use batch::BatchLimits;
pub use claims::{Claimant, Claims};
pub use document::{Document, Draft, Places};
pub use fault::{ConfigFaults, Fault};
pub use gateway::{GatewaySettings, HttpSettings};
pub use kafka::KafkaValue;
pub use limits::{Exceeding, Limits};
pub(crate) use pipeline::{DEFAULT_TENANT, entries, named};
pub use pipeline::{Guarantee, LookupSettings, OnReject, PipelineName, PipelineSettings, PluginState, discover};
pub use probation::{Probation, Share};
pub use route::{Matching, Mode, Target};
pub use schedule::Schedule;
pub use section::Section;
pub(crate) use section::{json, shown};
pub use sink::{
    ClickHouseFormat, ClickHouseSettings, Compression, InsertMemory, PostgresSettings, STATEMENT_ROWS, Secret,
    SinkSettings, SslMode,
};
pub use start::{Start, StartPoint};
pub use tenants::{Grant, Grants};
pub use units::{ByteSize, parse_duration, shown_duration};
