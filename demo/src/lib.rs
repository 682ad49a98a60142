//! What trying Tidegate out takes: the records of a made-up shop, and a demonstration that needs nothing else. The
//! end-to-end tests and the benchmarks use the records too; the gateway itself must not.
//!
//! ```text
//! shop                makes records, and says what should become of them
//! examples            makes records for the other example plugins, in the same way
//! produce             writes them to Kafka
//! lines               writes the lines of a file there
//! demonstration       the whole of `make demo`, from its start to its summary
//!   embedded_kafka    a Kafka within the process
//!   output            the folder that all of it writes to
//!   traffic           writes records at a steady rate
//!   dead_letters      saves what was rejected
//!   watch             reads the gateway's counters
//!   live_view         the figures as text, for a terminal or one line a second
//!   summary           the same at the end, compared with what was made and with what lies in the files
//!   screen            shows them on standard output, whatever that is
//!   terminal, text    lines on a terminal, and how figures are written in them
//! ```

pub mod dead_letters;
pub mod demonstration;
pub mod embedded_kafka;
pub mod examples;
pub mod lines;
pub mod live_view;
pub mod output;
pub mod produce;
pub mod screen;
pub mod shop;
pub mod summary;
pub mod terminal;
pub mod text;
pub mod traffic;
pub mod watch;
