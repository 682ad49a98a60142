//! Dead letters and the commit that completes their range, as one transaction on a real Kafka: whoever reads only what is committed finds each
//! letter once, wherever the gateway dies. `make test` starts the services.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod costs;
mod crashes;
mod doubts;
mod sizes;
mod stand;
