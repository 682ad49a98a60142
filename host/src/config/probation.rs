//! How a new version of a pipeline shows that it is no worse than the one before: `[probation]` of a pipeline file.

use std::fmt;
use std::str::FromStr;

use super::section::Section;

/// The first ranges after a swap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probation {
    /// How many ranges a version is on probation for; it is trusted at once where there are none.
    pub ranges: usize,
    /// The most of their records that may be rejected or trap although the former version takes them.
    pub rejects: Share,
}

/// A part of a whole, written `1 %` or `0.05 %`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Probation {
    /// Ranges enough to meet what a topic holds, and so few rejects that a version which fails at what the former one could do is noticed
    /// while one that is a little stricter is not.
    pub const DEFAULT: Self = Self { ranges: 16, rejects: Share(0.01) };
}

pub(super) fn read(section: &Section<'_>) -> Probation {
    let default = Probation::DEFAULT;
    Probation {
        ranges: section.integer("ranges", 0..=1_000_000).unwrap_or(default.ranges),
        rejects: section.parsed("rejects").unwrap_or(default.rejects),
    }
}

impl Share {
    /// Whether so many of a whole are more than this share of it.
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        // Counts of records are far below what a double holds exactly.
        part as f64 > self.0 * whole as f64
    }
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a percentage from 0 to 100, such as \"1 %\"";
        let number = text.trim().strip_suffix('%').ok_or(EXPECTED)?;
        let percent: f64 = number.trim().parse().map_err(|_| EXPECTED)?;
        (0.0..=100.0).contains(&percent).then_some(Self(percent / 100.0)).ok_or(EXPECTED)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage() {
        let share: Share = "1 %".parse().unwrap();
        assert!(share.is_exceeded(2, 100) && !share.is_exceeded(1, 100) && share.is_exceeded(1, 10));
        assert!(!"0%".parse::<Share>().unwrap().is_exceeded(0, 5));
        for wrong in ["1", "-1 %", "101 %", "x %", "NaN %"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
