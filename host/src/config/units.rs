//! Sizes and durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes, written `8 MiB`, `500 kB` or `64 B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub usize);

impl ByteSize {
    /// So many times 1,048,576 bytes.
    pub const fn mib(count: usize) -> Self {
        Self(count << 20)
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a number and a unit of B, kB, KiB, MB, MiB, GB or GiB, such as \"8 MiB\"";
        let (number, unit) = split(text).ok_or(EXPECTED)?;
        let unit: u128 = match unit {
            "B" => 1,
            "kB" | "KB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" => 1 << 30,
            _ => return Err(EXPECTED),
        };
        let bytes = scaled(number, unit).ok_or(EXPECTED)?;
        usize::try_from(bytes).map(Self).map_err(|_| EXPECTED)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} B"),
        }
    }
}

/// A duration, written `100 ms`, `1.5 s`, `15 min` or `2 h`.
///
/// # Errors
/// What would be right.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a number and a unit of us, ms, s, min or h, such as \"1 s\"";
    let (number, unit) = split(text).ok_or(EXPECTED)?;
    let unit: u128 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "min" | "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(EXPECTED),
    };
    let micros = scaled(number, unit).ok_or(EXPECTED)?;
    u64::try_from(micros).map(Duration::from_micros).map_err(|_| EXPECTED)
}

/// A duration as it could stand in a file.
pub fn shown_duration(duration: Duration) -> String {
    match duration.as_micros() {
        micros if micros % 1_000_000 == 0 => format!("{} s", micros / 1_000_000),
        micros if micros % 1_000 == 0 => format!("{} ms", micros / 1_000),
        micros => format!("{micros} us"),
    }
}

fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
    let (number, unit) = text.split_at(end);
    Some((number, unit.trim_start()))
}

/// `number` times `unit`, exact up to nine decimals.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let whole: u128 = whole.parse::<u64>().ok()?.into();
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.into() };
    Some(whole * unit + fraction * unit / 10u128.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_as_written() {
        assert_eq!("8 MiB".parse(), Ok(ByteSize(8 << 20)));
        assert_eq!("1.5KiB".parse(), Ok(ByteSize(1536)));
        assert_eq!("500 kB".parse(), Ok(ByteSize(500_000)));
        assert_eq!(parse_duration("100 ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("15 min"), Ok(Duration::from_secs(900)));
    }

    #[test]
    fn what_is_not_a_size_or_duration_is_refused() {
        for text in ["", "8", "MiB", "-1 MiB", "8 mib", "1..5 MiB", "99999999999999999999 B", "9999999999999999999 GiB"]
        {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for text in ["", "1", "s", "1 day", "-1 s", "1 s s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
