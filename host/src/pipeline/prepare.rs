//! From a pipeline's files to all that it needs before it consumes anything: lookups, the plugin, a sink for every route, tables.
//! Called by `runner`, and by `check`, which asks for nothing else than what is wrong. Everything is looked at, also behind a
//! fault: who mends files wants to hear of all of it at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::shared::Shared;
use crate::PluginRequest;
use crate::config::{ConfigFaults, Fault, Guarantee, Mode, OnReject, PipelineSettings, Places, PluginState, Target};
use crate::plugin::{Description, InstanceSettings, LoadFault, LookupTable, Lookups, Plugin};
use crate::rows::{Column, nearest};
use crate::sink::{Placement, Sink, SinkFault, Table};
use crate::watch::{LookupFile, Source};

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
    /// What is promised of its records.
    pub guarantee: Guarantee,
}

/// What a pipeline without faults is made of.
pub struct Prepared {
    /// Its file.
    pub settings: PipelineSettings,
    /// What it runs.
    pub plugin: Arc<dyn Plugin>,
    /// For every route of the plugin, in its order.
    pub destinations: Vec<Destination>,
    /// What is promised of its records.
    pub guarantee: Guarantee,
}

/// Where a route's rows go.
#[derive(Clone)]
pub struct Destination {
    /// The route's name.
    pub route: String,
    columns: Vec<Column>,
    /// As the pipeline's file names it.
    pub target: Target,
    /// What its rows become there.
    pub mode: Mode,
    tenant: String,
    sink: Arc<dyn Sink>,
}

impl Destination {
    /// As the plugin declares them; none where its rows are JSON objects.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Where its table is.
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Compares the declared columns with the live ones.
    ///
    /// # Errors
    /// As for [`Sink::open`].
    pub async fn open(&self, guarantee: Guarantee) -> Result<Arc<dyn Table>, SinkFault> {
        let placement = Placement { tenant: &self.tenant, mode: &self.mode };
        self.sink.open_placed(&self.target.table, &self.columns, guarantee, placement).await
    }
}

/// Opens all tables at once, so that what is wrong with one does not hide what is wrong with the next.
pub async fn open(destinations: &[Destination], guarantee: Guarantee) -> Vec<Result<Arc<dyn Table>, SinkFault>> {
    join_all(destinations.iter().map(|destination| destination.open(guarantee))).await
}

impl Preparation {
    /// Makes ready what was read. Compiles the plugin, which takes a while.
    pub async fn of(source: &Source, shared: &Shared) -> Self {
        let draft = source.draft.clone();
        let mut preparation = Self {
            file: source.file.clone(),
            places: draft.places,
            faults: draft.faults,
            settings: draft.value,
            plugin: None,
            destinations: Vec::new(),
            guarantee: Guarantee::AtLeastOnce,
        };
        if let Some(settings) = preparation.settings.clone() {
            let refused = shared.tenants.grants().faults(&source.name, &settings, &preparation.places);
            if !refused.is_empty() {
                // Nothing of it is loaded: what it asks for is not its tenant's to ask.
                preparation.faults.extend(refused);
                return preparation;
            }
            preparation.keep_off(shared.bundles.topic(), &settings);
            let lookups = preparation.lookups(source, &settings).await;
            let routes = preparation.load(source, &settings, lookups, shared).await;
            preparation.match_routes(&settings, routes, shared);
            preparation.guarantee = preparation.promised(&settings, shared);
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
                Ok(Prepared { settings, plugin, destinations: self.destinations, guarantee: self.guarantee })
            }
            _ => Err(ConfigFaults { file: self.file, faults: self.faults }),
        }
    }

    fn fault(&mut self, key: &str, problem: String) {
        self.faults.push(self.places.fault(key, problem));
    }

    /// What planned ranges are processed with is the gateway's own: who could write there could have anything run.
    fn keep_off(&mut self, bundles: &str, settings: &PipelineSettings) {
        let problem = || format!("names the topic \"{bundles}\", which the gateway keeps bundles in; name another");
        if settings.topics.iter().any(|topic| topic == bundles) {
            self.fault("topics", problem());
        }
        if matches!(&settings.on_reject, OnReject::DeadLetter(topic) if topic == bundles) {
            self.fault("dead_letter", problem());
        }
    }

    /// What can be promised with these sinks and this state, unless the file says what is to be.
    fn promised(&mut self, settings: &PipelineSettings, shared: &Shared) -> Guarantee {
        let sinks = settings.routes.values().filter_map(|target| Some((&target.sink, shared.sinks.get(&target.sink)?)));
        let cannot: Vec<_> =
            sinks.filter(|(_, sink)| sink.best() < Guarantee::ExactlyOnce).map(|(name, _)| name).collect();
        let reason = match (settings.state, cannot.first()) {
            (PluginState::Kept, _) => {
                "a plugin that keeps its state makes other rows when a range is replayed".to_owned()
            }
            (PluginState::Range, Some(sink)) => format!("the sink \"{sink}\" cannot tell rows that it has from others"),
            (PluginState::Range, None) => return settings.delivery.unwrap_or(Guarantee::ExactlyOnce),
        };
        if settings.delivery == Some(Guarantee::ExactlyOnce) {
            self.fault("delivery", format!("is \"exactly-once\", but {reason}; expected \"at-least-once\""));
        }
        Guarantee::AtLeastOnce
    }

    /// None where a table is missing: the plugin may then refuse to begin for no fault of its own.
    async fn lookups(&mut self, source: &Source, settings: &PipelineSettings) -> Option<Lookups> {
        let named: Vec<_> = source
            .lookups
            .iter()
            .filter_map(|(name, file)| Some((name.clone(), file.clone(), settings.lookups.get(name)?.key.clone())))
            .collect();
        // Files may be large.
        let read = tokio::task::spawn_blocking(move || {
            let read = |(name, file, key): (String, LookupFile, String)| {
                let table = file
                    .bytes
                    .and_then(|bytes| LookupTable::of_csv(&file.path, &bytes, &key).map_err(|fault| fault.to_string()));
                (name, table)
            };
            named.into_iter().map(read).collect::<Vec<_>>()
        });
        let mut tables = BTreeMap::new();
        let mut complete = true;
        for (name, table) in read.await.ok()? {
            match table {
                Ok(table) => _ = tables.insert(name, table),
                Err(problem) => {
                    self.fault(&format!("lookups.{name}"), problem);
                    complete = false;
                }
            }
        }
        complete.then(|| Lookups::new(tables))
    }

    /// What the plugin says of its routes, also where it does not begin; none where it does not come so far.
    async fn load(
        &mut self,
        source: &Source,
        settings: &PipelineSettings,
        lookups: Option<Lookups>,
        shared: &Shared,
    ) -> Option<Vec<Described>> {
        let file = match source.plugin.as_ref()? {
            Ok(file) => file.clone(),
            Err(problem) => {
                self.fault("plugin", problem.clone());
                return None;
            }
        };
        let lacks_lookups = lookups.is_none();
        let tenant = shared.tenants.of(&source.name.tenant);
        let instance = InstanceSettings {
            pipeline: source.name.to_string(),
            settings: settings.settings.clone(),
            lookups: Arc::new(lookups.unwrap_or_default()),
            limits: settings.limits.at_most(&shared.tenants.grants().of(&source.name.tenant).limits),
            usage: Arc::default(),
            state: settings.state,
            tenant: tenant.memory,
        };
        let (plugins, workers) = (shared.plugins.clone(), tenant.workers);
        // Guests describe themselves on the workers, where a spinning one holds nobody.
        let request = PluginRequest { file, instance };
        let fault = match workers.spawn(async move { plugins.load(request).await }).await {
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
                let (target, sink, tenant) = (target.clone(), sink.clone(), settings.name.tenant.clone());
                let mode = settings.modes.get(&route).cloned().unwrap_or_default();
                if let Err(problem) = sink.takes(&mode) {
                    let key = if let Mode::Statement(_) = mode { "statement" } else { "mode" };
                    self.fault(&format!("routes.{route}.{key}"), problem);
                    continue;
                }
                self.destinations.push(Destination { route, target, mode, tenant, columns, sink });
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
