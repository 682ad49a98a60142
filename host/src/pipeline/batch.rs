//! A batch: a range with its records and the identity of what processes it. All that later steps need travels in it.

use std::sync::Arc;

use sha2::Digest;
use tidegate_ledger::BundleId;
pub use tidegate_ledger::Lineage;

use super::budget::Permit;
use super::range::{Range, Records};
use crate::plugin::PluginHash;

/// What processes records, by hash: the same bundle makes the same rows of the same range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The plugin's file.
    pub plugin: PluginHash,
    /// The text that says all that decides rows: [`crate::bundles::Manifest`].
    pub settings: PluginHash,
}

/// What a sink may know a write by: the same for every try of the same rows, another for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(String);

/// A lineage that nobody has.
pub fn mint_lineage() -> Lineage {
    Lineage(rand::random())
}

impl Bundle {
    /// The name of it in a plan.
    pub fn id(&self) -> BundleId {
        let digest: [u8; 32] =
            sha2::Sha256::new().chain_update(self.plugin.0).chain_update(self.settings.0).finalize().into();
        BundleId(u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()))
    }
}

impl Token {
    /// The token of a range's rows for one route: a hash of lineage, partition, range and route.
    pub fn new(lineage: Lineage, range: &Range, route: usize) -> Self {
        let Range { topic, partition, first, next } = range;
        Self::hash(&format!("{:032x}/{topic}/{partition}/{first}/{next}/{route}", lineage.0))
    }

    /// The token of a part of the same rows, where they are too many for one insert. The first part goes under the token itself: rows that
    /// fit into one insert are their own first part.
    pub fn chunk(&self, number: usize) -> Self {
        if number == 0 { self.clone() } else { Self::hash(&format!("{}/{number}", self.0)) }
    }

    /// The token of the same rows where the table knows this one and has lost them.
    pub fn again(&self) -> Self {
        Self::hash(&format!("{}/again", self.0))
    }

    fn hash(named: &str) -> Self {
        let digest = sha2::Sha256::digest(named);
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A closed range on its way to the plugin.
#[derive(Debug)]
pub struct Batch {
    /// Its boundaries.
    pub range: Range,
    /// Its records, kept until the range is complete: the dead letters are made of them.
    pub records: Records,
    /// What makes its writes its own.
    pub lineage: Lineage,
    /// What processes it.
    pub bundle: Arc<Bundle>,
    /// Its share of the bytes that the pipeline may hold; given back when the batch is dropped.
    pub permit: Permit,
    /// Ranges of other partitions that are written with it: their records follow its own.
    pub joined: Vec<JoinedRange>,
}

/// A range whose records follow those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedRange {
    /// Its boundaries.
    pub range: Range,
    /// Where its records are among all of the batch.
    pub records: std::ops::Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_for_a_try_again_and_another_for_anything_else() {
        let range = Range { topic: "t".into(), partition: 1, first: 5, next: 9 };
        let token = |lineage, range: &Range, route| Token::new(Lineage(lineage), range, route);
        let one = token(7, &range, 0);
        assert_eq!(one, token(7, &range, 0));
        assert_eq!(one.as_str().len(), 32);
        let others = [
            token(8, &range, 0),
            token(7, &range, 1),
            token(7, &Range { topic: "u".into(), ..range.clone() }, 0),
            token(7, &Range { partition: 2, ..range.clone() }, 0),
            token(7, &Range { first: 4, ..range.clone() }, 0),
            token(7, &Range { next: 10, ..range.clone() }, 0),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn chunks_have_tokens_of_their_own_and_the_first_has_that_of_the_whole() {
        let range = Range { topic: "t".into(), partition: 1, first: 5, next: 9 };
        let (one, two) = (Token::new(Lineage(7), &range, 0), Token::new(Lineage(7), &range, 1));
        assert_eq!(one.chunk(0), one);
        assert_eq!(one.chunk(1), one.chunk(1));
        let tokens = [
            one.chunk(0),
            one.chunk(1),
            one.chunk(2),
            two.chunk(0),
            two.chunk(1),
            one.chunk(1).chunk(1),
            one.again(),
            one.again().chunk(1),
        ];
        assert_eq!(tokens.iter().map(Token::as_str).collect::<std::collections::HashSet<_>>().len(), tokens.len());
    }
}
