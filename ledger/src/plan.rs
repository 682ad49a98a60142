//! A plan as text: what the metadata of a commit says of the ranges that begin at its offset.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::verdicts::Verdicts;

/// 128 random bits that tell what a group does with a partition from whatever is done with it on purpose once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lineage(pub u128);

/// What processes records, as 128 bits of a hash: the same bundle makes the same rows of the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleId(pub u128);

/// A range that is planned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Planned {
    /// The offset of its first record.
    pub first: i64,
    /// The offset behind it.
    pub next: i64,
    /// What processes it.
    pub bundle: BundleId,
    /// What is left out of it.
    pub verdicts: Verdicts,
    /// When it was planned, in seconds since 1970.
    pub at: u64,
    /// Ranges of other partitions of the topic that are written with it, as one. They are planned nowhere else: see
    /// [`Ledger::join`](crate::Ledger::join).
    pub joined: Vec<Joined>,
}

/// A range of another partition that is written with a planned one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Joined {
    /// Of the same topic.
    pub partition: i32,
    /// The offset of its first record.
    pub first: i64,
    /// The offset behind it.
    pub next: i64,
    /// What is left out of it.
    pub verdicts: Verdicts,
}

/// What a commit says besides its offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// None where nothing was ever planned, or an operator has set the offset.
    pub lineage: Option<Lineage>,
    /// Ascending, none within another. What lies between two of them is no record, or complete.
    pub ranges: Vec<Planned>,
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan `{word}` in the commit's metadata cannot be read; it was written by a later version, or by somebody else"
)]
pub struct PlanFault {
    word: String,
}

const LINEAGE: &str = "lineage";
const BUNDLES: &str = "bundles";
const RANGES: &str = "plan";
/// What stands before each range of another partition.
pub const JOIN: char = '+';

impl BundleId {
    /// Whatever version is deployed where the range is processed next, by an operator's word: it is planned anew with that one before
    /// anything of it is sent.
    pub const DEPLOYED: Self = Self(0);
}

impl Planned {
    /// Whether both are the same, whenever they were planned.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { first, next, bundle, verdicts, at: _, joined } = self;
        (first, next, bundle) == (&other.first, &other.next, &other.bundle)
            && (verdicts, joined) == (&other.verdicts, &other.joined)
    }
}

impl Plan {
    /// Reads the words of a commit's metadata, of which others are passed over. `offset` is the commit's.
    ///
    /// # Errors
    /// Where words of a plan are there, but say nothing that can be followed: nobody may guess what was sent.
    pub fn read(metadata: &str, offset: i64) -> Result<Self, PlanFault> {
        let (mut lineage, mut bundles, mut ranges) = (None, Vec::new(), Vec::new());
        for word in metadata.split(' ') {
            let fault = || PlanFault { word: word.chars().take(100).collect() };
            match word.split_once('=') {
                Some((LINEAGE, value)) => lineage = Some(value.parse().map_err(|()| fault())?),
                Some((BUNDLES, value)) => {
                    bundles =
                        value.split(',').map(BundleId::from_str).collect::<Result<_, _>>().map_err(|()| fault())?;
                }
                Some((RANGES, value)) => ranges = read_ranges(value, offset, &bundles).ok_or_else(fault)?,
                _ => {}
            }
        }
        match lineage {
            None if !ranges.is_empty() => Err(PlanFault { word: format!("{RANGES}= without {LINEAGE}=") }),
            lineage => Ok(Self { lineage, ranges }),
        }
    }

    /// As words of a commit's metadata, for a commit of `offset`; empty where there is nothing to say.
    pub fn write(&self, offset: i64) -> String {
        let Some(lineage) = self.lineage else { return String::new() };
        let mut text = format!("{LINEAGE}={lineage}");
        if self.ranges.is_empty() {
            return text;
        }
        let bundles: BTreeSet<_> = self.ranges.iter().map(|range| range.bundle).collect();
        let named: Vec<_> = bundles.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" {BUNDLES}={} {RANGES}=", named.join(",")));
        let mut before = offset;
        for (index, range) in self.ranges.iter().enumerate() {
            let Planned { first, next, bundle, verdicts, at, joined } = range;
            let separator = if index == 0 { "" } else { ";" };
            let bundle = bundles.iter().take_while(|other| *other != bundle).count();
            text.push_str(&format!("{separator}{}.{}.{bundle}.{at}{verdicts}", first - before, next - first));
            for Joined { partition, first, next, verdicts } in joined {
                text.push_str(&format!("{JOIN}{partition}.{first}.{}{verdicts}", next - first));
            }
            before = *next;
        }
        text
    }
}

fn read_ranges(text: &str, offset: i64, bundles: &[BundleId]) -> Option<Vec<Planned>> {
    let mut before = offset;
    text.split(';')
        .map(|range| {
            let mut all = range.split(JOIN);
            let mut parts = all.next()?.split('.');
            let first = before.checked_add(number(&mut parts)?)?;
            let next = first.checked_add(number(&mut parts)?)?;
            let bundle = *bundles.get(usize::try_from(number(&mut parts)?).ok()?)?;
            let at = u64::try_from(number(&mut parts)?).ok()?;
            let verdicts = Verdicts::read(&mut parts)?;
            before = next;
            let joined = all.map(read_joined).collect::<Option<_>>()?;
            (next > first).then_some(Planned { first, next, bundle, verdicts, at, joined })
        })
        .collect()
}

fn read_joined(text: &str) -> Option<Joined> {
    let mut parts = text.split('.');
    let partition = i32::try_from(number(&mut parts)?).ok()?;
    let first = number(&mut parts)?;
    let next = first.checked_add(number(&mut parts)?)?;
    let verdicts = Verdicts::read(&mut parts)?;
    (next > first).then_some(Joined { partition, first, next, verdicts })
}

fn number(parts: &mut std::str::Split<'_, char>) -> Option<i64> {
    parts.next()?.parse().ok().filter(|number| *number >= 0)
}

/// 32 hexadecimal digits, and nothing else.
fn read_hex(text: &str) -> Result<u128, ()> {
    let right = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if right { u128::from_str_radix(text, 16).map_err(|_| ()) } else { Err(()) }
}

impl FromStr for Lineage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        read_hex(text).map(Self)
    }
}

impl FromStr for BundleId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(first: i64, next: i64, bundle: u128) -> Planned {
        let verdicts = Verdicts::default();
        Planned { first, next, bundle: BundleId(bundle), verdicts, at: 1_795_000_000, joined: Vec::new() }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let mut poisoned = planned(120, 150, 9);
        poisoned.verdicts.poison = [3, 29].into();
        poisoned.verdicts.refuse(1, 4);
        let plan =
            Plan { lineage: Some(Lineage(7)), ranges: vec![planned(100, 120, 8), poisoned, planned(152, 160, 8)] };
        let text = plan.write(98);
        assert_eq!(
            text,
            "lineage=00000000000000000000000000000007 \
             bundles=00000000000000000000000000000008,00000000000000000000000000000009 \
             plan=2.20.0.1795000000;0.30.1.1795000000.pDa.r1:E;2.8.0.1795000000"
        );
        assert_eq!(Plan::read(&format!("tidegate/1 partitions=4 began=7 {text}"), 98), Ok(plan));
        let mut joining = planned(100, 120, 8);
        let joined = |partition, first, verdicts| Joined { partition, first, next: first + 9, verdicts };
        let left_out = Verdicts { poison: [1].into(), ..Verdicts::default() };
        joining.joined = vec![joined(3, 70_000, Verdicts::default()), joined(12, 0, left_out)];
        let joining = Plan { lineage: Some(Lineage(7)), ranges: vec![joining, planned(120, 130, 8)] };
        let text = joining.write(100);
        assert!(text.ends_with(" plan=0.20.0.1795000000+3.70000.9+12.0.9.pB;0.10.0.1795000000"), "{text}");
        assert_eq!(Plan::read(&text, 100), Ok(joining));
        let done = Plan { lineage: Some(Lineage(u128::MAX)), ranges: Vec::new() };
        assert_eq!(Plan::read(&done.write(5), 5), Ok(done));
    }

    #[test]
    fn commits_of_others_have_no_plan() {
        for metadata in ["", "tidegate/1 partitions=4 began=7", "whatever plans=3 somebody=else"] {
            assert_eq!(Plan::read(metadata, 5), Ok(Plan::default()), "{metadata}");
        }
        assert_eq!(Plan::default().write(5), "");
    }

    #[test]
    fn a_plan_that_cannot_be_followed_is_a_fault_and_not_passed_over() {
        let (lineage, bundle) = (Lineage(7), BundleId(8));
        for words in [
            "lineage=7".to_owned(),
            format!("lineage=+{}", &lineage.to_string()[1..]),
            format!("bundles={bundle} plan=0.5.0.1"),
            format!("lineage={lineage} plan=0.5.0.1"),
            format!("lineage={lineage} bundles={bundle} plan="),
            format!("lineage={lineage} bundles={bundle} plan=0.0.0.1"),
            format!("lineage={lineage} bundles={bundle} plan=-1.5.0.1"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.1.1"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.0.1.x"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.0.1+"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.0.1+2.7"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.0.1+2.7.0"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.0.1+2.7.3.x"),
            format!("lineage={lineage} bundles={bundle} plan=0.5.0.1+-2.7.3"),
            format!("lineage={lineage} bundles={bundle} plan=0.9223372036854775807.0.1"),
        ] {
            assert!(Plan::read(&words, 5).is_err(), "{words}");
        }
    }
}
