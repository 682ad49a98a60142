//! The shop's trade: a thread for every topic writes its records at a steady rate and counts what should become of them.
//!
//! Where nobody reads a topic any more its thread waits: the embedded Kafka would drop what it cannot keep.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::produce::{Outgoing, Writer};
use crate::shop::{ExpectedSale, ExpectedStock, Sales, Stock};

/// Of four partitions these take a good 2 MiB each, of the 5 MiB that the embedded Kafka keeps.
const MOST_UNREAD: u64 = 20_000;

/// Short enough that records come evenly to the eye and to the gateway.
const TICK: Duration = Duration::from_millis(10);

/// What was written to a topic, and what should become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Records.
    pub records: u64,
    /// Rows that they should become, by route.
    pub rows: BTreeMap<&'static str, u64>,
    /// Records that should become neither rows nor dead letters.
    pub dropped: u64,
    /// Records that should become dead letters.
    pub malformed: u64,
}

/// What a topic's records come from.
pub trait Trade: Send {
    /// Makes the next record, counts it and hands it over.
    fn next_record(&mut self, made: &mut Made, take: &mut dyn FnMut(Outgoing<'_>));
}

/// How a topic is written.
pub struct Lane {
    /// What makes the records.
    pub trade: Box<dyn Trade>,
    /// Where they go.
    pub writer: Writer,
    /// Records a second.
    pub rate: f64,
    /// How many to write; no end without.
    pub most: Option<u64>,
    /// How many of the topic's records were read; `None` where nobody reads the topic.
    pub read: Box<dyn Fn() -> Option<u64> + Send>,
}

/// The threads, and what they have written so far.
pub struct Traffic {
    lanes: Vec<(String, Arc<Mutex<Made>>)>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
    stop: CancellationToken,
}

/// What was written so far, by topic.
pub type MadeByTopic = BTreeMap<String, Made>;

impl Traffic {
    /// Starts to write to these topics.
    ///
    /// # Errors
    /// Where no thread is to be had.
    pub fn start(lanes: Vec<(String, Lane)>) -> anyhow::Result<Self> {
        let mut traffic = Self { lanes: Vec::new(), threads: Vec::new(), stop: CancellationToken::new() };
        for (topic, lane) in lanes {
            let made = Arc::<Mutex<Made>>::default();
            traffic.lanes.push((topic.clone(), made.clone()));
            let stop = traffic.stop.clone();
            let thread = std::thread::Builder::new().name(format!("traffic {topic}"));
            traffic.threads.push(thread.spawn(move || lane.write(&made, &stop)).context("start a thread")?);
        }
        Ok(traffic)
    }

    /// What was written so far. Cheap enough to ask for often.
    pub fn made(&self) -> impl Fn() -> MadeByTopic + Send + use<> {
        let lanes = self.lanes.clone();
        move || lanes.iter().map(|(topic, made)| (topic.clone(), snapshot(made))).collect()
    }

    /// Whether all that was asked for is written.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Stops writing and waits until Kafka has all that was written. Blocks.
    ///
    /// # Errors
    /// Where a record could not be written.
    pub fn finish(self) -> anyhow::Result<()> {
        self.stop.cancel();
        for thread in self.threads {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that writes records panicked")))?;
        }
        Ok(())
    }
}

impl Lane {
    fn write(mut self, shared: &Mutex<Made>, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut pace = Pace::new(self.rate, Instant::now());
        let mut made = Made::default();
        while !stop.is_cancelled() && self.most != Some(made.records) {
            let unread = (self.read)().map_or(0, |read| made.records.saturating_sub(read));
            let left = self.most.map_or(u64::MAX, |most| most - made.records);
            let room = MOST_UNREAD.saturating_sub(unread);
            for _ in 0..pace.due(Instant::now()).min(room).min(left) {
                let mut result = Ok(());
                self.trade.next_record(&mut made, &mut |record| result = self.writer.write(record));
                result?;
            }
            publish(shared, &made);
            self.writer.poll();
            std::thread::sleep(TICK);
        }
        self.writer.flush()
    }
}

fn publish(shared: &Mutex<Made>, made: &Made) {
    if let Ok(mut shared) = shared.lock() {
        shared.clone_from(made);
    }
}

fn snapshot(made: &Mutex<Made>) -> Made {
    made.lock().map(|made| made.clone()).unwrap_or_default()
}

impl Made {
    /// Records that should become rows.
    pub fn become_rows(&self) -> u64 {
        self.records.saturating_sub(self.dropped + self.malformed)
    }

    /// Adds what was written to another topic.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.dropped += other.dropped;
        self.malformed += other.malformed;
        for (route, rows) in &other.rows {
            *self.rows.entry(route).or_default() += rows;
        }
    }

    fn rows(&mut self, route: &'static str, rows: usize) {
        *self.rows.entry(route).or_default() += u64::try_from(rows).unwrap_or_default();
    }
}

impl Trade for Sales {
    fn next_record(&mut self, made: &mut Made, take: &mut dyn FnMut(Outgoing<'_>)) {
        let record = Sales::next_record(self);
        made.records += 1;
        match record.expected {
            ExpectedSale::Sale(_) => made.rows("sale", 1),
            ExpectedSale::Dropped => made.dropped += 1,
            ExpectedSale::Malformed(_) => made.malformed += 1,
        }
        take(record.outgoing());
    }
}

impl Trade for Stock {
    fn next_record(&mut self, made: &mut Made, take: &mut dyn FnMut(Outgoing<'_>)) {
        let record = Stock::next_record(self);
        made.records += 1;
        match record.expected {
            ExpectedStock::Movements(rows) => made.rows("movement", rows.len()),
            ExpectedStock::Correction(_) => made.rows("correction", 1),
            ExpectedStock::Malformed(_) => made.malformed += 1,
        }
        take(record.outgoing());
    }
}

/// How many records are due. What could not be written for a while is not caught up on.
struct Pace {
    rate: f64,
    allowance: f64,
    at: Instant,
}

impl Pace {
    fn new(rate: f64, now: Instant) -> Self {
        Self { rate, allowance: 0.0, at: now }
    }

    fn due(&mut self, now: Instant) -> u64 {
        // As much as a tenth of a second may be late: a thread that was not scheduled, not one that was held.
        let passed = now.saturating_duration_since(self.at).min(Duration::from_millis(100));
        self.at = now;
        self.allowance += passed.as_secs_f64() * self.rate;
        let due = self.allowance.floor();
        self.allowance -= due;
        due as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_pace_has_its_rate_and_catches_up_on_a_tenth_of_a_second_at_most() {
        let start = Instant::now();
        let mut pace = Pace::new(250.0, start);
        let due = (1..=100).map(|tick| pace.due(start + TICK * tick)).sum::<u64>();
        assert!((249..=250).contains(&due), "{due}");
        assert!((25..=26).contains(&pace.due(start + Duration::from_secs(60))));
    }
}
