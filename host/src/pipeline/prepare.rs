//! From a pipeline's file to all that it needs before it consumes anything: lookups, the plugin, a sink for every route, tables.
//! Called by `runner`, and by `check`, which asks for nothing else than what is wrong. Everything is looked at, also behind a
//! fault: who mends files wants to hear of all of it at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;

use super::lookups::{LookupFiles, read_lookups};
use super::runner::Shared;
use crate::PluginRequest;
use crate::config::{ConfigFaults, Fault, PipelineName, PipelineSettings, Places, Target};
use crate::plugin::{Description, InstanceSettings, LoadFault, Lookups, Plugin, PluginFile};
use crate::rows::{Column, nearest};
use crate::sink::{Sink, SinkFault, Table};

/// What became of a pipeline's files.
pub struct Preparation {
    /// The pipeline's file.
    pub file: PathBuf,
    /// The lines of its keys.
    pub places: Places,
    /// All that is wrong with it and with the files that it names.
    pub faults: Vec<Fault>,
    /// None where the file leaves nothing to go on with.
    pub settings: Option<PipelineSettings>,
    /// None where it cannot be loaded.
    pub plugin: Option<Arc<dyn Plugin>>,
    /// In the order of the plugin's routes; those without faults.
    pub destinations: Vec<Destination>,
    /// As they were read.
    pub lookups: LookupFiles,
}

/// What a pipeline without faults is made of.
pub struct Prepared {
    /// Its file.
    pub settings: PipelineSettings,
    /// What it runs.
    pub plugin: Arc<dyn Plugin>,
    /// For every route of the plugin, in its order.
    pub destinations: Vec<Destination>,
    /// As they were read.
    pub lookups: LookupFiles,
}

/// Where a route's rows go.
#[derive(Clone)]
pub struct Destination {
    /// The route's name.
    pub route: String,
    columns: Vec<Column>,
    /// As the pipeline's file names it.
    pub target: Target,
    sink: Arc<dyn Sink>,
}

impl Destination {
    /// Compares the declared columns with the live ones.
    ///
    /// # Errors
    /// As for [`Sink::open`].
    pub async fn open(&self) -> Result<Arc<dyn Table>, SinkFault> {
        self.sink.open(&self.target.table, &self.columns).await
    }
}

/// Opens all tables at once, so that what is wrong with one does not hide what is wrong with the next.
pub async fn open(destinations: &[Destination]) -> Vec<Result<Arc<dyn Table>, SinkFault>> {
    join_all(destinations.iter().map(Destination::open)).await
}

impl Preparation {
    /// Reads the file and all that it names. Compiles the plugin, which takes seconds, on the workers.
    pub async fn of(name: &PipelineName, file: &Path, shared: &Shared) -> Self {
        let draft = PipelineSettings::draft(name, file);
        let mut preparation = Self {
            file: file.to_owned(),
            places: draft.places,
            faults: draft.faults,
            settings: draft.value,
            plugin: None,
            destinations: Vec::new(),
            lookups: LookupFiles::default(),
        };
        if let Some(settings) = preparation.settings.clone() {
            let lookups = preparation.read_lookups(&settings).await;
            let routes = preparation.load(name, &settings, lookups, shared).await;
            preparation.match_routes(&settings, routes, shared);
        }
        preparation
    }

    /// What it is made of.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn complete(self) -> Result<Prepared, ConfigFaults> {
        match (self.settings, self.plugin) {
            (Some(settings), Some(plugin)) if self.faults.is_empty() => {
                Ok(Prepared { settings, plugin, destinations: self.destinations, lookups: self.lookups })
            }
            _ => Err(ConfigFaults { file: self.file, faults: self.faults }),
        }
    }

    fn fault(&mut self, key: &str, problem: String) {
        self.faults.push(self.places.fault(key, problem));
    }

    /// None where a table is missing: the plugin may then refuse to begin for no fault of its own.
    async fn read_lookups(&mut self, settings: &PipelineSettings) -> Option<Lookups> {
        let named = settings.lookups.clone();
        // Files may be large, or lie where reading takes its time.
        let read = tokio::task::spawn_blocking(move || read_lookups(&named)).await;
        let (lookups, files, faults) = read.ok()?;
        self.lookups = files;
        let complete = faults.is_empty();
        for (name, fault) in faults {
            self.fault(&format!("lookups.{name}"), fault.to_string());
        }
        complete.then_some(lookups)
    }

    /// What the plugin says of its routes, also where it does not begin; none where it does not come so far.
    async fn load(
        &mut self,
        name: &PipelineName,
        settings: &PipelineSettings,
        lookups: Option<Lookups>,
        shared: &Shared,
    ) -> Option<Vec<Described>> {
        let lacks_lookups = lookups.is_none();
        let instance = InstanceSettings {
            pipeline: name.to_string(),
            settings: settings.settings.clone(),
            lookups: Arc::new(lookups.unwrap_or_default()),
            limits: settings.limits,
            usage: Arc::default(),
        };
        let path = settings.plugin.clone();
        let plugins = shared.plugins.clone();
        // Guests describe themselves on the workers, where a spinning one holds nobody.
        let loaded = shared.workers.spawn(async move {
            let file = PluginFile::read(&path)?;
            plugins.load(PluginRequest { file, instance }).await
        });
        let fault = match loaded.await {
            Ok(plugin) => {
                let routes = described(plugin.description());
                self.plugin = Some(plugin);
                return Some(routes);
            }
            Err(fault) => fault,
        };
        let routes = match &fault {
            LoadFault::Guest { description, .. } => description.as_deref().map(described),
            _ => None,
        };
        // One that lacks its lookups did not get what it asks for, which is told already.
        if !(lacks_lookups && matches!(fault, LoadFault::Guest { .. })) {
            self.fault("plugin", fault.to_string());
        }
        routes
    }

    fn match_routes(&mut self, settings: &PipelineSettings, routes: Option<Vec<Described>>, shared: &Shared) {
        for (route, target) in &settings.routes {
            if !shared.sinks.contains_key(&target.sink) {
                self.fault(&format!("routes.{route}"), unknown_sink(&target.sink, shared));
            }
        }
        let Some(routes) = routes else { return };
        for route in settings.routes.keys() {
            if routes.iter().all(|(known, _)| known != route) {
                let known: Vec<_> = routes.iter().map(|(known, _)| known.as_str()).collect();
                let problem = format!("the plugin has no such route; it has `{}`", known.join("`, `"));
                self.fault(&format!("routes.{route}"), problem);
            }
        }
        for (route, columns) in routes {
            let Some(target) = settings.routes.get(&route) else {
                let problem = "is missing; every route of the plugin needs a table".to_owned();
                self.fault(&format!("routes.{route}"), problem);
                continue;
            };
            if let Some(sink) = shared.sinks.get(&target.sink) {
                let (target, sink) = (target.clone(), sink.clone());
                self.destinations.push(Destination { route, target, columns, sink });
            }
        }
    }
}

/// A route's name and columns.
type Described = (String, Vec<Column>);

fn described(description: &Description) -> Vec<Described> {
    description.routes.iter().map(|route| (route.name.clone(), route.columns.clone())).collect()
}

fn unknown_sink(sink: &str, shared: &Shared) -> String {
    let known: Vec<&str> = shared.sinks.keys().map(String::as_str).collect();
    let hint = match nearest(sink, &known) {
        Some(name) => format!("the nearest is \"{name}\""),
        None => format!("it has \"{}\"", known.join("\", \"")),
    };
    format!("names the sink \"{sink}\", which the gateway's file does not have; {hint}")
}
