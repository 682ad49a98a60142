//! The gateway's own file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::ConfigFaults;
use super::kafka::{KafkaValue, kafka};
use super::section::{Document, Section};
use super::sink::SinkSettings;
use super::units::ByteSize;

/// What `gateway.toml` says.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// librdkafka's settings, `bootstrap.servers` among them.
    pub kafka: BTreeMap<String, KafkaValue>,
    /// By the name that pipelines use.
    pub sinks: BTreeMap<String, SinkSettings>,
    /// The directory of plugins and pipeline files.
    pub plugins: PathBuf,
    /// Where metrics and health are served; nowhere without it.
    pub http: Option<SocketAddr>,
    /// How long records under way may take after a signal to stop.
    pub drain: Duration,
    /// Threads that run guests.
    pub workers: usize,
    /// Bytes of records that a pipeline may hold at once, between fetching and completing.
    pub in_flight: ByteSize,
}

impl GatewaySettings {
    /// Reads the file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// All faults of the file at once.
    pub fn read(file: &Path) -> Result<Self, ConfigFaults> {
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        Document::read(file, |top| {
            let kafka = match top.section("kafka") {
                Some(section) => kafka(&section, &base),
                None => {
                    top.fault("kafka", "is missing; expected a section [kafka] with \"bootstrap.servers\"");
                    None
                }
            };
            let sinks = match top.section("sinks") {
                Some(section) => sinks(&section, &base),
                None => {
                    top.fault("sinks", "is missing; expected at least one section [sinks.NAME]");
                    None
                }
            };
            let plugins = base.join(top.string("plugins").unwrap_or("plugins"));
            let http = top.section("http").and_then(|http| http.parsed("listen"));
            let drain = top.duration("drain").unwrap_or(Duration::from_secs(30));
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let workers = top.integer("workers", 1..=1024).unwrap_or(cores);
            let in_flight = top.size("in_flight", ByteSize::mib(1)).unwrap_or(ByteSize::mib(64));
            Some(Self { kafka: kafka?, sinks: sinks?, plugins, http, drain, workers, in_flight })
        })
    }
}

fn sinks(section: &Section<'_>, base: &Path) -> Option<BTreeMap<String, SinkSettings>> {
    let named = section.sections();
    if named.is_empty() {
        section.fault("", "is empty; expected at least one section [sinks.NAME]");
    }
    named.into_iter().map(|(name, sink)| Some((name.to_owned(), SinkSettings::read(&sink, base)?))).collect()
}
