//! Guests that do what no guest should, when their records say so: what a record makes a guest do costs that record, and no
//! other. `isolated` is about one range and needs the files that `make test-guests` builds; `gateway` is the whole of it, with a
//! neighbour, and needs the services that `make test` starts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod gateway;
mod isolated;
