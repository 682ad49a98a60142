//! `tidegate audit` and `tidegate replay`: what an operator proves to themselves, on tables in which rows were deleted and doubled by hand. `make test` starts
//! the services.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod audit;
mod audited;
#[expect(dead_code, reason = "other tests have more done to requests")]
#[path = "../exactly_once_clickhouse/front.rs"]
mod front;
mod replay;
mod replay_doubts;
mod replayed;
mod told;
