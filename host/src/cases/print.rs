//! An outcome as the lines of a case file that expect it, for an author to read and to paste.

use std::fmt::Write;

use super::fact::Fact;
use super::outcome::Outcome;

impl Outcome {
    /// `dropped`, then `[[rows]]` and `[[rejects]]`, as TOML. `dropped` belongs above a case's first table.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let Some(dropped) = self.dropped {
            let _ = writeln!(text, "dropped = {dropped}");
        }
        for (route, rows) in &self.rows {
            for row in rows {
                let _ = writeln!(text, "\n[[rows]]\nroute = {}", quoted(route));
                if let Some(record) = row.record {
                    let _ = writeln!(text, "record = {record}");
                }
                let _ = writeln!(text, "[rows.columns]");
                for (column, fact) in &row.columns {
                    let _ = writeln!(text, "{} = {}", key(column), value(fact));
                }
            }
        }
        for (record, reason) in &self.rejects {
            let _ = writeln!(text, "\n[[rejects]]\nrecord = {record}\nreason = {}", quoted(reason));
        }
        text
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { name.to_owned() } else { quoted(name) }
}

fn value(fact: &Fact) -> String {
    match fact {
        Fact::Text(text) => quoted(text),
        // TOML has no null and no numbers beyond 63 bits: what holds such is written as its JSON.
        Fact::Json { json, .. } => match toml::Value::try_from(json) {
            Ok(value) if !holds_null(json) => value.to_string(),
            _ => quoted(&json.to_string()),
        },
    }
}

fn holds_null(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.iter().any(holds_null),
        serde_json::Value::Object(members) => members.values().any(holds_null),
        _ => false,
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cases::Case;

    #[test]
    fn what_is_printed_is_read_back_as_the_same() {
        let mut outcome = Outcome { dropped: Some(1), ..Outcome::default() };
        let json = |json: serde_json::Value| Fact::Json { printed: json.to_string(), json };
        let column = |name: &str, fact| (name.to_owned(), fact);
        let columns = vec![
            column("price", Fact::Text("1.50".to_owned())),
            column("a \"b\"", Fact::Text("it's\n'''\"\"\"\\ \u{7f}".to_owned())),
            column("n", json(json!(-7))),
            column("list", json(json!([1, "a", {"b": true}]))),
            column("holes", json(json!([null, {"a": null}]))),
            column("large", json(json!(u64::MAX))),
        ];
        outcome.row("sale", Some(2), columns);
        outcome.row("sum", None, Vec::new());
        outcome.reject(0, "why 'not'");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.toml");
        let text = format!("{}\n[[records]]\n[[records]]\n[[records]]\n", outcome.to_toml());
        std::fs::write(&file, &text).unwrap();
        let read = Case::read(&file).unwrap().expected;
        assert_eq!(read.difference(&outcome), "", "{text}");
        assert!(text.contains("\nprice = \"1.50\"\n") && text.contains("\nn = -7\n"), "{text}");
    }
}
