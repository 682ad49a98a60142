//! Where a pipeline starts, when it takes what has gathered, and when it ends by itself. `make test` starts the services.

mod caught_up;
mod positions;
mod retention;
mod slots;
mod stand;
