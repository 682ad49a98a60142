//! A batch: a range with its records and the identity of what processes it. All that later steps need travels in it.

use std::sync::Arc;

use super::budget::Permit;
use super::range::{Range, Records};
use crate::plugin::PluginHash;

/// What processes records, by hash: the same bundle makes the same rows of the same range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The plugin's file.
    pub plugin: PluginHash,
    /// The effective settings: pipeline file, lookups, columns.
    pub settings: PluginHash,
}

/// A closed range on its way to the plugin.
#[derive(Debug)]
pub struct Batch {
    /// Its boundaries.
    pub range: Range,
    /// Its records, kept until the range is complete: the dead letters are made of them.
    pub records: Records,
    /// What processes it.
    pub bundle: Arc<Bundle>,
    /// Its share of the bytes that the pipeline may hold; given back when the batch is dropped.
    pub permit: Permit,
}
