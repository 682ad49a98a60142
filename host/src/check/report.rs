//! What a check found, for people and machines: every fault with its place, and what each pipeline consists of.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Fault, PipelineName};
use crate::pipeline::Destination;
use crate::plugin::Plugin;
use crate::sink::{LeftOut, Table};

/// All that a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// By file and line.
    pub faults: Vec<Finding>,
    /// By name.
    pub pipelines: Vec<PipelineReport>,
    /// Whether plugins and tables were left out, since the gateway's file does not say enough to look at them.
    pub unseen: bool,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file to mend.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// `TENANT/NAME`; null where it is the gateway's own.
    pub pipeline: Option<String>,
    /// The key with the sections around it; empty where it is the file as a whole.
    pub key: String,
    /// The value, and what would be right.
    pub problem: String,
    /// What would mend it, where a statement for the database can.
    pub statement: Option<String>,
}

/// What a pipeline consists of, as far as it was seen.
#[derive(Debug, Serialize)]
pub struct PipelineReport {
    /// `TENANT/NAME`.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Null where it could not be loaded.
    pub plugin: Option<PluginReport>,
    /// Those that fit.
    pub tables: Vec<TableReport>,
}

/// A plugin as it describes itself.
#[derive(Debug, Serialize)]
pub struct PluginReport {
    /// Its own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of its file.
    pub hash: String,
}

/// A table that takes a route's rows.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// The plugin's route.
    pub route: String,
    /// `SINK:TABLE`.
    pub table: String,
    /// Columns that the plugin does not write.
    pub left_out: Vec<LeftOutReport>,
}

/// A column that the plugin does not write.
#[derive(Debug, Serialize)]
pub struct LeftOutReport {
    /// Its name.
    pub column: String,
    /// What it holds instead.
    pub filled_by: String,
}

impl Report {
    pub(super) fn add(&mut self, pipeline: Option<&PipelineName>, file: &Path, faults: Vec<Fault>) {
        let finding = |Fault { line, key, problem, statement }| Finding {
            file: file.to_owned(),
            line,
            pipeline: pipeline.map(ToString::to_string),
            key,
            problem,
            statement,
        };
        self.faults.extend(faults.into_iter().map(finding));
    }

    pub(super) fn sort(&mut self) {
        self.faults.sort();
        self.pipelines.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// How many faults a pipeline has.
    pub fn faults_of(&self, pipeline: &str) -> usize {
        self.faults.iter().filter(|fault| fault.pipeline.as_deref() == Some(pipeline)).count()
    }
}

impl PipelineReport {
    pub(super) fn unseen(name: &PipelineName, file: &Path) -> Self {
        Self { name: name.to_string(), file: file.to_owned(), plugin: None, tables: Vec::new() }
    }
}

impl PluginReport {
    pub(super) fn of(plugin: &dyn Plugin) -> Self {
        let description = plugin.description();
        let (name, version) = (description.name.clone(), description.version.clone());
        Self { name, version, hash: plugin.hash().to_string() }
    }
}

impl TableReport {
    pub(super) fn of(destination: &Destination, table: &dyn Table) -> Self {
        let left_out = |LeftOut { column, filled_by }| LeftOutReport { column, filled_by };
        Self {
            route: destination.route.clone(),
            table: destination.target.to_string(),
            left_out: table.left_out().into_iter().map(left_out).collect(),
        }
    }
}
