//! `sonic-rs` and `simd-json`, with texts that are borrowed.

use super::{Batch, Out, Parser};
use crate::data::Data;

pub struct SonicRs;

impl Parser for SonicRs {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        for text in batch.texts() {
            match text {
                Ok(text) => out.take(sonic_rs::from_str::<D::Borrowed<'_>>(text)),
                Err(error) => out.refuse(&error),
            }
        }
    }
}

/// Checks UTF-8 itself, and writes into what it reads, so that every record is copied first.
#[derive(Default)]
pub struct SimdJson {
    copy: Vec<u8>,
    buffers: simd_json::Buffers,
}

impl Parser for SimdJson {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        for value in batch.values() {
            self.copy.clear();
            self.copy.extend_from_slice(value);
            let Self { copy, buffers } = self;
            out.take(simd_json::serde::from_slice_with_buffers::<D::Borrowed<'_>>(copy, buffers));
        }
    }
}
