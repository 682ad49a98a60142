//! A pipeline: the path of a record, one file a step.
//!
//! `partition` -> `range` -> `batch` -> `transform` (the plugin) -> `deliver` (sinks, dead letters) -> `complete`
//!
//! `prepare` makes ready what a pipeline consists of, a `deployment` is a version of it that is ready, `versions` says which of them transforms
//! the next range, `probation` compares a new one with the former. `runner` is the life of a pipeline, `consume` its memberships, `reader` the thread
//! that fetches and commits, `park` is where idle ones wait. Data goes one way; only `complete` moves the group's offset.

mod again;
mod answers;
mod batch;
mod budget;
mod consume;
mod deliver;
mod deployment;
mod golden;
mod inserts;
mod isolate;
mod join;
mod kept;
mod outlet;
mod pace;
mod park;
mod partition;
mod past;
mod prepare;
mod probation;
mod range;
mod reader;
mod recount;
mod report;
mod rows_per_record;
mod runner;
mod search;
mod shared;
mod slices;
mod status;
mod statuses;
mod stop;
mod transform;
mod turns;
mod versions;
mod write;

pub use batch::{Batch, Bundle, Lineage, Token, mint_lineage};
pub use budget::{Budget, Permit, Spent};
pub use inserts::Span;
pub use isolate::{Isolation, isolate};
pub use kept::renamed_from;
pub use outlet::{Outgoing, Outlet, WriteFault};
pub use prepare::{Destination, Preparation, Prepared};
pub use range::{Range, RecordRef, Records, Strings};
pub use recount::{OFFSET, PARTITION};
pub use report::{RefusedVersion, RunningVersion, VersionReport};
pub use runner::{Pipeline, Wanted};
pub use shared::Shared;
pub use status::{Phase, Status};
pub use statuses::Statuses;
pub use transform::{
    Chunk, Concerns, Failed, RANGE_ORIGIN, Reject, RouteRows, Stage, TransformFault, Transformed, transform,
};
