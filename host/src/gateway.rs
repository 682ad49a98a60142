//! A gateway: its shared parts and one task for every pipeline. `run` is the whole life of one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Claims, ConfigFaults, GatewaySettings, HttpSettings, PipelineName, discover};
use crate::http::{self, Served};
use crate::kafka::KafkaSettings;
use crate::metrics::Metrics;
use crate::pipeline::{Phase, Pipeline, Shared, Status};
use crate::plugin::{BoxFuture, Engine, EngineSettings, InstanceSettings, LoadFault, Plugin, PluginFile, Profiling};
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
    statuses: Vec<(Arc<Status>, PathBuf)>,
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
    /// Prepares a gateway whose plugins are WebAssembly.
    ///
    /// # Errors
    /// Where nothing could run at all; a single pipeline's faults are its own.
    pub async fn prepare(settings: GatewaySettings, profiling: Profiling) -> Result<Self, GatewayFault> {
        let compiled = StateFolder::open(&settings.state)?.folder("compiled")?;
        let engine = Engine::new(EngineSettings { profiling, compiled: Some(compiled), ..EngineSettings::default() })?;
        Self::with_plugins(settings, Arc::new(engine)).await
    }

    /// Prepares a gateway with another way of loading plugins.
    ///
    /// # Errors
    /// As for [`Self::prepare`].
    pub async fn with_plugins(settings: GatewaySettings, plugins: Arc<dyn LoadPlugin>) -> Result<Self, GatewayFault> {
        let kafka = KafkaSettings::new(settings.kafka.clone())?;
        let state = StateFolder::open(&settings.state)?;
        let found = discover(&settings.plugins)
            .map_err(|problem| GatewayFault::Plugins { path: settings.plugins.clone(), problem })?;
        let listener = match settings.http {
            None => None,
            Some(HttpSettings { listen: address, .. }) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|problem| GatewayFault::Listen { address, problem })?)
            }
        };
        let metrics = Metrics::new();
        let status = |(name, file): (PipelineName, PathBuf)| {
            let counted = metrics.pipeline(&name.tenant, &name.pipeline);
            (Arc::new(Status::new(name, counted)), file)
        };
        let statuses = found.into_iter().map(status).collect();
        Ok(Self { settings, kafka, plugins, state, listener, metrics, statuses, until_caught_up: false })
    }

    /// Lets it end by itself, once every pipeline has completed what there was in its topics when it started, or has failed to:
    /// see [`Status::has_caught_up`].
    pub fn until_caught_up(self) -> Self {
        Self { until_caught_up: true, ..self }
    }

    /// The state of every pipeline, in the order of their names.
    pub fn statuses(&self) -> Vec<Arc<Status>> {
        self.statuses.iter().map(|(status, _)| status.clone()).collect()
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
        let statuses: Vec<_> = self.statuses.iter().map(|(status, _)| status.clone()).collect();
        if statuses.is_empty() {
            tracing::warn!(plugins = %self.settings.plugins.display(), "there are no pipeline files");
        }
        let served = CancellationToken::new();
        let http = self.listener.zip(self.settings.http).map(|(listener, settings)| {
            let metrics = self.metrics;
            tokio::spawn(http::serve(listener, Served { settings, metrics, statuses, stop: served.clone() }))
        });
        let mut pipelines = JoinSet::new();
        let claims = Claims::of(
            &self.statuses.iter().map(|(status, file)| (status.name().clone(), file.clone())).collect::<Vec<_>>(),
        );
        for (status, file) in self.statuses {
            let faults = claims.faults(&file);
            if !faults.is_empty() {
                status.enter(Phase::Refused);
                status.problem("files", &ConfigFaults { file, faults: faults.to_vec() }.to_string());
                continue;
            }
            pipelines.spawn(Pipeline::new(status.name().clone(), file, shared.clone(), status).run());
        }
        while pipelines.join_next().await.is_some() {}
        // Pipelines that were refused end early; the gateway stays up for the others and to say so.
        if !self.until_caught_up {
            stop.cancelled().await;
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

impl LoadPlugin for Engine {
    fn load(&self, request: PluginRequest) -> BoxFuture<'_, Result<Arc<dyn Plugin>, LoadFault>> {
        Box::pin(async move {
            let plugin = Engine::load(self, &request.file, request.instance).await?;
            Ok(Arc::new(plugin) as Arc<dyn Plugin>)
        })
    }
}
