//! Faults as they happen.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::member::{Member, SESSION, STOP_PATIENCE};
use super::pipelines::Base;
use super::plan::Fault;
use super::proxy::{Blow, FaultProxy};
use super::run::Run;
use super::stand::{DEAD, Service};
use crate::harness::eventually;

/// How long a gateway stands still: beyond its session, so that others have its partitions when it goes on.
const FROZEN: Duration = SESSION.saturating_add(Duration::from_millis(1_500));

/// How long something is as it should not be that writes notice at once.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// Between two looks at what is to happen.
const LOOK: Duration = Duration::from_millis(10);

/// Points that only the successor of one that left a plan behind passes, perhaps once.
const SUCCESSORS_POINTS: [&str; 2] = ["plan-read", "before-replay"];

/// Who dies here leaves a plan behind.
const LEAVES_A_PLAN: &str = "planned";

/// How often a plan is left behind to have a successor die over it.
const SUCCESSIONS: usize = 3;

/// How long a blow may wait for a write.
const BLOW_PATIENCE: Duration = Duration::from_secs(10);

impl Run {
    /// Lets a fault happen. Returns when it was over; none where it did not come about.
    ///
    /// # Errors
    /// Where a gateway or a service does not do what is asked of it.
    pub(super) fn inject(&mut self, fault: &Fault) -> anyhow::Result<Option<Instant>> {
        match *fault {
            Fault::Kill(member) => self.restart(&[member])?,
            Fault::KillBoth => self.restart(&[0, 1])?,
            Fault::Freeze(member) => {
                let member = self.member(member)?;
                member.freeze()?;
                std::thread::sleep(FROZEN);
                member.thaw()?;
            }
            Fault::FreezeAt { name, member } => {
                if !self.freeze_at(name, member)? {
                    return Ok(None);
                }
            }
            Fault::KafkaDies => self.service_dies(Service::Kafka)?,
            Fault::BaseDies(Base::ClickHouse) => self.service_dies(Service::ClickHouse)?,
            Fault::BaseDies(Base::Postgres) => self.service_dies(Service::Postgres)?,
            Fault::Struck { member, base, blow, times } => {
                if !strike(proxy(self.member(member)?, base), blow, times) {
                    return Ok(None);
                }
            }
            Fault::Away(member, base) => {
                let proxy = proxy(self.member(member)?, base);
                proxy.set_away(true);
                std::thread::sleep(A_WHILE);
                proxy.set_away(false);
            }
            Fault::Grow(pipeline) => self.grow(pipeline)?,
            Fault::DiskFull(member) => self.fill_disk(member)?,
            Fault::Deaths { member, points, passes } => {
                if !self.die_at(&points, member, passes)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(Instant::now()))
    }

    fn member(&mut self, index: usize) -> anyhow::Result<&mut Member> {
        self.members.get_mut(index).with_context(|| format!("there is no gateway {index}"))
    }

    fn restart(&mut self, members: &[usize]) -> anyhow::Result<()> {
        let points = self.points("");
        for index in members {
            self.member(*index)?.kill()?;
        }
        for index in members {
            self.member(*index)?.start(&points)?;
        }
        Ok(())
    }

    fn service_dies(&self, service: Service) -> anyhow::Result<()> {
        self.stand.kill(service)?;
        std::thread::sleep(DEAD);
        self.stand.start_again(service)
    }

    fn grow(&self, pipeline: usize) -> anyhow::Result<()> {
        let topic = self.stream.topics().get(pipeline).context("there is no such topic")?;
        let partitions = topic.partitions.load(Ordering::Relaxed) + 1;
        let wanted = usize::try_from(partitions)?;
        eventually("the topic has one more partition", || match self.field.kafka.ends(&topic.name)?.len() {
            there if there >= wanted => Ok(()),
            _ => self.field.kafka.grow(&topic.name, wanted),
        })?;
        topic.partitions.store(partitions, Ordering::Relaxed);
        Ok(())
    }

    /// A gateway's own folder becomes a file, so that whatever it writes there fails, and both databases say that they are full. It is
    /// what a full disk is to the gateway; to fill a real one takes a disk that a test may fill.
    fn fill_disk(&mut self, member: usize) -> anyhow::Result<()> {
        let member = self.member(member)?;
        let (state, away) = (member.folder().join("state"), member.folder().join("state.away"));
        std::fs::rename(&state, &away).context("take its folder away")?;
        std::fs::write(&state, "").context("put a file in its place")?;
        member.clickhouse.strike(Blow::DiskFull, 2);
        member.postgres.strike(Blow::DiskFull, 2);
        std::thread::sleep(A_WHILE);
        member.clickhouse.relent();
        member.postgres.relent();
        std::fs::remove_file(&state).context("take the file away")?;
        std::fs::rename(&away, &state).context("put its folder back")
    }

    /// Kills a gateway and starts one that stands still at a point, until others have done what it was about to do.
    fn freeze_at(&mut self, name: &'static str, member: usize) -> anyhow::Result<bool> {
        let (points, plain) = (self.points(&format!("{name}=1*return(stop)")), self.points(""));
        let member = self.member(member)?;
        member.kill()?;
        member.start(&points)?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while !member.stands_still()? {
            if Instant::now() >= deadline {
                // It must not stand still later, when nobody looks.
                member.kill()?;
                member.start(&plain)?;
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(FROZEN);
        member.thaw()?;
        Ok(true)
    }

    /// Kills a gateway, starts one that dies at a point, one that dies at the next, and at last one that lives. Returns whether any died.
    fn die_at(&mut self, points: &[&'static str], member: usize, passes: u32) -> anyhow::Result<bool> {
        let mut died = false;
        self.member(member)?.kill()?;
        for name in points {
            died |= if SUCCESSORS_POINTS.contains(name) {
                self.die_as_successor(name, member)?
            } else {
                self.dies(name, member, passes)?
            };
        }
        let plain = self.points("");
        self.member(member)?.start(&plain)?;
        Ok(died)
    }

    /// Dies at a point that is passed only where a plan was left behind: leaves one behind first. Whether its partition comes to the
    /// successor is up to the group, so that one try does not always do.
    fn die_as_successor(&mut self, name: &'static str, member: usize) -> anyhow::Result<bool> {
        for _ in 0..SUCCESSIONS {
            self.dies(LEAVES_A_PLAN, member, 0)?;
            if self.dies(name, member, 0)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Starts a gateway that dies when it comes to a point for the time after `passes`. Returns whether it did.
    fn dies(&mut self, name: &'static str, member: usize, passes: u32) -> anyhow::Result<bool> {
        let passed = if passes > 0 { format!("{passes}*off->") } else { String::new() };
        let point = self.points(&format!("{name}={passed}return"));
        let died = self.member(member)?.dies(&point)?;
        match died {
            true => self.happened.stop_points.entry(name).or_default().under_load += 1,
            false => self.did_not_die(name, "under load"),
        }
        Ok(died)
    }
}

fn proxy(member: &Member, base: Base) -> &FaultProxy {
    match base {
        Base::ClickHouse => &member.clickhouse,
        Base::Postgres => &member.postgres,
    }
}

/// Strikes writes, and waits until that is done. Returns whether any was struck.
fn strike(proxy: &FaultProxy, blow: Blow, times: usize) -> bool {
    let (before, deadline) = (proxy.struck(), Instant::now() + BLOW_PATIENCE);
    proxy.strike(blow, times);
    while proxy.has_blows() && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    proxy.relent();
    proxy.struck() > before
}
