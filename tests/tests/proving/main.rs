//! `tidegate audit` and `tidegate replay`: what an operator proves to themselves, on tables in which rows were deleted and doubled by hand. `make test` starts
//! the services.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod audit;
mod audited;
mod replay;
