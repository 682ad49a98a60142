//! What happens in a run and when, by a seed: the same seed, the same plan.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::member::DEADLINE;
use super::pipelines::{Base, PIPELINES};
use super::proxy::Blow;

/// Something that goes wrong. Gateways are told by number, 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// A gateway is killed and started again.
    Kill(usize),
    /// Both are, at once.
    KillBoth,
    /// A gateway stands still for longer than its session, and goes on.
    Freeze(usize),
    /// A gateway stands still at this point of a range's way, for longer than its session, and goes on.
    FreezeAt {
        /// The point.
        name: &'static str,
        /// Whose.
        member: usize,
    },
    /// The broker is killed and started again.
    KafkaDies,
    /// The database is.
    BaseDies(Base),
    /// A few writes of a gateway are struck.
    Struck {
        /// Whose.
        member: usize,
        /// Which database's.
        base: Base,
        /// How.
        blow: Blow,
        /// How many.
        times: usize,
    },
    /// A gateway does not reach a database.
    Away(usize, Base),
    /// A topic gets another partition.
    Grow(usize),
    /// A gateway can write nothing more to its folder, and the databases say that their disks are full.
    DiskFull(usize),
    /// A gateway dies at a point of a range's way, is started again and dies at the next one, and so on.
    Deaths {
        /// Whose.
        member: usize,
        /// The points.
        points: [&'static str; DEATHS],
        /// How often each is passed before.
        passes: u32,
    },
}

/// A fault, and how long all is quiet before.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How long.
    pub pause: Duration,
    /// What.
    pub fault: Fault,
    /// Whether rows must flow again before the next one; else that one meets what this one left behind.
    pub waits: bool,
}

/// All points of a range's way at which a gateway can die, in the order in which one after the other finds work to do.
pub const STOP_POINTS: [&str; 15] = [
    "closed",
    "made",
    "before-plan",
    "planned",
    "plan-read",
    "before-replay",
    "before-write",
    "between-sinks",
    "after-write",
    "before-complete",
    "completed",
    "transaction-begun",
    "letters-sent",
    "offsets-sent",
    "transaction-committed",
];

/// How many deaths follow each other, so that each costs one session and not two. It divides the number of stop points.
pub const DEATHS: usize = 3;

/// Where a gateway that stands still has something to send when it goes on, which others have sent meanwhile.
const LATE_POINTS: [&str; 7] =
    ["before-plan", "planned", "before-write", "between-sinks", "before-complete", "letters-sent", "offsets-sent"];

/// How many of these come in each plan, by chance: each takes longer than most other faults.
const FREEZES: usize = 3;

/// Longer than anybody waits for an answer.
const TOO_LATE: Duration = DEADLINE.saturating_add(Duration::from_millis(700));

const BLOWS: [Blow; 10] = [
    Blow::CutBefore,
    Blow::CutWithin,
    Blow::CutAfter,
    Blow::Late(TOO_LATE),
    Blow::Stray(TOO_LATE),
    Blow::Failed,
    Blow::FailedAfter,
    Blow::Busy,
    Blow::Garbage,
    Blow::DiskFull,
];

const BASES: [Base; 2] = [Base::ClickHouse, Base::Postgres];

/// The longest time between two faults: short enough that a second one often meets what the first left behind.
const LONGEST_PAUSE: Duration = Duration::from_millis(1_000);

/// The share of outages after which all is given time to recover.
const WAITED_FOR: f64 = 0.75;

impl Fault {
    /// What it counts as.
    pub fn kind(&self) -> String {
        let base = |base: &Base| match base {
            Base::ClickHouse => "clickhouse",
            Base::Postgres => "postgres",
        };
        match self {
            Self::Kill(_) => "gateway killed".to_owned(),
            Self::KillBoth => "both gateways killed".to_owned(),
            Self::Freeze(_) => "gateway frozen".to_owned(),
            Self::FreezeAt { name, .. } => format!("frozen at {name}"),
            Self::KafkaDies => "kafka killed".to_owned(),
            Self::BaseDies(of) => format!("{} killed", base(of)),
            Self::Struck { base: of, blow, .. } => format!("{} {}", base(of), blow.name()),
            Self::Away(_, of) => format!("{} not reached", base(of)),
            Self::Grow(_) => "partition added".to_owned(),
            Self::DiskFull(_) => "disk full".to_owned(),
            Self::Deaths { .. } => "gateway died at stop points".to_owned(),
        }
    }

    /// Whether rows stop until it is over: what the time of recovery is taken of.
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Struck { .. } | Self::Grow(_) | Self::DiskFull(_))
    }
}

impl Blow {
    fn name(self) -> &'static str {
        match self {
            Self::CutBefore => "cut before a write",
            Self::CutWithin => "cut within a write",
            Self::CutAfter => "cut after a write",
            Self::Late(_) => "answers too late",
            Self::Stray(_) => "write on its way too long",
            Self::Failed => "fails (500)",
            Self::FailedAfter => "fails after a write (500)",
            Self::Busy => "is busy (429)",
            Self::Garbage => "answers garbage",
            Self::DiskFull => "has a full disk",
        }
    }
}

/// Every kind of fault and every stop point, in an order by the seed, and by chance so many more that there are `least` in all.
pub fn plan(seed: u64, least: usize) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults = every_kind(&mut random);
    while faults.len() < least {
        let more = every_kind(&mut random);
        faults.extend(more.choose(&mut random));
    }
    faults.shuffle(&mut random);
    let step = |fault: Fault| {
        let waits = fault.is_outage() && random.random_bool(WAITED_FOR);
        Step { pause: LONGEST_PAUSE.mul_f64(random.random()), fault, waits }
    };
    faults.into_iter().map(step).collect()
}

fn every_kind(random: &mut StdRng) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Kill(0),
        Fault::Kill(1),
        Fault::KillBoth,
        Fault::Freeze(random.random_range(0..2)),
        Fault::KafkaDies,
        Fault::Grow(random.random_range(0..PIPELINES.len())),
        Fault::DiskFull(random.random_range(0..2)),
    ];
    let frozen_at = LATE_POINTS.choose_multiple(random, FREEZES).copied().collect::<Vec<_>>();
    faults.extend(frozen_at.into_iter().map(|name| Fault::FreezeAt { name, member: random.random_range(0..2) }));
    for base in BASES {
        faults.push(Fault::BaseDies(base));
        faults.push(Fault::Away(random.random_range(0..2), base));
        for blow in BLOWS {
            let (member, times) = (random.random_range(0..2), random.random_range(1..4));
            faults.push(Fault::Struck { member, base, blow, times });
        }
    }
    let mut points = STOP_POINTS;
    points.shuffle(random);
    let (chains, _) = points.as_chunks::<DEATHS>();
    faults.extend(chains.iter().map(|points| Fault::Deaths {
        member: random.random_range(0..2),
        points: *points,
        passes: random.random_range(0..4),
    }));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_plan() {
        let names = |seed| format!("{:?}", plan(seed, 100));
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }

    #[test]
    fn a_plan_has_every_kind_and_as_many_as_were_asked_for() {
        let steps = plan(3, 100);
        assert_eq!(steps.len(), 100);
        for name in STOP_POINTS {
            let dies = |fault: &Fault| matches!(fault, Fault::Deaths { points, .. } if points.contains(&name));
            assert!(steps.iter().any(|step| dies(&step.fault)), "nobody dies at {name}");
        }
        for blow in BLOWS {
            assert!(steps.iter().any(|step| matches!(step.fault, Fault::Struck { blow: of, .. } if of == blow)));
        }
    }
}
