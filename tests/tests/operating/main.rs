//! What an operator runs where the gateway may not decide, and what the gateway tells them to. `make test` starts the services.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod bundles;
mod caught_up;
mod decisions;
mod later;
mod shown;
mod stand;
