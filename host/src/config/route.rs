//! The routes of a pipeline file: the table that the rows of each go to, and what becomes of them there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::section::{Section, shown};

/// A table of a sink, written `SINK:TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// A name under `[sinks]` in the gateway's file.
    pub sink: String,
    /// As the sink calls it: `shop.sales`.
    pub table: String,
}

/// What becomes of rows in their table. The words are those of gpload and the Greenplum Streaming Server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each is a new row.
    #[default]
    Insert,
    /// The rows that match it get its values; nothing comes of a row that none matches.
    Update(Matching),
    /// As `Update`, and a row that none matches is a new row.
    Merge(Matching),
    /// Whatever a statement of the gateway's own file makes of them, by its name.
    Statement(String),
}

/// Which rows of a table a row stands for, and what it changes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Columns that are equal in both; at least one.
    pub columns: Vec<String>,
    /// Columns that get the row's values; all others of the plugin's columns where the file says nothing.
    pub update: Option<Vec<String>>,
}

type Routes = (BTreeMap<String, Target>, BTreeMap<String, Mode>);

/// Reads `[routes]`: the target of each route, and the mode of those that say one.
pub(super) fn read(section: &Section<'_>) -> Option<Routes> {
    let entries = section.entries();
    if entries.is_empty() {
        section.fault("", "is empty; expected lines such as sale = \"dwh:shop.sales\"");
    }
    let (mut targets, mut modes) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in entries {
        if value.as_table().is_some() {
            let Some(route) = section.section_named(name) else { continue };
            let (target, mode) = (target(&route), mode(&route));
            targets.extend(target.map(|target| (name.to_owned(), target)));
            modes.extend(mode.map(|mode| (name.to_owned(), mode)));
            continue;
        }
        match value.as_str().map(str::parse) {
            Some(Ok(target)) => _ = targets.insert(name.to_owned(), target),
            _ => section.fault(name, format!("is {}; {EXPECTED}", shown(value))),
        }
    }
    Some((targets, modes))
}

const EXPECTED: &str = "expected a sink and a table, such as \"dwh:shop.sales\"";

fn target(route: &Section<'_>) -> Option<Target> {
    let text = route.required_string("table", "\"dwh:shop.sales\"")?;
    let target = text.parse();
    if target.is_err() {
        route.fault("table", format!("is \"{text}\"; {EXPECTED}"));
    }
    target.ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Insert,
    Update,
    Merge,
}

fn mode(route: &Section<'_>) -> Option<Mode> {
    let word = route.choice("mode", &[("insert", Word::Insert), ("update", Word::Update), ("merge", Word::Merge)]);
    let (columns, update) = (columns(route, "match"), columns(route, "update"));
    let statement = route.string("statement");
    if let Some(statement) = statement {
        for key in ["mode", "match", "update"].into_iter().filter(|key| route.has(key)) {
            route.fault(key, "stands beside `statement`, which says by itself what becomes of the rows");
        }
        return Some(Mode::Statement(statement.to_owned()));
    }
    if !matches!(word, Some(Word::Update | Word::Merge)) {
        // A word that is none is told already.
        let is_insert = word.is_some() || !route.has("mode");
        for key in ["match", "update"].into_iter().filter(|key| is_insert && route.has(key)) {
            route.fault(key, "is looked at only with mode = \"update\" or mode = \"merge\"");
        }
        return None;
    }
    if !route.has("match") {
        route.fault("match", "is missing; expected the columns by which rows are the same, such as match = [\"id\"]");
    }
    let columns = columns?;
    if columns.is_empty() {
        route.fault("match", "is empty; expected the columns by which rows are the same, such as match = [\"id\"]");
    }
    for column in update.iter().flatten().filter(|column| columns.contains(column)) {
        route.fault(
            "update",
            format!("names `{column}`, which `match` names too: where rows match it is equal already"),
        );
    }
    if word == Some(Word::Update) && update.as_ref().is_some_and(Vec::is_empty) {
        route.fault("update", "is empty, so that nothing comes of a row; expected columns such as [\"price\"]");
    }
    let matching = Matching { columns, update };
    Some(if word == Some(Word::Merge) { Mode::Merge(matching) } else { Mode::Update(matching) })
}

/// A list of columns, each once.
fn columns(route: &Section<'_>, key: &'static str) -> Option<Vec<String>> {
    let names = route.strings(key)?;
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|other| other == name) {
            route.fault(key, format!("names `{name}` twice"));
        }
    }
    Some(names.into_iter().map(str::to_owned).collect())
}

impl Mode {
    /// As the file says it.
    pub fn name(&self) -> &str {
        match self {
            Self::Insert => "insert",
            Self::Update(_) => "update",
            Self::Merge(_) => "merge",
            Self::Statement(name) => name,
        }
    }
}

impl FromStr for Target {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (sink, table) = text.split_once(':').ok_or(())?;
        let right = !sink.is_empty() && !table.is_empty();
        right.then(|| Self { sink: sink.to_owned(), table: table.to_owned() }).ok_or(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sink, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn routes(text: &str) -> Result<Routes, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let routes = Document::read(file.path(), |top| read(&top.section("routes")?));
        routes.map_err(|faults| faults.to_string())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_route_is_a_line_or_a_section_with_its_mode() {
        let (targets, modes) = routes(
            "[routes]\na = \"dwh:shop.a\"\nb = { table = \"dwh:shop.b\", mode = \"insert\" }\n\
             [routes.c]\ntable = \"dwh:shop.c\"\nmode = \"merge\"\nmatch = [\"id\", \"day\"]\nupdate = [\"price\"]\n\
             [routes.d]\ntable = \"dwh:shop.d\"\nmode = \"update\"\nmatch = [\"id\"]\n\
             [routes.e]\ntable = \"dwh:shop.e\"\nstatement = \"upsert\"\n",
        )
        .unwrap();
        let tables: Vec<_> = targets.values().map(|target| target.table.as_str()).collect();
        assert_eq!(tables, ["shop.a", "shop.b", "shop.c", "shop.d", "shop.e"]);
        let merge = Matching { columns: names(&["id", "day"]), update: Some(names(&["price"])) };
        let update = Matching { columns: names(&["id"]), update: None };
        let modes: Vec<_> = modes.into_iter().collect();
        assert_eq!(
            modes,
            [
                ("c".to_owned(), Mode::Merge(merge)),
                ("d".to_owned(), Mode::Update(update)),
                ("e".to_owned(), Mode::Statement("upsert".to_owned()))
            ]
        );
    }

    #[test]
    fn modes_that_do_not_add_up_are_told_with_what_would_be_right() {
        let faults = routes(
            "[routes]\na = 7\n[routes.b]\nmode = \"upsert\"\nmatch = [\"id\"]\n\
             [routes.c]\ntable = \"c\"\nmode = \"merge\"\nupdate = [\"x\", \"x\"]\n\
             [routes.d]\ntable = \"s:d\"\nmatch = [\"id\"]\n\
             [routes.e]\ntable = \"s:e\"\nmode = \"update\"\nmatch = []\nupdate = []\n\
             [routes.f]\ntable = \"s:f\"\nmode = \"merge\"\nmatch = [\"id\"]\nupdate = [\"id\"]\n\
             [routes.g]\ntable = \"s:g\"\nmode = \"merge\"\nstatement = \"x\"\nkey = 1\n",
        )
        .unwrap_err();
        for part in [
            "`routes.a`: is 7; expected a sink and a table",
            "`routes.b.table`: is missing; for example table = \"dwh:shop.sales\"",
            "`routes.b.mode`: is \"upsert\"; expected \"insert\" or \"update\" or \"merge\"",
            "`routes.c.table`: is \"c\"; expected a sink and a table",
            "`routes.c.match`: is missing; expected the columns by which rows are the same",
            "`routes.c.update`: names `x` twice",
            "`routes.d.match`: is looked at only with mode = \"update\" or mode = \"merge\"",
            "`routes.e.match`: is empty",
            "`routes.e.update`: is empty",
            "`routes.f.update`: names `id`, which `match` names too",
            "`routes.g.mode`: stands beside `statement`",
            "`routes.g.key`: is not a known key",
        ] {
            assert!(faults.contains(part), "{part} is not in:\n{faults}");
        }
    }
}
