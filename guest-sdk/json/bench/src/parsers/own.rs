//! `tidegate-json`.

use super::{Batch, Out, Parser};
use crate::data::Data;

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
