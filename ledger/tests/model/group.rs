//! The group: members come and go, and the partition with them.

use crate::owner::Client;
use crate::world::World;

impl World {
    pub fn join(&mut self, o: usize) {
        let owned = self.broker.assigned;
        self.broker.members[o] = Some(self.broker.generation + 1);
        self.owners[o].client = Some(Client { member: self.broker.generation + 1, generation: 0 });
        self.rebalance(owned);
        match self.broker.assigned {
            Some(other) if other != o => {
                self.broker.moves_to = Some(o);
                self.owners[other].is_revoked = true;
                self.close_down(other);
            }
            _ => {}
        }
    }

    pub fn expire(&mut self, o: usize) {
        self.broker.members[o] = None;
        self.broker.moves_to = self.broker.moves_to.filter(|to| *to != o);
        let owned = self.broker.assigned;
        self.rebalance(owned);
    }

    /// The group does without members that do not take part.
    pub fn rebalance(&mut self, to: Option<usize>) {
        self.broker.generation += 1;
        for (o, owner) in self.owners.iter_mut().enumerate() {
            match &mut owner.client {
                Some(client) if !owner.is_frozen && self.broker.members[o] == Some(client.member) => {
                    client.generation = self.broker.generation;
                }
                _ => self.broker.members[o] = None,
            }
        }
        let is_member = |o: &usize| self.broker.members[*o].is_some();
        self.broker.assigned = to.filter(is_member).or_else(|| (0..self.owners.len()).find(is_member));
        self.broker.moves_to =
            self.broker.moves_to.filter(|to| self.broker.members[*to].is_some() && self.broker.assigned != Some(*to));
    }

    pub fn end_membership(&mut self, o: usize) {
        self.forget(o);
        self.owners[o].client = None;
        self.owners[o].deferred = None;
    }

    /// Nothing of the partition goes on here; what is on its way stays there.
    pub fn forget(&mut self, o: usize) {
        self.not_awaited(o);
        for insert in self.inserts.iter_mut().filter(|insert| insert.asker == Some(o)) {
            insert.asker = None;
        }
        let owner = &mut self.owners[o];
        (owner.partition, owner.is_revoked, owner.paused) = (None, false, None);
    }

    pub fn not_awaited(&mut self, o: usize) {
        let deferred = self.owners[o].deferred.iter_mut();
        for message in self.wire.iter_mut().chain(&mut self.broker.pending).chain(deferred) {
            message.is_awaited &= message.owner != o;
        }
    }
}
