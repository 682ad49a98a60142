//! The bytes that a pipeline may hold between fetching and completing, within what its tenant may. When they are spent, partitions
//! are not polled: memory stays bounded however slow the sink is, and Kafka keeps the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::tenants::{Held, TenantMemory};

/// A pipeline's count of bytes.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
    tenant: TenantMemory,
    /// Open ranges, which count for the tenant as well.
    open: Held,
}

/// Bytes taken from a budget, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    held: Held,
    used: Arc<AtomicUsize>,
}

/// Why a pipeline may take no more just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It holds as much as it may.
    Pipeline,
    /// It has room, but its tenant's pipelines hold together what the tenant may.
    Tenant,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self::within(TenantMemory::unlimited(), limit)
    }

    /// A budget of `limit` bytes within the tenant's.
    pub fn within(tenant: TenantMemory, limit: usize) -> Self {
        let open = tenant.hold(0);
        Self { limit, used: Arc::default(), tenant, open }
    }

    /// The bytes that may be held at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes that are held by permits.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Says how many bytes open ranges have.
    pub fn set_open(&mut self, bytes: usize) {
        self.open.set(bytes);
    }

    /// Whose bytes are spent, if any are.
    pub fn spent(&self) -> Option<Spent> {
        if self.used() + self.open.bytes() >= self.limit {
            return Some(Spent::Pipeline);
        }
        self.tenant.is_spent().then_some(Spent::Tenant)
    }

    /// The bytes that ranges may grow by which open now, where `reserved` are what the open ones will have come to, and whose
    /// bound that is.
    pub fn room(&self, reserved: usize) -> (usize, Spent) {
        let own = self.limit.saturating_sub(self.used().saturating_add(reserved));
        let tenant = self.tenant.room().saturating_add(self.open.bytes()).saturating_sub(reserved);
        if tenant < own { (tenant, Spent::Tenant) } else { (own, Spent::Pipeline) }
    }

    /// What the tenant's pipelines hold together.
    pub fn tenant(&self) -> &TenantMemory {
        &self.tenant
    }

    /// Takes bytes, also beyond the limit: they are in memory already, and the limit stops the next ones.
    pub fn take(&self, bytes: usize) -> Permit {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Permit { held: self.tenant.hold(bytes), used: self.used.clone() }
    }
}

impl Permit {
    /// Takes more bytes: what a batch grew by when its rows joined its records.
    pub fn grow(&mut self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.held.set(self.held.bytes() + bytes);
    }

    /// Takes bytes of the same budget for something else.
    pub fn another(&self, bytes: usize) -> Self {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Self { held: self.held.another(bytes), used: self.used.clone() }
    }

    /// The bytes that are held.
    pub fn bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Gives back what is beyond `bytes`: what a batch has shrunk to.
    pub fn shrink_to(&mut self, bytes: usize) {
        let beyond = self.held.bytes().saturating_sub(bytes);
        self.used.fetch_sub(beyond, Ordering::Relaxed);
        self.held.set(self.held.bytes() - beyond);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.used.fetch_sub(self.held.bytes(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(10);
        let mut permit = budget.take(8);
        permit.grow(4);
        assert_eq!(budget.used(), 12);
        assert_eq!(budget.spent(), Some(Spent::Pipeline));
        permit.shrink_to(20);
        assert_eq!(budget.used(), 12);
        permit.shrink_to(7);
        assert_eq!(budget.used(), 7);
        drop(permit);
        assert_eq!((budget.used(), budget.tenant().used(), budget.spent()), (0, 0, None));
    }

    #[test]
    fn a_tenants_pipelines_share_what_it_may_hold_and_another_tenant_has_its_own() {
        let acme = TenantMemory::new(100);
        let (mut first, second) = (Budget::within(acme.clone(), 80), Budget::within(acme, 80));
        let other = Budget::within(TenantMemory::new(100), 80);
        first.set_open(30);
        let permit = first.take(40);
        assert_eq!((first.spent(), second.spent(), second.room(0)), (None, None, (30, Spent::Tenant)));
        assert_eq!(
            first.room(40),
            (0, Spent::Pipeline),
            "of its 80 bytes 40 are held, and the open range will have 40"
        );
        let _more = second.take(30);
        assert_eq!((first.spent(), second.spent()), (Some(Spent::Tenant), Some(Spent::Tenant)));
        assert_eq!((other.spent(), other.room(0)), (None, (80, Spent::Pipeline)));
        drop(permit);
        assert_eq!((first.spent(), second.spent()), (None, None));
    }
}
