//! Which records of a transformed range are what a listener wants. The work of it is proportional to the range only where the
//! listener chose by key, row or drop.

use super::wanted::{Only, Wanted};
use crate::pipeline::{Chunk, RANGE_ORIGIN, RouteRows, Transformed};

/// The records that are wanted, ascending.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of so many.
    All(usize),
    /// Those.
    Some(Vec<usize>),
}

impl Found {
    pub fn len(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Some(records) => records.len(),
        }
    }

    pub fn get(&self, index: usize) -> Option<usize> {
        match self {
            Self::All(count) => Some(index).filter(|index| index < count),
            Self::Some(records) => records.get(index).copied(),
        }
    }
}

/// The records that are wanted. `route` is the index of the one that is wanted, if one is.
pub(super) fn records(transformed: &Transformed, wanted: &Wanted, route: Option<usize>) -> Found {
    let all = transformed.batch.records.len();
    let by_fate = match (wanted.only, route) {
        (None, None) => Found::All(all),
        (Some(Only::Rejects), route) => {
            let with_rows = route.map(|_| with_rows(transformed, route));
            let has_row = |record: &usize| with_rows.as_ref().is_none_or(|with| with.get(*record) == Some(&true));
            Found::Some(transformed.rejects.iter().map(|reject| reject.record).filter(has_row).collect())
        }
        (Some(Only::Rows) | None, route) => {
            let with_rows = with_rows(transformed, route);
            Found::Some((0..all).filter(|record| with_rows.get(*record) == Some(&true)).collect())
        }
        (Some(Only::Drops), _) => {
            let mut answered = with_rows(transformed, None);
            for reject in &transformed.rejects {
                if let Some(answered) = answered.get_mut(reject.record) {
                    *answered = true;
                }
            }
            Found::Some((0..all).filter(|record| answered.get(*record) == Some(&false)).collect())
        }
    };
    let Some(key) = &wanted.key else { return by_fate };
    let keys = &transformed.batch.records.keys;
    let has_key = |record: &usize| keys.get(*record) == Some(key.as_bytes());
    Found::Some(match by_fate {
        Found::All(all) => (0..all).filter(has_key).collect(),
        Found::Some(records) => records.into_iter().filter(has_key).collect(),
    })
}

/// Whether the range as a whole has rows that are wanted.
pub(super) fn range_rows(transformed: &Transformed, wanted: &Wanted, route: Option<usize>) -> bool {
    let by_fate = matches!(wanted.only, None | Some(Only::Rows)) && wanted.key.is_none();
    let of_range = |route: &RouteRows| {
        // They come with the last call of the plugin.
        route.chunks.last().is_some_and(|chunk| chunk.origins.contains(&RANGE_ORIGIN))
    };
    by_fate && routes(transformed, route).any(of_range)
}

/// For each record whether it has a row for the route, or for any.
fn with_rows(transformed: &Transformed, route: Option<usize>) -> Vec<bool> {
    let mut with = vec![false; transformed.batch.records.len()];
    for origin in routes(transformed, route).flat_map(|route| &route.chunks).flat_map(|chunk: &Chunk| &chunk.origins) {
        if let Some(with) = usize::try_from(*origin).ok().and_then(|origin| with.get_mut(origin)) {
            *with = true;
        }
    }
    with
}

fn routes(transformed: &Transformed, route: Option<usize>) -> impl Iterator<Item = &RouteRows> {
    let chosen = move |(index, _): &(usize, _)| route.is_none_or(|route| route == *index);
    transformed.routes.iter().enumerate().filter(chosen).map(|(_, rows)| rows)
}
