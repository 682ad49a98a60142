//! Which rows a table refuses, found without touching it.
//!
//! The rows go into a table that is like it, with its columns and what they are computed from, its constraints, its keys and its TTL, and
//! without its views; it is thrown away afterwards. All rows are tried that nothing is said against, until they pass together. A server that
//! refuses them may name a row: where that one fails alone, it is to blame, and what comes of the others has been tried meanwhile. Otherwise the rows are halved until those that fail stand
//! alone. Where none does, as with rows of more partitions than one insert may have, the shortest beginning that fails is looked for, whose
//! last row is to blame.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::chunks::bytes;
use super::classify::classify_insert;
use super::form::Declared;
use super::names::{quoted, text};
use super::relations::Relation;
use super::server::Server;
use super::table::ClickHouseTable;
use crate::pipeline::Span;
use crate::sink::{Blamed, SinkFault, Write};

/// For some five hundred bad rows, where the server names them, or eighty among fifty thousand where it does not. Where there are more,
/// somebody has to look at the plugin or the table.
const MOST_TRIES: usize = 1_000;
/// As long, whatever a try takes: the range waits meanwhile, and so do those behind it.
const LONGEST: Duration = Duration::from_secs(120);
/// Where none of so many rows passes alone, from all over the write, the table refuses them all, and no row is to blame.
const SPREAD: usize = 32;

/// How the names of clones begin. What follows is when they were made, in seconds of Unix time, and something random.
const CLONE: &str = "tidegate_blame_";
/// A clone that is older was left behind by a gateway that ended within its search.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Finds the rows of a write that its table refuses.
pub(super) async fn blame(table: &ClickHouseTable, write: Write<'_>) -> Result<Vec<Blamed>, SinkFault> {
    let Declared { server, name, .. } = &table.declared;
    let _turn = server.inserts.take(write.tenant).await;
    let action = format!("look for the rows that table `{name}` refuses");
    let original = Relation::read(server, &action, name).await?;
    let original = original.ok_or_else(|| SinkFault::Unavailable(format!("{action}: it is not there any more")))?;
    remove_left_behind(server, &action, &original).await?;
    let clone = make(server, &action, &original).await?;
    let mut search = Search {
        table,
        action: action.clone(),
        clone: clone.clone(),
        rows: write,
        tries: AtomicUsize::default(),
        blamed: Vec::new(),
        until: Instant::now() + LONGEST,
    };
    let mut found = Ok(());
    for span in write.rows.inserts().filter(|span| !span.is_empty()) {
        if found.is_ok() {
            found = search.search(span).await;
        }
    }
    // Whatever came of it; what cannot be dropped now is dropped with the next search.
    if let Err(fault) = server.run(&action, &format!("DROP TABLE IF EXISTS {clone}")).await {
        tracing::warn!(clone, %fault, "a table that was made to look for bad rows is left behind");
    }
    found?;
    search.blamed.sort_by_key(|blamed| blamed.row);
    Ok(search.blamed)
}

/// Drops the clones of gateways that did not come to do it.
async fn remove_left_behind(server: &Server, action: &str, original: &Relation) -> Result<(), SinkFault> {
    #[derive(Deserialize)]
    struct Found {
        name: String,
    }
    let (database, beginning) = (text(&original.place().database), text(CLONE));
    let query = format!("SELECT name FROM system.tables WHERE database = {database} AND startsWith(name, {beginning})");
    let found: Vec<Found> = server.ask(action, &query).await?;
    let oldest = since_epoch().saturating_sub(LEFT_BEHIND);
    for Found { name } in found.into_iter().filter(|found| made(&found.name).is_some_and(|made| made < oldest)) {
        let place = format!("{}.{}", quoted(&original.place().database), quoted(&name));
        server.run(action, &format!("DROP TABLE IF EXISTS {place}")).await?;
        tracing::info!(table = place, "dropped what a search for bad rows had left behind");
    }
    Ok(())
}

/// Makes a clone. Returns its name as it stands in statements.
async fn make(server: &Server, action: &str, original: &Relation) -> Result<String, SinkFault> {
    let engine = engine(original).ok_or_else(|| {
        SinkFault::Refused(format!(
            "{action}: rows of a {} cannot be looked for in a copy of it; expected a table of the MergeTree family",
            original.engine
        ))
    })?;
    let (place, user) = (original.place(), &server.settings.user);
    let name = format!("{CLONE}{}_{:08x}", since_epoch().as_secs(), rand::random::<u32>());
    let clone = format!("{}.{}", quoted(&place.database), quoted(&name));
    let create = format!("CREATE TABLE {clone} AS {} ENGINE = {engine}", place.quoted());
    server.run(action, &create).await.map_err(|fault| match fault {
        SinkFault::Refused(refusal) => SinkFault::Refused(format!(
            "{refusal}; rows are looked for in a copy of the table, for which user `{user}` needs: \
             GRANT CREATE TABLE, DROP TABLE, INSERT ON {}.{CLONE}* TO {user} (or ON {}.*, before ClickHouse 24.10)",
            quoted(&place.database),
            quoted(&place.database)
        )),
        other => other,
    })?;
    Ok(clone)
}

/// The engine of a clone: what the table has, without its replicas. None where a clone would write into the same place, or nowhere.
fn engine(original: &Relation) -> Option<String> {
    const SIMPLE: [&str; 4] = ["Memory", "Log", "TinyLog", "StripeLog"];
    let full = &original.engine_full;
    if SIMPLE.contains(&original.engine.as_str()) {
        return Some(full.clone());
    }
    if !original.engine.ends_with("MergeTree") {
        return None;
    }
    let Some(alone) = full.strip_prefix("Replicated").or(full.strip_prefix("Shared")) else {
        return Some(full.clone());
    };
    // ReplicatedReplacingMergeTree('/path', 'replica', version) ORDER BY ...
    let (family, rest) = alone.split_at(alone.find("MergeTree")? + "MergeTree".len());
    let Some(arguments) = rest.strip_prefix("('") else { return Some(alone.to_owned()) };
    let (_, arguments) = arguments.split_once("', '")?;
    let (_, arguments) = arguments.split_once('\'')?;
    Some(format!("{family}({}", arguments.strip_prefix(", ").unwrap_or(arguments)))
}

/// When a clone of this name was made.
fn made(name: &str) -> Option<Duration> {
    let (seconds, _) = name.strip_prefix(CLONE)?.split_once('_')?;
    seconds.parse().ok().map(Duration::from_secs)
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

struct Search<'s> {
    table: &'s ClickHouseTable,
    action: String,
    /// The clone's name as it stands in statements.
    clone: String,
    rows: Write<'s>,
    tries: AtomicUsize,
    blamed: Vec<Blamed>,
    until: Instant,
}

/// Rows that are still to be looked at.
#[derive(Debug)]
struct Part {
    span: Span,
    is: Half,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// Whose right half is below it.
    Left,
    Right,
    /// It fails: since it was tried, or since the whole fails and its left half does not.
    Fails,
}

impl Search<'_> {
    /// Finds the rows to blame of one insert.
    async fn search(&mut self, span: Span) -> Result<(), SinkFault> {
        let mut refused = self.try_rows(&self.kept(&span)).await?;
        if let Some(reason) = refused.as_ref().filter(|_| span.len() > SPREAD) {
            self.find_good_one(&span, reason).await?;
        }
        while let Some(reason) = refused {
            let kept = self.kept(&span);
            if let Some(place) = named_row(&reason).filter(|place| *place < count(&kept)) {
                let (row, others) = (part(&kept, place..place + 1), without(&kept, place));
                // It is to blame nearly always: what comes of the others without it is asked at the same time.
                let (alone, of_others) = tokio::try_join!(self.try_rows(&row), self.try_rows(&others))?;
                if let (Some(reason), Some(row)) = (alone, row.first()) {
                    self.blamed.push(Blamed { row: row.start, reason });
                    refused = of_others;
                    continue;
                }
            }
            let before = self.blamed.len();
            self.halve(&kept).await?;
            if self.blamed.len() == before {
                self.blame_last(&kept, reason).await?;
            }
            refused = self.try_rows(&self.kept(&span)).await?;
        }
        Ok(())
    }

    /// Makes sure that the table takes some of the rows, which says that others are to blame.
    async fn find_good_one(&self, span: &Span, reason: &str) -> Result<(), SinkFault> {
        for place in 0..SPREAD {
            let row = span.start + span.len() * place / SPREAD + span.len() / (2 * SPREAD);
            if self.try_rows(std::slice::from_ref(&(row..row + 1))).await?.is_none() {
                return Ok(());
            }
        }
        Err(self.given_up(&format!("none of {SPREAD} rows passes alone: the table refuses them all: {reason}")))
    }

    async fn try_alone(&mut self, row: &[Span]) -> Result<(), SinkFault> {
        if let (Some(reason), Some(row)) = (self.try_rows(row).await?, row.first()) {
            self.blamed.push(Blamed { row: row.start, reason });
        }
        Ok(())
    }

    /// Finds the rows that fail alone, among some that fail.
    async fn halve(&mut self, kept: &[Span]) -> Result<(), SinkFault> {
        // By their places among the rows that are kept. The first ones are on top, each left half on its right one.
        let mut open = vec![Part { span: 0..count(kept), is: Half::Fails }];
        while let Some(Part { span, is }) = open.pop() {
            let rows = part(kept, span.clone());
            if span.len() == 1 {
                let before = self.blamed.len();
                self.try_alone(&rows).await?;
                if self.blamed.len() > before {
                    continue;
                }
            }
            if span.len() == 1 || is != Half::Fails && self.try_rows(&rows).await?.is_none() {
                // The whole failed, and not for this half of it.
                if let (Half::Left, Some(right)) = (is, open.last_mut()) {
                    right.is = Half::Fails;
                }
                continue;
            }
            let middle = span.start + span.len() / 2;
            open.push(Part { span: middle..span.end, is: Half::Right });
            open.push(Part { span: span.start..middle, is: Half::Left });
        }
        Ok(())
    }

    /// Blames the last row of the shortest beginning that fails, of rows that fail together, for this reason.
    async fn blame_last(&mut self, kept: &[Span], mut reason: String) -> Result<(), SinkFault> {
        let (mut passes, mut fails) = (0, count(kept));
        while fails - passes > 1 {
            let middle = passes + (fails - passes) / 2;
            match self.try_rows(&part(kept, 0..middle)).await? {
                None => passes = middle,
                Some(refused) => (fails, reason) = (middle, refused),
            }
        }
        self.blamed.extend(part(kept, passes..fails).first().map(|last| Blamed { row: last.start, reason }));
        Ok(())
    }

    /// Why the clone refuses these rows; none where it takes them.
    async fn try_rows(&self, spans: &[Span]) -> Result<Option<String>, SinkFault> {
        if spans.is_empty() {
            return Ok(None);
        }
        if self.tries.load(Ordering::Relaxed) >= MOST_TRIES || Instant::now() >= self.until {
            let first = self.blamed.first().map(|blamed| format!(": {}", blamed.reason)).unwrap_or_default();
            return Err(self.given_up(&format!("there are too many{first}")));
        }
        self.tries.fetch_add(1, Ordering::Relaxed);
        let Declared { server, known, name, .. } = &self.table.declared;
        let form = self.table.form();
        let client = known.clone_of_table(form.client.clone());
        let pieces: Vec<Bytes> = spans.iter().flat_map(|span| bytes(self.rows.rows, span)).collect();
        match form.send(&client, &self.clone, pieces, server.settings.timeout).await {
            Ok(()) => Ok(None),
            Err(fault) => match classify_insert(&format!("table `{name}`"), &fault) {
                // Nobody but the server knows the clone.
                SinkFault::Rows(reason) => Ok(Some(reason.replace(&self.clone.replace('`', ""), name))),
                other => Err(other),
            },
        }
    }

    /// The rows of an insert that nothing is said against.
    fn kept(&self, span: &Span) -> Vec<Span> {
        let mut blamed: Vec<_> = self.blamed.iter().map(|blamed| blamed.row).filter(|row| span.contains(row)).collect();
        blamed.sort_unstable();
        let (mut kept, mut from) = (Vec::new(), span.start);
        for row in blamed.into_iter().chain([span.end]) {
            if from < row {
                kept.push(from..row);
            }
            from = row + 1;
        }
        kept
    }

    fn given_up(&self, why: &str) -> SinkFault {
        let Self { action, tries, blamed, .. } = self;
        let (tries, found) = (tries.load(Ordering::Relaxed), blamed.len());
        SinkFault::Refused(format!(
            "{action}: mend the table or the plugin; the search ended after {tries} tries and {found} rows, since {why}"
        ))
    }
}

fn count(spans: &[Span]) -> usize {
    spans.iter().map(Span::len).sum()
}

/// Some of these rows, by their places among them.
fn part(spans: &[Span], places: Span) -> Vec<Span> {
    let (mut part, mut before) = (Vec::new(), 0);
    for span in spans {
        let from = span.start + places.start.saturating_sub(before).min(span.len());
        let to = span.start + places.end.saturating_sub(before).min(span.len());
        if from < to {
            part.push(from..to);
        }
        before += span.len();
    }
    part
}

/// These rows but for one, by its place among them.
fn without(spans: &[Span], place: usize) -> Vec<Span> {
    let mut others = part(spans, 0..place);
    others.extend(part(spans, place + 1..count(spans)));
    others
}

/// The place of the row that a refusal names, among those that were tried.
fn named_row(reason: &str) -> Option<usize> {
    let (_, rest) = reason.split_once("at row ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::relations::tests::table;
    use super::*;

    #[test]
    fn a_clone_never_is_where_the_table_is() {
        let of = |full: &str| engine(&table("t", full, &[]));
        let plain = "ReplacingMergeTree(at) PARTITION BY m ORDER BY n SETTINGS index_granularity = 8192";
        assert_eq!(of(plain).as_deref(), Some(plain));
        assert_eq!(of("Memory").as_deref(), Some("Memory"));
        assert_eq!(
            of("ReplicatedReplacingMergeTree('/a/{shard}', '{replica}', at) ORDER BY n").as_deref(),
            Some("ReplacingMergeTree(at) ORDER BY n")
        );
        assert_eq!(of("ReplicatedMergeTree('/a', 'b') ORDER BY n").as_deref(), Some("MergeTree() ORDER BY n"));
        assert_eq!(of("ReplicatedMergeTree ORDER BY n").as_deref(), Some("MergeTree ORDER BY n"));
        assert_eq!(
            of("SharedSummingMergeTree('/a', 'b', (x, y)) ORDER BY n").as_deref(),
            Some("SummingMergeTree((x, y)) ORDER BY n")
        );
        for elsewhere in
            ["Distributed('c', 'd', 't')", "Buffer('d', 't')", "MaterializedView", "Kafka()", "Null", "S3('x')"]
        {
            assert_eq!(of(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_clone_tells_when_it_was_made() {
        assert_eq!(made("tidegate_blame_1700000000_00ff00ff"), Some(Duration::from_secs(1_700_000_000)));
        for other in ["tidegate_blame_", "tidegate_blame_x_1", "tidegate_blame_12", "sales"] {
            assert_eq!(made(other), None, "{other}");
        }
    }

    #[test]
    fn a_part_is_cut_across_spans() {
        assert_eq!(part(&[2..4, 6..9], 0..3), [2..4, 6..7]);
        assert_eq!(part(&[2..4, 6..9], 1..5), [3..4, 6..9]);
        assert_eq!(part(&[2..4, 6..9], 2..3), std::slice::from_ref(&(6..7)));
        assert!(part(std::slice::from_ref(&(2..4)), 2..9).is_empty());
        assert_eq!(without(&[2..4, 6..9], 0), [3..4, 6..9]);
        assert_eq!(without(&[2..4, 6..9], 3), [2..4, 6..7, 8..9]);
        assert_eq!(without(&[2..3, 6..7], 1), std::slice::from_ref(&(2..3)));
    }

    #[test]
    fn a_refusal_may_name_its_row() {
        assert_eq!(named_row("Constraint `c` for table y.t is violated at row 2. Expression: (n < 10)"), Some(1));
        assert_eq!(named_row("Cannot parse JSON object here: (at row 17)\n: While executing"), Some(16));
        for other in ["Division by zero", "at row 0", "at row x"] {
            assert_eq!(named_row(other), None, "{other}");
        }
    }
}
