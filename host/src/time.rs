//! Times as plans say them, and as people read them.

use chrono::{DateTime, SecondsFormat, Utc};

/// Seconds since 1970.
pub fn now() -> u64 {
    u64::try_from(Utc::now().timestamp()).unwrap_or_default()
}

/// A time in seconds since 1970, as in `2026-11-18T11:06:40Z`; the beginning of 1970 for one that no calendar has.
pub fn told(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    at.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}
