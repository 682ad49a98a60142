//! A gateway: its shared parts, and the directory of its pipelines. `run` is the whole life of one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use crate::config::{GatewaySettings, HttpSettings};
use crate::directory::Directory;
use crate::http::{self, Served};
use crate::kafka::KafkaSettings;
use crate::metrics::Metrics;
use crate::pipeline::{Shared, Status, Statuses};
use crate::plugin::{BoxFuture, Engine, EngineSettings, InstanceSettings, LoadFault, Plugin, PluginFile};
use crate::watch::Watch;
use crate::{StateFault, StateFolder};

/// Turns files into plugins. Implemented by the WebAssembly engine, and natively where its cost is measured.
pub trait LoadPlugin: Send + Sync {
    /// Loads a plugin; runs on a worker, where guests may run.
    ///
    /// # Errors
    /// What is wrong with the file.
    fn load(&self, request: PluginRequest) -> BoxFuture<'_, Result<Arc<dyn Plugin>, LoadFault>>;
}

/// A plugin's file and what its instances are given.
pub struct PluginRequest {
    /// The file as it was read: what is compiled is what was hashed, whatever happens to the file meanwhile.
    pub file: PluginFile,
    /// Settings, lookups, limits.
    pub instance: InstanceSettings,
}

/// How long connections may take to end when all else has.
const FAREWELL: Duration = Duration::from_secs(1);

/// A gateway whose files are read and whose port is bound; nothing is consumed yet.
pub struct Gateway {
    settings: GatewaySettings,
    kafka: KafkaSettings,
    plugins: Arc<dyn LoadPlugin>,
    state: StateFolder,
    listener: Option<TcpListener>,
    metrics: Arc<Metrics>,
    watch: Watch,
    statuses: Statuses,
    until_caught_up: bool,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GatewayFault {
    #[error(transparent)]
    Kafka(#[from] crate::kafka::SettingsFault),
    #[error(transparent)]
    Engine(#[from] LoadFault),
    #[error("read the plugin directory `{path}`: {problem}")]
    Plugins { path: PathBuf, problem: std::io::Error },
    #[error(
        "listen on {address}, which `http.listen` names: {problem}; where another gateway listens there, name another port"
    )]
    Listen { address: std::net::SocketAddr, problem: std::io::Error },
    #[error(transparent)]
    State(#[from] StateFault),
    #[error("start threads: {0}")]
    Threads(std::io::Error),
}

impl Gateway {
    /// Prepares a gateway whose plugins are WebAssembly. Compiled ones are kept in its state folder.
    ///
    /// # Errors
    /// Where nothing could run at all; a single pipeline's faults are its own.
    pub async fn prepare(settings: GatewaySettings, engine: EngineSettings) -> Result<Self, GatewayFault> {
        let compiled = StateFolder::open(&settings.state)?.folder("compiled")?;
        let engine = Engine::new(EngineSettings { compiled: Some(compiled), ..engine })?;
        Self::with_plugins(settings, Arc::new(engine)).await
    }

    /// Prepares a gateway with another way of loading plugins.
    ///
    /// # Errors
    /// As for [`Self::prepare`].
    pub async fn with_plugins(settings: GatewaySettings, plugins: Arc<dyn LoadPlugin>) -> Result<Self, GatewayFault> {
        let kafka = KafkaSettings::new(settings.kafka.clone())?;
        let state = StateFolder::open(&settings.state)?;
        let mut watch = Watch::new(settings.plugins.clone(), settings.settle);
        let found =
            watch.files().map_err(|problem| GatewayFault::Plugins { path: settings.plugins.clone(), problem })?;
        let listener = match settings.http {
            None => None,
            Some(HttpSettings { listen: address, .. }) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|problem| GatewayFault::Listen { address, problem })?)
            }
        };
        let metrics = Metrics::new();
        let statuses = Statuses::default();
        for (name, file) in found {
            let counted = metrics.pipeline(&name.tenant, &name.pipeline);
            statuses.insert(Arc::new(Status::new(name, file, counted)));
        }
        Ok(Self { settings, kafka, plugins, state, listener, metrics, watch, statuses, until_caught_up: false })
    }

    /// Lets it end by itself, once every pipeline has completed what there was in its topics when it started, or has failed to:
    /// see [`Status::has_caught_up`].
    pub fn until_caught_up(self) -> Self {
        Self { until_caught_up: true, ..self }
    }

    /// The states of all pipelines that there are, also of those that come later.
    pub fn statuses(&self) -> Statuses {
        self.statuses.clone()
    }

    /// Where metrics and health are served, if they are.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Runs all pipelines until `stop` is cancelled, then drains them within the deadline.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub async fn run(self, stop: CancellationToken) -> Result<(), GatewayFault> {
        let shared = Shared::new(&self.settings, self.kafka, self.plugins, stop.clone());
        let shared = shared.map_err(GatewayFault::Threads)?;
        let shared = Shared { until_caught_up: self.until_caught_up, state: Some(self.state), ..shared };
        if self.settings.tenants.are_unlimited() {
            tracing::info!(
                "there are no [tenants] in the gateway's file: every pipeline may name every topic and table"
            );
        }
        let statuses = self.statuses;
        if statuses.all().is_empty() {
            tracing::warn!(plugins = %self.settings.plugins.display(), "there are no pipeline files yet");
        }
        let served = CancellationToken::new();
        let http = self.listener.zip(self.settings.http).map(|(listener, settings)| {
            let (metrics, statuses) = (self.metrics.clone(), statuses.clone());
            tokio::spawn(http::serve(listener, Served { settings, metrics, statuses, stop: served.clone() }))
        });
        let directory = Directory::new(shared.clone(), self.metrics, statuses);
        match self.until_caught_up {
            true => once(directory, self.watch).await,
            false => follow(directory, self.watch, &stop).await?,
        }
        served.cancel();
        if let Some(mut http) = http
            && tokio::time::timeout(FAREWELL, &mut http).await.is_err()
        {
            // Somebody does not read what he asked for.
            http.abort();
        }
        // The workers' threads are joined where waiting is allowed.
        let _ = tokio::task::spawn_blocking(move || drop(shared)).await;
        Ok(())
    }
}

/// Runs what lies in the directory, each pipeline until it ends by itself.
async fn once(mut directory: Directory, mut watch: Watch) {
    loop {
        directory.apply(watch.look());
        match watch.settles_in() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => break,
        }
    }
    while directory.ended().await.is_some() {}
}

/// Runs what lies in the directory and what comes there, until `stop` is cancelled and all is drained.
async fn follow(mut directory: Directory, watch: Watch, stop: &CancellationToken) -> Result<(), GatewayFault> {
    let (changed, mut changes) = unbounded_channel();
    watch.start(changed).map_err(GatewayFault::Threads)?;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            found = changes.recv() => match found {
                Some(found) => directory.apply(found),
                None => {
                    tracing::error!("nobody looks at the plugin directory any more, which is a defect; what runs goes on");
                    stop.cancelled().await;
                }
            },
            Some(()) = directory.ended() => {}
        }
    }
    drop(changes);
    while directory.ended().await.is_some() {}
    Ok(())
}

impl LoadPlugin for Engine {
    fn load(&self, request: PluginRequest) -> BoxFuture<'_, Result<Arc<dyn Plugin>, LoadFault>> {
        Box::pin(async move {
            let plugin = Engine::load(self, &request.file, request.instance).await?;
            Ok(Arc::new(plugin) as Arc<dyn Plugin>)
        })
    }
}
