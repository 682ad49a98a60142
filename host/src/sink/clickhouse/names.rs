//! Names and texts within ClickHouse's statements.

/// `shop.sales` as two names in quotes.
pub(super) fn qualified(table: &str) -> String {
    table.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// A name, whatever it consists of.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text, whatever it consists of.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A table's database and its name, as texts within a question; the user's own database where the table is named without one.
pub(super) fn parted(table: &str) -> (String, String) {
    match table.split_once('.') {
        Some((database, name)) => (text(database), text(name)),
        None => ("currentDatabase()".to_owned(), text(table)),
    }
}
