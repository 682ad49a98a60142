//! A live table's columns, and whether they take what a plugin writes.

use super::names::{qualified, quoted};
use crate::rows::{Column, ColumnType, ObjectColumns};
use crate::sink::{LeftOut, Mismatch, Problem};

/// A table as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveTable {
    /// By their names; none where there is no such table.
    pub columns: Vec<LiveColumn>,
}

/// A column as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct LiveColumn {
    /// Its name.
    pub name: String,
    #[serde(rename = "type")]
    /// Its type, as the server spells it.
    pub kind: String,
    /// DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL, or empty.
    pub default_kind: String,
    /// Behind it.
    pub default_expression: String,
    /// The table's, the same for all.
    pub engine: String,
    /// The table's, too.
    pub database: String,
}

impl LiveTable {
    /// The database that it is in; none where there is no such table.
    pub fn database(&self) -> Option<&str> {
        self.columns.first().map(|column| column.database.as_str())
    }

    fn column(&self, name: &str) -> Option<&LiveColumn> {
        self.columns.iter().find(|live| live.name == name)
    }

    /// What kind of table it is.
    pub fn engine(&self) -> Option<&str> {
        self.columns.first().map(|column| column.engine.as_str())
    }

    /// What it is, where it is nothing to write into.
    pub fn unsuitable(&self) -> Option<&'static str> {
        match self.engine()? {
            "View" => Some("a View, which takes no rows"),
            "Dictionary" => Some("a Dictionary, which takes no rows"),
            "Buffer" => Some("a Buffer, which forgets its rows in a crash; name the table behind it"),
            _ => None,
        }
    }

    /// Its columns that are not among those written.
    pub fn left_out(&self, written: &[Column]) -> Vec<LeftOut> {
        let others = self.columns.iter().filter(|live| written.iter().all(|column| column.name != live.name));
        others.map(|live| LeftOut { column: live.name.clone(), filled_by: live.filled_by() }).collect()
    }
}

impl LiveColumn {
    fn filled_by(&self) -> String {
        let Self { kind, default_kind, default_expression, .. } = self;
        match default_kind.as_str() {
            "" => format!("it gets what {kind} holds by default"),
            "DEFAULT" => format!("it gets its default {default_expression}"),
            "EPHEMERAL" => "it is EPHEMERAL and never stored".to_owned(),
            computed => format!("it is {computed} {default_expression}"),
        }
    }
}

/// The live type of every declared column, or what is wrong and the statements that would mend it.
///
/// `made_with` are the settings of a table that is to be made.
pub(super) fn compare(
    table: &str,
    columns: &[Column],
    live: &LiveTable,
    made_with: Option<&str>,
) -> Result<Vec<String>, Mismatch> {
    let mut kinds = Vec::with_capacity(columns.len());
    let mut problems = Vec::new();
    if live.columns.is_empty() {
        problems.push(missing(table, columns, made_with));
    } else if let Some(what) = live.unsuitable() {
        problems.push(Problem { column: None, problem: format!("it is {what}"), statement: None });
    } else {
        for column in columns {
            match compare_column(table, column, live.column(&column.name)) {
                Ok(kind) => kinds.push(kind),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() { Ok(kinds) } else { Err(Mismatch { table: table.to_owned(), problems }) }
}

fn missing(table: &str, columns: &[Column], made_with: Option<&str>) -> Problem {
    let described: Vec<_> = columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.kind)).collect();
    let settings = made_with.map(|settings| format!(" SETTINGS {settings}")).unwrap_or_default();
    let (name, described) = (qualified(table), described.join(", "));
    let create = format!("CREATE TABLE {name} ({described}) ENGINE = MergeTree ORDER BY tuple(){settings}");
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
        let statement = format!("ALTER TABLE {} ADD COLUMN {} {kind}", qualified(table), quoted(name));
        return Err(problem(format!("it has no column `{name}`"), Some(statement)));
    };
    if matches!(found.default_kind.as_str(), "MATERIALIZED" | "ALIAS") {
        let statement =
            format!("ALTER TABLE {} MODIFY COLUMN {} REMOVE {}", qualified(table), quoted(name), found.default_kind);
        let wrong = format!("its column `{name}` is {}, which takes no values", found.default_kind);
        return Err(problem(wrong, Some(statement)));
    }
    match found.kind.parse::<ColumnType>() {
        Ok(live) if kind.same_bytes(&live) => Ok(found.kind.clone()),
        _ => {
            let statement = format!("ALTER TABLE {} MODIFY COLUMN {} {kind}", qualified(table), quoted(name));
            let wrong = format!("its column `{name}` is {}, but the plugin writes {kind}", found.kind);
            Err(problem(wrong, Some(statement)))
        }
    }
}

/// In which columns a table is not any more what it was when objects for it were checked; a column that was added is no change
/// for them.
pub(super) fn changed(table: &str, before: &LiveTable, now: &LiveTable) -> Option<Mismatch> {
    let problem = |was: &LiveColumn| {
        let LiveColumn { name, kind, default_kind, .. } = was;
        let (problem, statement) = match now.column(name) {
            None => {
                let statement = format!("ALTER TABLE {} ADD COLUMN {} {kind}", qualified(table), quoted(name));
                (format!("its column `{name}` is gone"), Some(statement))
            }
            Some(now) if now.kind != *kind => {
                let statement = format!("ALTER TABLE {} MODIFY COLUMN {} {kind}", qualified(table), quoted(name));
                (format!("its column `{name}` is {} now", now.kind), Some(statement))
            }
            Some(now) if now.default_kind != *default_kind => {
                (format!("its column `{name}` is {} now", described(&now.default_kind)), None)
            }
            Some(_) => return None,
        };
        let was = format!("{problem} and was {kind} ({}) when the pipeline began", described(default_kind));
        Some(Problem { column: Some(name.clone()), problem: was, statement })
    };
    let problems: Vec<_> = before.columns.iter().filter_map(problem).collect();
    (!problems.is_empty()).then(|| Mismatch { table: table.to_owned(), problems })
}

fn described(default_kind: &str) -> &str {
    if default_kind.is_empty() { "without a default" } else { default_kind }
}

/// What JSON objects may hold for a table of these columns.
pub(super) fn object_columns(live: &[LiveColumn]) -> ObjectColumns {
    let mut columns = ObjectColumns::default();
    for LiveColumn { name, kind, default_kind, .. } in live {
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

    fn live(columns: &[(&str, &str, &str)]) -> LiveTable {
        let column = |(name, kind, default): &(&str, &str, &str)| LiveColumn {
            name: (*name).into(),
            kind: (*kind).into(),
            default_kind: (*default).into(),
            default_expression: if default.is_empty() { String::new() } else { "1".into() },
            engine: "MergeTree".into(),
            database: "shop".into(),
        };
        LiveTable { columns: columns.iter().map(column).collect() }
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
        let kinds = compare("t", &declared(&[("name", "String"), ("at", "DateTime64(3)")]), &live, None);
        assert_eq!(kinds, Ok(vec!["LowCardinality(String)".to_owned(), "DateTime64(3, 'UTC')".to_owned()]));
    }

    #[test]
    fn all_that_does_not_fit_is_said_at_once_with_the_statement_that_helps() {
        let live = live(&[("a", "Int64", ""), ("m", "UInt8", "MATERIALIZED")]);
        let columns = declared(&[("a", "UInt64"), ("b", "String"), ("m", "UInt8")]);
        let problem = compare("shop.t", &columns, &live, None).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "table `shop.t` does not fit the plugin: its column `a` is Int64, but the plugin writes UInt64; \
             ALTER TABLE `shop`.`t` MODIFY COLUMN `a` UInt64; \
             it has no column `b`; ALTER TABLE `shop`.`t` ADD COLUMN `b` String; \
             its column `m` is MATERIALIZED, which takes no values; \
             ALTER TABLE `shop`.`t` MODIFY COLUMN `m` REMOVE MATERIALIZED"
        );
        let nothing = LiveTable { columns: Vec::new() };
        let made =
            |made_with| compare("shop.t", &declared(&[("a", "UInt64")]), &nothing, made_with).unwrap_err().to_string();
        assert!(made(None).ends_with("CREATE TABLE `shop`.`t` (`a` UInt64) ENGINE = MergeTree ORDER BY tuple()"));
        assert!(made(Some("w = 7")).ends_with("ENGINE = MergeTree ORDER BY tuple() SETTINGS w = 7"));
    }

    #[test]
    fn columns_that_no_row_brings_are_told_with_what_they_hold() {
        let live = live(&[
            ("a", "Int8", ""),
            ("b", "Int8", ""),
            ("c", "Int8", "DEFAULT"),
            ("d", "Int8", "MATERIALIZED"),
            ("e", "Int8", "EPHEMERAL"),
        ]);
        let left_out: Vec<_> =
            live.left_out(&declared(&[("a", "Int8")])).into_iter().map(|one| one.filled_by).collect();
        assert_eq!(
            left_out,
            [
                "it gets what Int8 holds by default",
                "it gets its default 1",
                "it is MATERIALIZED 1",
                "it is EPHEMERAL and never stored"
            ]
        );
    }

    #[test]
    fn for_objects_a_column_that_went_or_became_another_is_a_change_and_a_new_one_is_none() {
        let before = live(&[("a", "Int8", ""), ("b", "Int8", ""), ("c", "Int8", "")]);
        assert_eq!(
            changed("t", &before, &live(&[("a", "Int8", ""), ("b", "Int8", ""), ("c", "Int8", ""), ("d", "Int8", "")])),
            None
        );
        let text = changed("t", &before, &live(&[("b", "String", ""), ("c", "Int8", "ALIAS")])).unwrap().to_string();
        for part in [
            "its column `a` is gone and was Int8 (without a default) when the pipeline began; ALTER TABLE `t` ADD COLUMN `a` Int8",
            "its column `b` is String now and was Int8",
            "ALTER TABLE `t` MODIFY COLUMN `b` Int8",
            "its column `c` is ALIAS now",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
