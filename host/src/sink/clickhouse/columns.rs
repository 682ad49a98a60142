//! A live table's columns, and whether they take what a plugin writes.

use super::quoted;
use crate::rows::{Column, ColumnType, ObjectColumns};
use crate::sink::{Mismatch, Problem};

/// A column as the server has it.
#[derive(serde::Deserialize)]
pub(super) struct LiveColumn {
    /// Its name.
    pub name: String,
    #[serde(rename = "type")]
    /// Its type, as the server spells it.
    pub kind: String,
    /// DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL, or empty.
    pub default_kind: String,
}

/// The live type of every declared column, or what is wrong and the statements that would mend it.
pub(super) fn compare(table: &str, columns: &[Column], live: &[LiveColumn]) -> Result<Vec<String>, Mismatch> {
    let mut kinds = Vec::with_capacity(columns.len());
    let mut problems = Vec::new();
    if live.is_empty() {
        problems.push(missing(table, columns));
    } else {
        for column in columns {
            let found = live.iter().find(|live| live.name == column.name);
            match compare_column(table, column, found) {
                Ok(kind) => kinds.push(kind),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() { Ok(kinds) } else { Err(Mismatch { table: table.to_owned(), problems }) }
}

fn missing(table: &str, columns: &[Column]) -> Problem {
    let described: Vec<_> = columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.kind)).collect();
    let create = format!("CREATE TABLE {table} ({}) ENGINE = MergeTree ORDER BY tuple()", described.join(", "));
    Problem {
        column: None,
        problem: "it does not exist, or its user may not see it".to_owned(),
        // What emits objects does not know its columns.
        statement: (!columns.is_empty()).then_some(create),
    }
}

fn compare_column(table: &str, column: &Column, found: Option<&LiveColumn>) -> Result<String, Problem> {
    let Column { name, kind } = column;
    let problem =
        |problem: String, statement: Option<String>| Problem { column: Some(name.clone()), problem, statement };
    let Some(found) = found else {
        let statement = format!("ALTER TABLE {table} ADD COLUMN {} {kind}", quoted(name));
        return Err(problem(format!("it has no column `{name}`"), Some(statement)));
    };
    if matches!(found.default_kind.as_str(), "MATERIALIZED" | "ALIAS") {
        return Err(problem(format!("its column `{name}` is {}, which takes no values", found.default_kind), None));
    }
    match found.kind.parse::<ColumnType>() {
        Ok(live) if kind.same_bytes(&live) => Ok(found.kind.clone()),
        _ => {
            let statement = format!("ALTER TABLE {table} MODIFY COLUMN {} {kind}", quoted(name));
            let wrong = format!("its column `{name}` is {}, but the plugin writes {kind}", found.kind);
            Err(problem(wrong, Some(statement)))
        }
    }
}

/// What JSON objects may hold for a table of these columns.
pub(super) fn object_columns(live: &[LiveColumn]) -> ObjectColumns {
    let mut columns = ObjectColumns::default();
    for LiveColumn { name, kind, default_kind } in live {
        match default_kind.as_str() {
            "MATERIALIZED" | "ALIAS" => columns.add_closed(name, &format!("is {default_kind}")),
            _ => columns.add(name, kind),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(columns: &[(&str, &str, &str)]) -> Vec<LiveColumn> {
        let column = |(name, kind, default): &(&str, &str, &str)| LiveColumn {
            name: (*name).into(),
            kind: (*kind).into(),
            default_kind: (*default).into(),
        };
        columns.iter().map(column).collect()
    }

    fn declared(columns: &[(&str, &str)]) -> Vec<Column> {
        columns.iter().map(|(name, kind)| Column { name: (*name).into(), kind: kind.parse().unwrap() }).collect()
    }

    #[test]
    fn the_live_types_are_what_the_header_says() {
        let live = live(&[
            ("extra", "Map(String, String)", ""),
            ("at", "DateTime64(3, 'UTC')", ""),
            ("name", "LowCardinality(String)", "DEFAULT"),
        ]);
        let kinds = compare("t", &declared(&[("name", "String"), ("at", "DateTime64(3)")]), &live);
        assert_eq!(kinds, Ok(vec!["LowCardinality(String)".to_owned(), "DateTime64(3, 'UTC')".to_owned()]));
    }

    #[test]
    fn all_that_does_not_fit_is_said_at_once_with_the_statement_that_helps() {
        let live = live(&[("a", "Int64", ""), ("m", "UInt8", "MATERIALIZED")]);
        let problem =
            compare("shop.t", &declared(&[("a", "UInt64"), ("b", "String"), ("m", "UInt8")]), &live).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "table `shop.t` does not fit the plugin: its column `a` is Int64, but the plugin writes UInt64; \
             ALTER TABLE shop.t MODIFY COLUMN `a` UInt64; \
             it has no column `b`; ALTER TABLE shop.t ADD COLUMN `b` String; \
             its column `m` is MATERIALIZED, which takes no values"
        );
        assert!(
            compare("shop.t", &declared(&[("a", "UInt64")]), &[])
                .unwrap_err()
                .to_string()
                .contains("CREATE TABLE shop.t (`a` UInt64)")
        );
    }
}
