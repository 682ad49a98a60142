//! How many lines of a plugin get into the gateway's log: so many a second, over all of its instances. How many were left out is told
//! in the second after.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Counts the lines of one plugin.
pub(super) struct LogLines {
    limit: usize,
    second: Mutex<Second>,
}

struct Second {
    began: Instant,
    lines: usize,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// Whether it is written.
    pub admitted: bool,
    /// Lines that were left out and not told yet; to be told before it.
    pub left_out: u64,
}

impl LogLines {
    pub fn new(limit: usize, now: Instant) -> Self {
        Self { limit, second: Mutex::new(Second { began: now, lines: 0, left_out: 0 }) }
    }

    /// Asks for a line.
    pub fn admit(&self, now: Instant) -> Admission {
        let left_out = self.settle(now);
        let mut second = self.second.lock();
        let admitted = second.lines < self.limit;
        match admitted {
            true => second.lines += 1,
            false => second.left_out += 1,
        }
        Admission { admitted, left_out }
    }

    /// What is to be told although no line comes.
    pub fn settle(&self, now: Instant) -> u64 {
        let mut second = self.second.lock();
        if now.saturating_duration_since(second.began) < Duration::from_secs(1) {
            return 0;
        }
        std::mem::replace(&mut *second, Second { began: now, lines: 0, left_out: 0 }).left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_those_of_a_second_are_left_out_and_told_in_the_next() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let lines = LogLines::new(2, start);
        let admitted = |millis| lines.admit(at(millis)).admitted;
        assert_eq!([admitted(0), admitted(1), admitted(2), admitted(999)], [true, true, false, false]);
        assert_eq!(lines.admit(at(1_000)), Admission { admitted: true, left_out: 2 });
        assert_eq!(lines.admit(at(1_001)), Admission { admitted: true, left_out: 0 });
        assert!(!admitted(1_500));
        assert_eq!((lines.settle(at(1_999)), lines.settle(at(2_000)), lines.settle(at(3_000))), (0, 1, 0));
    }

    #[test]
    fn no_line_at_all_may_be_the_limit() {
        let start = Instant::now();
        assert!(!LogLines::new(0, start).admit(start).admitted);
    }
}
