//! A version of a pipeline that can run: what it was made of, and what that is ready to do. Nothing of it changes; a swap puts another in
//! its place.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;

use super::batch::Bundle;
use super::isolate::Isolation;
use super::outlet::Outlet;
use super::prepare::Prepared;
use super::shared::Shared;
use super::status::Status;
use crate::bundles::Manifest;
use crate::config::{BatchLimits, Guarantee, OnReject, PipelineSettings, Target};
use crate::kafka::DeadLetters;
use crate::plugin::{Plugin, PluginHash};
use crate::sink::Table;
use crate::stop_points;
use crate::tap;
use crate::watch::Source;

/// A version that is loaded, checked, and whose tables are open.
pub struct Deployment {
    /// The files that it was made of.
    pub source: Arc<Source>,
    /// What they say.
    pub settings: PipelineSettings,
    /// What transforms records.
    pub plugin: Arc<dyn Plugin>,
    /// What is known of its failures.
    pub isolation: Isolation,
    /// Where the rows of each route go, in the plugin's order.
    pub tables: Vec<(Target, Arc<dyn Table>)>,
    /// Where rejects go, if they go anywhere.
    pub dead_letters: Option<DeadLetters>,
    /// Which version it is.
    pub bundle: Arc<Bundle>,
    /// How people look at what it makes.
    pub shown: Arc<tap::Source>,
    /// What is promised of its records.
    pub guarantee: Guarantee,
    /// How its rows are written.
    pub outlets: Vec<Outlet>,
    /// Whether its bundle is stored where every gateway finds it.
    pub stored: OnceCell<()>,
    /// When it was ready.
    pub since: DateTime<Utc>,
}

impl Deployment {
    /// What these files make, with the tables that were opened for them.
    pub fn new(
        source: Arc<Source>,
        prepared: Prepared,
        tables: Vec<(Target, Arc<dyn Table>)>,
        shared: &Shared,
        status: &Arc<Status>,
    ) -> Self {
        let Prepared { settings, plugin, guarantee, .. } = prepared;
        let dead_letters = match &settings.on_reject {
            OnReject::DeadLetter(topic) => Some(DeadLetters::new(&shared.kafka, topic)),
            OnReject::Stop | OnReject::Drop => None,
        };
        if let Some(usage) = plugin.usage() {
            usage.count_in(status.metrics().clone());
        }
        let targets = tables.iter().map(|(target, _)| target.clone()).collect();
        Self {
            bundle: Arc::new(Bundle::of(&source, &settings, plugin.hash())),
            shown: Arc::new(tap::Source { plugin: plugin.clone(), targets }),
            outlets: Outlet::of(&tables, guarantee, |sink| shared.sinks.get(sink).cloned()),
            source,
            settings,
            plugin,
            isolation: Isolation::new(status.clone()),
            tables,
            dead_letters,
            // To see that it is missed.
            guarantee: if stop_points::asked("skip-plan") { Guarantee::AtLeastOnce } else { guarantee },
            stored: OnceCell::new(),
            since: Utc::now(),
        }
    }

    /// What becomes of rejects.
    pub fn on_reject(&self) -> &OnReject {
        &self.settings.on_reject
    }

    /// When ranges are closed.
    pub fn limits(&self) -> BatchLimits {
        self.settings.batch
    }

    /// Whether both write the rows of a route to the same table, with the same columns and in the same mode.
    pub fn writes_like(&self, other: &Self, route: usize) -> bool {
        let of = |version: &Self| {
            let route_of = version.plugin.description().routes.get(route);
            let columns = route_of.map(|route| format!("{:?}", route.columns));
            let mode = route_of.and_then(|route| version.settings.modes.get(&route.name).cloned());
            (version.tables.get(route).map(|(target, _)| target.clone()), columns, mode)
        };
        of(self) == of(other)
    }

    /// Whether both do the same in all that a pipeline file says, in whatever words.
    pub fn is_like(&self, other: &Self) -> bool {
        // Where files lie is no matter of theirs; what is in them is in the bundle.
        let placeless = |version: &Self| {
            let mut settings = version.settings.clone();
            settings.plugin = PathBuf::new();
            settings.lookups.values_mut().for_each(|lookup| lookup.file = PathBuf::new());
            format!("{settings:?}")
        };
        self.bundle == other.bundle && placeless(self) == placeless(other)
    }

    /// Whether both read the same records by the same membership, so that one can take the other's place between two ranges.
    pub fn subscribes_like(&self, other: &Self) -> bool {
        self.settings.subscription() == other.settings.subscription() && self.guarantee == other.guarantee
    }
}

impl Bundle {
    /// What decides the rows of these files and settings. What is said in other words, or in comments, is no other bundle.
    pub fn of(source: &Source, settings: &PipelineSettings, plugin: PluginHash) -> Self {
        let manifest = Manifest::of(settings, source, plugin).text();
        Self { plugin, settings: PluginHash::of(manifest.as_bytes()) }
    }
}
