//! Names and texts inside of statements, whatever stands in them.

/// A name, case and all.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.table` or `table`, each part quoted.
pub fn qualified(table: &str) -> String {
    match table.split_once('.') {
        Some((schema, name)) => format!("{}.{}", identifier(schema), identifier(name)),
        None => identifier(table),
    }
}

/// A text; as an escape string, which every server reads in the same way.
pub fn text(value: &str) -> String {
    format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_end_names_and_texts() {
        assert_eq!(qualified("Shop.a\"b"), "\"Shop\".\"a\"\"b\"");
        assert_eq!(text("it's \\"), "E'it''s \\\\'");
    }
}
