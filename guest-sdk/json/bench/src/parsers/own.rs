//! `tidegate-json`.

use super::{Batch, Out, Parser};
use crate::data::Data;

/// Records as a stream, as a plugin reads them.
#[derive(Default)]
pub struct Stream(tidegate_json::Stream);

impl Parser for Stream {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        let (bytes, ranges) = batch.parts();
        let texts = tidegate_json::Batch::new(bytes);
        for range in ranges {
            match texts.text(range) {
                Some(text) => out.take(self.0.read::<D::Borrowed<'_>>(text)),
                None => out.refuse(&"not UTF-8"),
            }
        }
    }
}

/// The same without serde.
#[derive(Default)]
pub struct Record(tidegate_json::Stream);

impl Parser for Record {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        let (bytes, ranges) = batch.parts();
        let texts = tidegate_json::Batch::new(bytes);
        for range in ranges {
            match texts.text(range) {
                Some(text) => out.take(self.0.record::<D::Borrowed<'_>>(text)),
                None => out.refuse(&"not UTF-8"),
            }
        }
    }
}

/// A record by itself, as one who has no stream of them would.
pub struct FromStr;

impl Parser for FromStr {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        for text in batch.texts() {
            match text {
                Ok(text) => out.take(tidegate_json::from_str::<D::Borrowed<'_>>(text)),
                Err(error) => out.refuse(&error),
            }
        }
    }
}
