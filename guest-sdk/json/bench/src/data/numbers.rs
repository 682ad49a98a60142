//! Measurements: arrays of floats and of integers.

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::Room;

use super::{Data, Source};
use crate::json::{self, Spacing, put};
use crate::row::{self, Row};

/// What a sensor measured since it was last heard of.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Numbers {
    sensor: u32,
    values: Vec<f64>,
    counts: Vec<i64>,
}

impl Row for Numbers {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        row::bytes(out, self.sensor.to_le_bytes());
        out.put([self.values.len() as u8]);
        for value in &self.values {
            row::bytes(out, value.to_le_bytes());
        }
        out.put([self.counts.len() as u8]);
        for count in &self.counts {
            row::bytes(out, count.to_le_bytes());
        }
    }
}

impl Data for Numbers {
    type Borrowed<'a> = Self;
    type Owned = Self;

    fn write(source: &mut Source, out: &mut Vec<u8>) {
        let dice = &mut source.dice;
        json::object(out, Spacing::Tight, |object| {
            object.plain("sensor", dice.below(5_000));
            let count = 32 + dice.below(32);
            object.array("values", count, |_, out| {
                let whole = dice.below(2_000) as i32 - 1_000;
                match dice.below(8) {
                    0 => put(out, whole),
                    1 => put(out, format_args!("{whole}.{}e-{}", dice.below(10), 1 + dice.below(9))),
                    // All that a measurement in double precision has.
                    2 => put(out, format_args!("{}.{:09}", whole % 100, dice.below(1_000_000_000))),
                    _ => put(out, format_args!("{whole}.{}", dice.below(1_000))),
                }
            });
            object.array("counts", 16, |index, out| match index % 4 {
                0 => put(out, dice.bits() as i64),
                1 => put(out, dice.below(10)),
                _ => put(out, dice.below(100_000)),
            });
        });
    }

    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault> {
        use crate::parsers::jiter::{array, float, members, number};
        members! { jiter; sensor: number(jiter), values: array(jiter, float), counts: array(jiter, number) }
        Ok(Self { sensor, values, counts })
    }
}
