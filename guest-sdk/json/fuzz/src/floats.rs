//! Floats that are compared by their bits: there are two zeros.

use serde::Deserialize;

/// Double precision.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "f64")]
pub struct Double(u64);

/// Single precision.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "f32")]
pub struct Single(u32);

impl From<f64> for Double {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

impl From<f32> for Single {
    fn from(value: f32) -> Self {
        Self(value.to_bits())
    }
}
