//! What all pipelines of a gateway share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::park::Parking;
use crate::bundles::Bundles;
use crate::config::GatewaySettings;
use crate::kafka::KafkaSettings;
use crate::sink::{self, Sink};
use crate::tenants::Tenants;
use crate::workers::Workers;
use crate::{LoadPlugin, StateFolder};

/// What all pipelines of a gateway share.
#[derive(Clone)]
pub struct Shared {
    /// The gateway's file, for the commands that operators are told.
    pub config: PathBuf,
    /// The cluster.
    pub kafka: KafkaSettings,
    /// By the names of the gateway's file.
    pub sinks: BTreeMap<String, Arc<dyn Sink>>,
    /// Whose pipelines share what; each has its share of the threads where guests run.
    pub tenants: Arc<Tenants>,
    /// Turns files into plugins.
    pub plugins: Arc<dyn LoadPlugin>,
    /// What outlives the process; none where nothing is to be kept.
    pub state: Option<StateFolder>,
    /// Bytes that a pipeline may hold.
    pub in_flight: usize,
    /// What has processed ranges that are planned, for whoever takes them over.
    pub bundles: Arc<Bundles>,
    /// Where idle pipelines wait.
    pub parking: Parking,
    /// How long draining may take.
    pub drain: Duration,
    /// Whether pipelines end when they have completed what there is.
    pub until_caught_up: bool,
    /// Cancelled when the gateway shall drain and end.
    pub stop: CancellationToken,
}

impl Shared {
    /// What the gateway's file says, with threads for guests. Connects to nothing yet.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub fn new(
        settings: &GatewaySettings,
        kafka: KafkaSettings,
        plugins: Arc<dyn LoadPlugin>,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let sinks = settings.sinks.iter().map(|(name, settings)| (name.clone(), sink::new(settings))).collect();
        let bundles = Arc::new(Bundles::new(&kafka, &settings.bundles));
        let parking = Parking::new(settings.park_after, &kafka);
        Ok(Self {
            config: settings.file.clone(),
            kafka,
            sinks,
            tenants: Arc::new(Tenants::new(settings.tenants.clone(), Workers::start(settings.workers)?)),
            plugins,
            state: None,
            in_flight: settings.in_flight.0,
            bundles,
            parking,
            drain: settings.drain,
            until_caught_up: false,
            stop,
        })
    }
}
