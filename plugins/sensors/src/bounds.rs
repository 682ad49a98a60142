//! Between which values a reading is in range: the plugin's settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_plugin::{Setup, SetupError};

/// The settings of a pipeline.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    min: f64,
    max: f64,
    metrics: BTreeMap<String, OfMetric>,
}

/// A bound that is left out is that of all metrics.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfMetric {
    min: Option<f64>,
    max: Option<f64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { min: -50.0, max: 150.0, metrics: BTreeMap::new() }
    }
}

impl Bounds {
    pub fn read(setup: &Setup) -> Result<Self, SetupError> {
        let bounds: Self = setup.settings()?;
        check("", bounds.min, bounds.max)?;
        for name in bounds.metrics.keys() {
            let (min, max) = bounds.of(name);
            check(&format!("metrics.{name}: "), min, max)?;
        }
        Ok(bounds)
    }

    /// Whether a value is in range. The bounds themselves are.
    pub fn hold(&self, metric: &str, value: f64) -> bool {
        let (min, max) = self.of(metric);
        (min..=max).contains(&value)
    }

    fn of(&self, metric: &str) -> (f64, f64) {
        match self.metrics.get(metric) {
            Some(own) => (own.min.unwrap_or(self.min), own.max.unwrap_or(self.max)),
            None => (self.min, self.max),
        }
    }
}

fn check(whose: &str, min: f64, max: f64) -> Result<(), SetupError> {
    match min <= max {
        true => Ok(()),
        false => Err(SetupError::new(format!("settings: {whose}min is {min} and max is {max}, no value is in range"))),
    }
}
