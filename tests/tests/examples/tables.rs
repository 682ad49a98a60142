//! The tables of the examples: what is asked of each, in the words of both databases, so that both answer the same lines.

use tidegate_demo::examples::Example;

/// A table and what of it is compared.
pub struct Table {
    pub name: &'static str,
    /// Fewer rows prove little.
    pub at_least: usize,
    columns: &'static [Column],
    /// The first columns, so many, whose rows are taken together; none where rows are compared as they are.
    grouped: usize,
}

/// A column, or an expression over columns, and how its values become text.
type Column = (&'static str, Kind);

#[derive(Clone, Copy)]
enum Kind {
    /// Both databases print it the same way.
    Plain,
    /// A time as milliseconds since 1970.
    Millis,
    /// A time as microseconds since 1970.
    Micros,
    /// A number with a fraction, as hundredths.
    Hundredths,
    /// A map of texts, as `key=value;` in the order of the keys' bytes.
    Map,
}

#[derive(Clone, Copy)]
pub enum Dialect {
    ClickHouse,
    Postgres,
}

use Kind::{Hundredths, Map, Micros, Millis, Plain};

const READINGS: Table = Table {
    name: "readings",
    at_least: 500,
    grouped: 0,
    columns: &[
        ("device", Plain),
        ("metric", Plain),
        ("time", Millis),
        ("value", Hundredths),
        ("note", Plain),
        ("_partition", Plain),
        ("_offset", Plain),
        ("_ordinal", Plain),
    ],
};

/// Where ranges end is not known beforehand, what all of them have together is.
const SUMMARIES: Table = Table {
    name: "summaries",
    // Forty devices in each of three partitions.
    at_least: 100,
    grouped: 3,
    columns: &[
        ("device", Plain),
        ("metric", Plain),
        ("_partition", Plain),
        ("sum(readings)", Plain),
        ("sum(out_of_range)", Plain),
        ("min(min)", Hundredths),
        ("max(max)", Hundredths),
        ("sum(mean * readings)", Hundredths),
    ],
};

const MESSAGES: Table = Table {
    name: "messages",
    at_least: 500,
    grouped: 0,
    columns: &[
        ("time", Micros),
        ("facility", Plain),
        ("severity", Plain),
        ("host", Plain),
        ("app", Plain),
        ("procid", Plain),
        ("msgid", Plain),
        ("structured_data", Map),
        ("message", Plain),
        ("format", Plain),
        ("_partition", Plain),
        ("_offset", Plain),
    ],
};

const PLAYBACK: Table = Table {
    name: "playback",
    at_least: 500,
    grouped: 0,
    columns: &[
        ("event_time", Millis),
        ("event", Plain),
        ("user_id", Plain),
        ("track_id", Plain),
        ("position_ms", Plain),
        ("platform", Plain),
        ("session_id", Plain),
        ("_partition", Plain),
        ("_offset", Plain),
    ],
};

const TASTE: Table = Table {
    name: "taste",
    at_least: 500,
    grouped: 0,
    columns: &[
        ("event_time", Millis),
        ("event", Plain),
        ("user_id", Plain),
        ("track_id", Plain),
        ("playlist_id", Plain),
        ("platform", Plain),
        ("session_id", Plain),
        ("_partition", Plain),
        ("_offset", Plain),
    ],
};

const PEOPLE: Table = Table {
    name: "people",
    at_least: 500,
    grouped: 0,
    columns: &[
        ("uuid", Plain),
        ("first_name", Plain),
        ("last_name", Plain),
        ("middle_name", Plain),
        ("timestamp", Millis),
        ("_partition", Plain),
        ("_offset", Plain),
    ],
};

const EVENTS: Table = Table {
    name: "events",
    at_least: 500,
    grouped: 0,
    columns: &[
        ("event_time", Millis),
        ("source", Plain),
        ("campaign_id", Plain),
        ("campaign", Plain),
        ("channel", Plain),
        ("events", Plain),
        ("amount", Hundredths),
        ("click_id", Plain),
        ("order_id", Plain),
        ("_partition", Plain),
        ("_offset", Plain),
    ],
};

/// The tables of an example.
pub fn of(example: Example) -> &'static [Table] {
    match example {
        Example::Sensors => &[READINGS, SUMMARIES],
        Example::Syslog => &[MESSAGES],
        Example::Music => &[PLAYBACK, TASTE],
        Example::People => &[PEOPLE],
        Example::Campaigns => &[EVENTS],
    }
}

impl Table {
    /// Asks for the rows in `database`, or in the schema of that name.
    pub fn query(&self, dialect: Dialect, database: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(column, kind)| kind.text(dialect, &quoted(column))).collect();
        let group: Vec<_> = self.columns.iter().take(self.grouped).map(|(column, _)| quoted(column)).collect();
        let group = if group.is_empty() { String::new() } else { format!(" GROUP BY {}", group.join(", ")) };
        format!("SELECT {} FROM {database}.{}{group}", columns.join(", "), self.name)
    }

    /// Asks for the names of the columns that there are.
    pub fn columns_in_clickhouse(&self, database: &str) -> String {
        let name = self.name;
        format!("SELECT name FROM system.columns WHERE database = '{database}' AND table = '{name}' ORDER BY position")
    }

    /// Whether these columns are all compared; of groups it is the expressions that say it.
    pub fn has_all(&self, columns: &[String]) -> bool {
        self.grouped > 0 || columns.iter().eq(self.columns.iter().map(|(column, _)| column))
    }
}

/// `time` and `timestamp` are words of SQL. An expression is none.
fn quoted(column: &str) -> String {
    if column.contains('(') { column.to_owned() } else { format!("\"{column}\"") }
}

impl Kind {
    fn text(self, dialect: Dialect, column: &str) -> String {
        match (self, dialect) {
            (Plain, _) => column.to_owned(),
            (Millis, Dialect::ClickHouse) => format!("toUnixTimestamp64Milli({column})"),
            (Millis, Dialect::Postgres) => format!("round(extract(epoch FROM {column}) * 1000)::bigint"),
            (Micros, Dialect::ClickHouse) => format!("toUnixTimestamp64Micro({column})"),
            (Micros, Dialect::Postgres) => format!("round(extract(epoch FROM {column}) * 1000000)::bigint"),
            (Hundredths, Dialect::ClickHouse) => format!("toInt64(round({column} * 100))"),
            (Hundredths, Dialect::Postgres) => format!("round({column} * 100)::bigint"),
            (Map, Dialect::ClickHouse) => format!(
                "arrayStringConcat(arrayMap(pair -> concat(pair.1, '=', pair.2, ';'), \
                 arraySort(arrayZip(mapKeys({column}), mapValues({column})))))"
            ),
            (Map, Dialect::Postgres) => format!(
                "coalesce((SELECT string_agg(key || '=' || value || ';', '' ORDER BY key COLLATE \"C\") \
                 FROM jsonb_each_text({column})), '')"
            ),
        }
    }
}
