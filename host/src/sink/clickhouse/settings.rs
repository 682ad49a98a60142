//! The settings that travel with every insert, so that no profile of the server decides what the gateway promises.
//!
//! A token is looked up together with how the server cut the insert into blocks, and so is what a view makes of each block: were the same
//! rows cut otherwise the second time, they would be new rows. What decides on that was found by inserting the same rows under the same
//! token with one setting after the other changed in between (26.9). Where that showed nothing, what the manual says of a setting counts.

use std::collections::BTreeSet;

use clickhouse::Client;

use super::names::text;

/// A setting, its value, and what cannot be promised without it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pinned {
    name: &'static str,
    value: &'static str,
    /// Whether exactly once needs it. The others are of some versions only, which do without where they do not know them.
    needed: bool,
}

const fn needed(name: &'static str, value: &'static str) -> Pinned {
    Pinned { name, value, needed: true }
}

const fn where_known(name: &'static str, value: &'static str) -> Pinned {
    Pinned { name, value, needed: false }
}

/// The setting that makes an insert a known one.
pub(super) const TOKEN: &str = "insert_deduplication_token";

/// What any promise rests on: an answer means that the rows are in the table, on every node that they belong to, and in all of its views,
/// and rows whose head does not fit the table are refused.
const ALWAYS: [Pinned; 6] = [
    needed("async_insert", "0"),
    where_known("insert_distributed_sync", "1"),
    where_known("input_format_with_names_use_header", "1"),
    where_known("input_format_with_types_use_header", "1"),
    where_known("materialized_views_ignore_errors", "0"),
    where_known("ignore_materialized_views_with_dropped_target_table", "0"),
];

/// More rows than an insert ever has: each is one block, whatever its size in bytes. It is what the server takes by itself.
const BLOCK: &str = "1048449";

/// What makes a try again a known one.
const EXACTLY_ONCE: [Pinned; 15] = [
    // Whether tokens are looked at; the second has the last word where it is known.
    needed("insert_deduplicate", "1"),
    where_known("deduplicate_insert", "enable"),
    // Whether views and their targets look at them as well.
    needed("deduplicate_blocks_in_dependent_materialized_views", "1"),
    // How rows are cut into blocks when they are read,
    needed("max_insert_block_size", BLOCK),
    needed("max_block_size", "65409"),
    where_known("max_insert_block_size_bytes", "0"),
    where_known("input_format_max_block_size_bytes", "0"),
    where_known("input_format_parallel_parsing", "0"),
    // and put together before they are written, into the table and behind its views.
    needed("min_insert_block_size_rows", BLOCK),
    needed("min_insert_block_size_bytes", "0"),
    where_known("min_insert_block_size_rows_for_materialized_views", "0"),
    where_known("min_insert_block_size_bytes_for_materialized_views", "0"),
    where_known("use_strict_insert_block_limits", "0"),
    // Blocks and views one after the other, in an order that is always the same.
    needed("max_insert_threads", "1"),
    where_known("parallel_view_processing", "0"),
];

/// How objects are read: no error is passed over, nothing unknown is skipped, no null becomes a default, times may be ISO 8601.
const OBJECTS: [Pinned; 6] = [
    where_known("input_format_allow_errors_num", "0"),
    where_known("input_format_allow_errors_ratio", "0"),
    where_known("input_format_skip_unknown_fields", "0"),
    where_known("input_format_null_as_default", "0"),
    where_known("input_format_defaults_for_omitted_fields", "1"),
    where_known("date_time_input_format", "best_effort"),
];

/// For a clone that is thrown away: what it was given once it shall take again, alone or with others.
const CLONE: [Pinned; 2] = [where_known("insert_deduplicate", "0"), where_known("deduplicate_insert", "disable")];

/// The settings of a server, as far as it knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known(BTreeSet<String>);

impl Known {
    /// The question for them.
    pub fn query() -> String {
        let all = ALWAYS.iter().chain(&EXACTLY_ONCE).chain(&OBJECTS).map(|pinned| pinned.name).chain([TOKEN]);
        let names: Vec<_> = all.map(text).collect();
        format!("SELECT name FROM system.settings WHERE name IN ({})", names.join(", "))
    }

    /// These ones.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// The first that exactly once needs and the server does not know.
    pub fn lacks(&self) -> Option<&'static str> {
        let all = ALWAYS.iter().chain(&EXACTLY_ONCE).filter(|pinned| pinned.needed).map(|pinned| pinned.name);
        all.chain([TOKEN]).find(|name| !self.0.contains(*name))
    }

    /// Whether inserts may have tokens.
    pub fn has_tokens(&self) -> bool {
        self.0.contains(TOKEN)
    }

    /// A client that sends what any promise rests on.
    pub fn always(&self, client: Client) -> Client {
        self.pin(client, &ALWAYS)
    }

    /// The same for exactly once.
    pub fn exactly_once(&self, client: Client) -> Client {
        self.pin(client, &EXACTLY_ONCE)
    }

    /// The same where rows are objects.
    pub fn objects(&self, client: Client) -> Client {
        self.pin(client, &OBJECTS)
    }

    /// The same for a clone that is thrown away.
    pub fn clone_of_table(&self, client: Client) -> Client {
        self.pin(client, &CLONE)
    }

    fn pin(&self, client: Client, settings: &[Pinned]) -> Client {
        let known = settings.iter().filter(|pinned| self.0.contains(pinned.name));
        known.fold(client, |client, Pinned { name, value, .. }| client.with_setting(*name, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_does_not_know_is_not_sent_and_what_cannot_be_done_without_is_named() {
        let all = || ALWAYS.iter().chain(&EXACTLY_ONCE).map(|pinned| pinned.name.to_owned()).chain([TOKEN.to_owned()]);
        let known = Known::new(all());
        assert_eq!(known.lacks(), None);
        assert!(Known::query().contains("'async_insert', 'insert_distributed_sync'"), "{}", Known::query());
        let client = known.exactly_once(known.always(Client::default()));
        assert_eq!(client.get_setting("max_block_size"), Some("65409"));
        assert_eq!(client.get_setting("date_time_input_format"), None);

        let old = Known::new(all().filter(|name| name != "deduplicate_insert"));
        assert_eq!(old.lacks(), None);
        assert_eq!(old.exactly_once(Client::default()).get_setting("deduplicate_insert"), None);

        let older = Known::new(all().filter(|name| name != TOKEN));
        assert_eq!((older.lacks(), older.has_tokens()), (Some(TOKEN), false));
        assert_eq!(Known::default().lacks(), Some("async_insert"));
    }
}
