//! What is known of a device at the end of a range.

/// What a summary is of: means of different metrics have nothing to say to each other.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    pub device: String,
    pub metric: String,
}

/// The readings of a series so far.
pub struct Summary {
    /// Those in range; the rest of the summary is about them alone.
    pub readings: u64,
    pub out_of_range: u64,
    min: f64,
    max: f64,
    sum: f64,
}

impl Default for Summary {
    fn default() -> Self {
        Self { readings: 0, out_of_range: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl Summary {
    pub fn add(&mut self, value: f64) {
        self.readings += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
    }

    pub fn min(&self) -> Option<f64> {
        self.known(self.min)
    }

    pub fn max(&self) -> Option<f64> {
        self.known(self.max)
    }

    pub fn mean(&self) -> Option<f64> {
        self.known(self.sum / self.readings as f64)
    }

    /// Without readings there is neither.
    fn known(&self, value: f64) -> Option<f64> {
        (self.readings > 0).then_some(value)
    }
}
