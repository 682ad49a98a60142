//! Rows of a range: sent, answered, refused, complete.

use std::collections::BTreeSet;

use tidegate_ledger::{BundleId, Planned, Promise};

use crate::owner::Phase;
use crate::setup::{Setup, Tables};
use crate::table::{Answer, Insert, Token};
use crate::world::{Step, World};

const ALTERED: &str = "a table was altered that may have taken what is left out";

impl World {
    pub fn is_altered(&self, o: usize, first: i64) -> bool {
        let planned = self.owners[o].partition.as_ref().and_then(|partition| partition.ledger.planned(first));
        planned.is_some_and(|planned| planned.at < self.table.altered)
    }

    pub fn send(&mut self, setup: &Setup, o: usize, first: i64) -> Step {
        let job = self.partition(o).jobs.get_mut(&first).unwrap();
        job.phase = Phase::Sending;
        job.refused.clear();
        let routes = job.routes(setup, first);
        match &mut job.open {
            Some(open) => open.retain(|route| routes.contains(route)),
            None => job.open = Some(routes),
        }
        if job.is_in_doubt && job.leaves_none(setup, first) && setup.rules.pause_where_none_is_left {
            self.pause(o, "nothing is left of what may have been written");
            self.partition(o).jobs.remove(&first);
            return Ok(());
        }
        if job.open.as_ref().is_some_and(BTreeSet::is_empty) {
            self.finish(setup, o, first);
        }
        Ok(())
    }

    pub fn era_of(&self, o: usize) -> u8 {
        let lineage = self.owners[o].partition.as_ref().unwrap().ledger.lineage();
        self.eras[usize::try_from(lineage.0).unwrap()]
    }

    pub fn insert(&mut self, setup: &Setup, o: usize, first: i64, route: u16) -> Step {
        let era = self.era_of(o);
        let member = self.owners[o].client.map(|client| client.member);
        let owns = self.broker.assigned == Some(o) && self.broker.members[o] == member;
        let entry = self.broker.entry()?;
        let partition = self.partition(o);
        let is_planned = partition.promise == Promise::ExactlyOnce || partition.ledger.planned(first).is_some();
        let job = partition.jobs.get_mut(&first).unwrap();
        job.sent.insert(route);
        let next = job.next;
        let mut rows = job.rows(setup, first);
        if setup.tables == Tables::Tokens {
            rows.retain(|(of, _)| *of == route);
        }
        let ledger = &partition.ledger;
        let lineage = if setup.rules.unplanned_lineage { ledger.lineage_of(first) } else { ledger.lineage() };
        // Those that no commit carries are counted downwards.
        let lineage = u8::try_from(lineage.0 & u128::from(u8::MAX)).unwrap();
        let token = Token {
            lineage,
            first: if setup.rules.token_names_range { first } else { 0 },
            next: if setup.rules.token_names_range { next } else { 0 },
            route: if setup.rules.token_names_route { route } else { 0 },
        };
        let (bundle, verdicts) = (BundleId(job.bundle.into()), job.verdicts.clone());
        if !is_planned {
            self.loosen(era, first, next);
        }
        let is_named = entry.is_some_and(|entry| {
            let is_this = |range: &Planned| {
                range.is_like(&Planned { first, next, bundle, verdicts: verdicts.clone(), ..range.clone() })
            };
            entry.plan.ranges.iter().any(is_this)
        });
        if setup.looks_at_plans && owns && is_planned && !is_named {
            return Err(format!("range {first}-{next} is sent, and no commit names it like that"));
        }
        self.inserts.push(Insert { asker: Some(o), first, route, token, rows, era });
        Ok(())
    }

    /// Less is promised of these, but for those of which more was promised before.
    pub fn loosen(&mut self, era: u8, first: i64, next: i64) {
        let of_these = (first..next).map(|offset| (era, offset)).filter(|of| !self.promised.contains(of));
        self.loose.extend(of_these);
    }

    pub fn landed(&mut self, setup: &Setup, o: usize, insert: &Insert, answer: Answer) -> Step {
        let first = insert.first;
        let job = self.partition(o).jobs.get_mut(&first).unwrap();
        job.sent.remove(&insert.route);
        let open = job.open.as_mut().unwrap();
        match answer {
            Answer::Done => {
                open.remove(&insert.route);
            }
            Answer::Refused(rows) => job.refused.extend(rows.into_iter().map(|(_, offset)| (insert.route, offset))),
        }
        if open.is_empty() {
            self.finish(setup, o, first);
        } else if open.iter().all(|route| job.refused.iter().any(|(refused, _)| refused == route)) {
            return self.revise(setup, o, first);
        }
        Ok(())
    }

    /// The table refuses rows: they are left out.
    pub fn revise(&mut self, setup: &Setup, o: usize, first: i64) -> Step {
        let is_altered = self.is_altered(o, first);
        let job = self.partition(o).jobs.get_mut(&first).unwrap();
        if job.is_in_doubt && is_altered && setup.rules.heed_alterations && !setup.rules.look_when_written {
            self.pause(o, ALTERED);
            self.partition(o).jobs.remove(&first);
            return Ok(());
        }
        for (_, offset) in job.refused.clone() {
            job.verdicts.refuse(setup.route(job.bundle, offset), u32::try_from(offset - first).unwrap());
        }
        if !setup.rules.plan_refusals {
            return self.send(setup, o, first);
        }
        // Who gives the partition back plans nothing more.
        if self.owners[o].is_revoked || self.owners[o].paused.is_some() {
            self.partition(o).jobs.remove(&first);
            return Ok(());
        }
        self.plan(setup, o, first)
    }

    pub fn finish(&mut self, setup: &Setup, o: usize, first: i64) {
        let is_altered = self.is_altered(o, first);
        let era = self.era_of(o);
        let partition = self.partition(o);
        let job = partition.jobs.get_mut(&first).unwrap();
        let refuses = job.verdicts.refused.values().any(|refused| !refused.is_empty());
        if job.is_in_doubt && refuses && is_altered && setup.rules.heed_alterations && setup.rules.look_when_written {
            self.pause(o, ALTERED);
            self.partition(o).jobs.remove(&first);
            return;
        }
        let is_planned = partition.promise == Promise::ExactlyOnce || partition.ledger.planned(first).is_some();
        let (next, letters) = (job.next, job.letters(setup, first));
        job.phase = Phase::Written;
        if is_planned && setup.rules.letters_with_commit {
            partition.done.insert(first, letters);
        } else {
            for offset in letters {
                *self.letters.entry((era, offset)).or_default() += 1;
            }
        }
        if !is_planned {
            self.loosen(era, first, next);
        }
        self.complete(o, first);
    }

    pub fn complete(&mut self, o: usize, first: i64) {
        let partition = self.partition(o);
        if partition.ledger.is_released(first) {
            partition.ledger.complete(first);
            partition.jobs.remove(&first);
        }
    }
}
