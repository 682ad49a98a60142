//! `serde_json`, with texts that are borrowed and with texts of their own. UTF-8 is checked once a batch, which is quicker
//! than having it check every string.

use super::{Batch, Out, Parser};
use crate::data::Data;

pub struct Borrowed;

impl Parser for Borrowed {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        for text in batch.texts() {
            match text {
                Ok(text) => out.take(serde_json::from_str::<D::Borrowed<'_>>(text)),
                Err(error) => out.refuse(&error),
            }
        }
    }
}

pub struct Owned;

impl Parser for Owned {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        for text in batch.texts() {
            match text {
                Ok(text) => out.take(serde_json::from_str::<D::Owned>(text)),
                Err(error) => out.refuse(&error),
            }
        }
    }
}
