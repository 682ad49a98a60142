//! How many inserts of a sink may be under way at once, and whose. What is free goes to the tenant that has the fewest; and a tenant
//! that has none under way never waits for others: inserts that hang, for a table that is locked or a server that is slow for one
//! table, hold up their own tenant and nobody else. So there may be one more at once for each tenant beyond the first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot::{Sender, channel};

/// The turns of one sink.
#[derive(Clone)]
pub struct Turns(Arc<Shared>);

struct Shared {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: usize,
    /// Those that hold a turn or wait for one.
    tenants: BTreeMap<Arc<str>, Tenant>,
    given: u64,
}

#[derive(Default)]
struct Tenant {
    held: usize,
    waiting: VecDeque<Sender<Turn>>,
    /// When it was given a turn last, counted in turns.
    given: u64,
}

/// A turn, given back when dropped.
pub struct Turn {
    turns: Turns,
    tenant: Arc<str>,
}

impl Turns {
    /// So many at once.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, state: Mutex::default() }))
    }

    /// Waits for a turn.
    pub async fn take(&self, tenant: &str) -> Turn {
        let tenant: Arc<str> = tenant.into();
        let waits = {
            let mut state = self.0.state.lock();
            state.wait(tenant.clone())
        };
        self.give();
        match waits.await {
            Ok(turn) => turn,
            // No sender is dropped before it has sent; whoever lost one has waited long enough.
            Err(_) => {
                self.0.state.lock().take(&tenant);
                Turn { turns: self.clone(), tenant }
            }
        }
    }

    /// Gives what is free to those that wait.
    fn give(&self) {
        loop {
            // Sent outside of the lock: a turn whose waiter has gone comes back at once.
            let Some((tenant, waiter)) = self.0.state.lock().next(self.0.most) else { return };
            let _ = waiter.send(Turn { turns: self.clone(), tenant });
        }
    }
}

impl State {
    fn wait(&mut self, tenant: Arc<str>) -> tokio::sync::oneshot::Receiver<Turn> {
        let (sender, receiver) = channel();
        self.tenants.entry(tenant).or_default().waiting.push_back(sender);
        receiver
    }

    /// Takes a turn for who is next, if one is free for it.
    fn next(&mut self, most: usize) -> Option<(Arc<str>, Sender<Turn>)> {
        let waiting = self.tenants.iter().filter(|(_, tenant)| !tenant.waiting.is_empty());
        let (name, tenant) = waiting.min_by_key(|(_, tenant)| (tenant.held, tenant.given))?;
        if self.held >= most && tenant.held > 0 {
            return None;
        }
        let name = name.clone();
        let waiter = self.tenants.get_mut(&name)?.waiting.pop_front()?;
        self.take(&name);
        Some((name, waiter))
    }

    fn take(&mut self, name: &Arc<str>) {
        self.held += 1;
        self.given += 1;
        let tenant = self.tenants.entry(name.clone()).or_default();
        tenant.held += 1;
        tenant.given = self.given;
    }

    fn give_back(&mut self, name: &Arc<str>) {
        self.held = self.held.saturating_sub(1);
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        tenant.held = tenant.held.saturating_sub(1);
        if tenant.held == 0 && tenant.waiting.is_empty() {
            self.tenants.remove(name);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.0.state.lock().give_back(&self.tenant);
        self.turns.give();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// A turn where one is free at once.
    fn free(turns: &Turns, tenant: &str) -> Option<Turn> {
        turns.take(tenant).now_or_never()
    }

    #[tokio::test]
    async fn one_tenant_alone_has_all_of_them_and_no_more() {
        let turns = Turns::new(3);
        let mut held: Vec<_> = (0..3).filter_map(|_| free(&turns, "acme")).collect();
        assert_eq!(held.len(), 3);
        assert!(free(&turns, "acme").is_none());
        held.pop();
        assert!(free(&turns, "acme").is_some());
        drop(held);
        assert!(turns.0.state.lock().tenants.is_empty(), "who needs none is forgotten");
    }

    #[tokio::test]
    async fn inserts_that_hang_hold_up_no_other_tenant() {
        let turns = Turns::new(2);
        let hung: Vec<_> = (0..2).filter_map(|_| free(&turns, "hung")).collect();
        let also_hung = free(&turns, "also hung");
        assert!(hung.len() == 2 && also_hung.is_some());
        for _ in 0..3 {
            let one = free(&turns, "honest").unwrap();
            assert!(free(&turns, "honest").is_none(), "one beyond what is free, and no second");
            drop(one);
        }
    }

    #[tokio::test]
    async fn what_comes_free_goes_to_who_has_the_fewest() {
        let turns = Turns::new(4);
        let mut many: Vec<_> = (0..4).filter_map(|_| free(&turns, "many")).collect();
        let of_many: Vec<_> = (0..100).map(|_| Box::pin(turns.take("many"))).collect();
        let mut waiting: Vec<_> = of_many.into_iter().map(|turn| turn.fuse()).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        let mut few = vec![free(&turns, "few").unwrap()];
        let mut wants = Box::pin(turns.take("few"));
        assert!((&mut wants).now_or_never().is_none());
        // Five are held, one more than there are: the first that ends is only that one.
        many.pop();
        assert!((&mut wants).now_or_never().is_none());
        many.pop();
        few.push((&mut wants).now_or_never().unwrap());
        assert_eq!((many.len(), few.len()), (2, 2));
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_any_more_goes_to_the_next() {
        let turns = Turns::new(1);
        let held = free(&turns, "acme").unwrap();
        let mut gone = Box::pin(turns.take("acme"));
        let mut next = Box::pin(turns.take("acme"));
        assert!((&mut gone).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(gone);
        drop(held);
        let turn = (&mut next).now_or_never().unwrap();
        // One that was given already and is not taken either.
        let mut given = Box::pin(turns.take("acme"));
        assert!((&mut given).now_or_never().is_none());
        drop(turn);
        drop(given);
        assert!(free(&turns, "acme").is_some());
    }
}
