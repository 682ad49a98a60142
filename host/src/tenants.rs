//! The tenants of a running gateway: what each of them shares with nobody else, and what all of its pipelines share. Pipelines of
//! one tenant trust each other; those of two do not.

mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub use memory::{Held, Idle, TenantMemory};

use crate::config::Grants;
use crate::workers::{Share, Workers};

/// All tenants that have a pipeline, made when they are first asked for.
pub struct Tenants {
    grants: Grants,
    workers: Workers,
    known: Mutex<BTreeMap<String, Tenant>>,
}

/// One tenant. Cheap to clone.
#[derive(Clone)]
pub struct Tenant {
    /// The name of its folder.
    pub name: Arc<str>,
    /// Its share of the threads that run guests.
    pub workers: Share,
    /// What its pipelines hold together.
    pub memory: TenantMemory,
}

impl Tenants {
    /// None yet.
    pub fn new(grants: Grants, workers: Workers) -> Self {
        Self { grants, workers, known: Mutex::default() }
    }

    /// What each of them may do.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The tenant of this name.
    pub fn of(&self, name: &str) -> Tenant {
        let mut known = self.known.lock();
        let made = || {
            let grant = self.grants.of(name);
            let memory = grant.memory.map_or_else(TenantMemory::unlimited, |limit| TenantMemory::new(limit.0));
            Tenant { name: name.into(), workers: self.workers.share(name, grant.cpu), memory }
        };
        known.entry(name.to_owned()).or_insert_with(made).clone()
    }
}
