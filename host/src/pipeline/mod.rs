//! A pipeline: the path of a record, one file a step.
//!
//! `partition` -> `range` -> `batch` -> `transform` (the plugin) -> `deliver` (sinks, dead letters) -> `complete`
//!
//! `prepare` makes ready what a pipeline consists of, `reader` is the thread that fetches and commits, `runner` begins pipelines and ends them. Data goes one way; only `complete`
//! moves the group's offset.

mod answers;
mod batch;
mod budget;
mod complete;
mod deliver;
mod isolate;
mod lookups;
mod pace;
mod partition;
mod prepare;
mod range;
mod reader;
mod runner;
mod search;
mod slices;
mod status;
mod transform;

pub use batch::{Batch, Bundle, Lineage, Token};
pub use budget::{Budget, Permit};
pub use isolate::{Isolation, isolate};
pub use prepare::{Destination, Preparation};
pub use range::{Range, RecordRef, Records, Strings};
pub use runner::{Pipeline, Shared};
pub use status::{Phase, Status};
pub use transform::{Chunk, Concerns, Failed, Reject, RouteRows, Stage, TransformFault, Transformed, transform};
