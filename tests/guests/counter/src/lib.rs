//! A plugin that keeps state: it counts the records of a range and says at its end how many there were. The tests of
//! what becomes of state between ranges load it. A record `fail` makes the end of its range fail, `refuse` is refused, `panic`
//! is counted and then panics.

use std::convert::Infallible;

use tidegate_plugin::{Out, Record, Reject, Row, Setup, plugin};

plugin! { init: Counter::init, routes: { "count" => Count }, transform_mut: Counter::transform, finish: Counter::finish }

#[derive(Default)]
struct Counter {
    records: u64,
    fails: bool,
}

#[derive(Row)]
#[row(topic, partition, offset)]
struct Count {
    records: u64,
}

impl Counter {
    fn init(_: &Setup) -> Result<Self, Infallible> {
        Ok(Self::default())
    }

    #[expect(clippy::panic, reason = "that is what it is for")]
    fn transform(&mut self, record: Record<'_>, _: &mut Out) -> Result<(), Reject> {
        self.records += 1;
        match record.value() {
            Some(b"fail") => self.fails = true,
            Some(b"panic") => panic!("counted {} records", self.records),
            Some(b"refuse") => return Err(Reject::new("refused, but counted")),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), Reject> {
        out.emit(&Count { records: self.records });
        if self.fails { Err(Reject::new("the count is not to be trusted")) } else { Ok(()) }
    }
}
