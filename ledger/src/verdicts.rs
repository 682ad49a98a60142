//! Which records and rows of a range are left out, and how many offsets have no record, in few characters: the metadata of a commit holds 4,096.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was found out about a range that another try might find otherwise. Records are named by their distance from the range's first
/// offset, which stays the same when a compaction takes others away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdicts {
    /// So many offsets of the range had no record: marks of transactions, and what was compacted before. Where it is more by now, records that
    /// were processed are gone.
    pub gaps: u32,
    /// Records that the plugin cannot take: it traps on them, or takes too long.
    pub poison: BTreeSet<u32>,
    /// By route: records whose rows the table does not take.
    pub refused: BTreeMap<u16, BTreeSet<u32>>,
}

impl Verdicts {
    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.poison.is_empty() && self.refused.values().all(BTreeSet::is_empty)
    }

    /// How many records and rows are left out.
    pub fn len(&self) -> usize {
        self.poison.len() + self.refused.values().map(BTreeSet::len).sum::<usize>()
    }

    /// Leaves out the rows of a record for a route.
    pub fn refuse(&mut self, route: u16, record: u32) {
        self.refused.entry(route).or_default().insert(record);
    }

    /// Reads what [`fmt::Display`] wrote; none where it is something else.
    pub(crate) fn read(parts: &mut std::str::Split<'_, char>) -> Option<Self> {
        let mut verdicts = Self::default();
        for part in parts {
            if let Some(count) = part.strip_prefix('g') {
                verdicts.gaps = count.parse().ok().filter(|count| *count > 0)?;
            } else if let Some(list) = part.strip_prefix('p') {
                verdicts.poison = read_list(list)?;
            } else {
                let (route, list) = part.strip_prefix('r')?.split_once(':')?;
                verdicts.refused.insert(route.parse().ok()?, read_list(list)?);
            }
        }
        Some(verdicts)
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gaps > 0 {
            write!(f, ".g{}", self.gaps)?;
        }
        if !self.poison.is_empty() {
            write!(f, ".p")?;
            write_list(&self.poison, f)?;
        }
        for (route, records) in self.refused.iter().filter(|(_, records)| !records.is_empty()) {
            write!(f, ".r{route}:")?;
            write_list(records, f)?;
        }
        Ok(())
    }
}

/// Five bits a digit, and a sixth that says that more follow: the numbers of a list need no separators. The digits are those of base64url.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const MORE: u32 = 32;

/// Ascending numbers as the distances between them.
fn write_list(list: &BTreeSet<u32>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut before = 0;
    for number in list {
        let mut rest = number - before;
        before = *number;
        loop {
            let more = if rest >= MORE { MORE } else { 0 };
            let digit = usize::try_from(rest % MORE + more).ok().and_then(|index| DIGITS.get(index));
            write!(f, "{}", char::from(*digit.unwrap_or(&b'A')))?;
            rest /= MORE;
            if more == 0 {
                break;
            }
        }
    }
    Ok(())
}

fn read_list(text: &str) -> Option<BTreeSet<u32>> {
    let (mut list, mut before, mut number, mut shift) = (BTreeSet::new(), 0_u32, 0_u64, 0_u32);
    for byte in text.bytes() {
        let digit = u64::try_from(DIGITS.iter().position(|digit| *digit == byte)?).ok()?;
        if shift > 30 {
            return None;
        }
        number |= (digit % 32) << shift;
        shift += 5;
        if digit < 32 {
            before = before.checked_add(u32::try_from(number).ok()?)?;
            if !list.insert(before) {
                return None;
            }
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(verdicts: &Verdicts) -> Option<Verdicts> {
        let text = verdicts.to_string();
        let mut parts = text.split('.');
        assert_eq!(parts.next(), Some(""));
        Verdicts::read(&mut parts)
    }

    #[test]
    fn verdicts_are_read_as_they_were_written() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.is_empty() && verdicts.to_string().is_empty());
        verdicts.poison = [0, 1, 31, 32, 33, 1_023, 1_024, 49_999, u32::MAX].into();
        verdicts.refuse(0, 7);
        verdicts.refuse(12, 49_999);
        assert_eq!((verdicts.len(), verdicts.is_empty()), (11, false));
        verdicts.gaps = u32::MAX;
        assert_eq!((verdicts.len(), again(&verdicts)), (11, Some(verdicts)), "nothing is left out of a gap");
        let gaps = Verdicts { gaps: 3, ..Verdicts::default() };
        assert_eq!((gaps.is_empty(), gaps.to_string(), again(&gaps)), (true, ".g3".to_owned(), Some(gaps)));
    }

    #[test]
    fn a_thousand_of_fifty_thousand_records_fit_a_plan_well() {
        let verdicts = Verdicts { poison: (0..50_000).step_by(50).collect(), ..Verdicts::default() };
        assert!(verdicts.to_string().len() < 2_010, "{}", verdicts.to_string().len());
        let close = Verdicts { poison: (0..50_000).step_by(30).collect(), ..Verdicts::default() };
        assert!(close.to_string().len() < 1_700);
    }

    #[test]
    fn what_is_no_list_is_not_read() {
        for text in ["g", "g0", "g-1", "gA", "pg", "p!", "r:A", "rx:A", "r1A", "pBA", "p________", "x"] {
            assert_eq!(Verdicts::read(&mut text.split('.')), None, "{text}");
        }
    }
}
