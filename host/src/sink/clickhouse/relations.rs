//! A table with all that an insert into it reaches: its views, their targets, the views of those. As the server's own tables tell.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::names::{parted, quoted, text};
use super::server::Server;
use crate::sink::SinkFault;

/// A table's database and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub database: String,
    pub name: String,
}

/// A table or a view, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Relation {
    pub(super) database: String,
    pub(super) name: String,
    /// All zeros where the database gives none.
    pub(super) uuid: String,
    /// `ReplacingMergeTree`.
    pub engine: String,
    /// `ReplacingMergeTree(at) PARTITION BY ... SETTINGS ...`, without what is set for all tables.
    pub engine_full: String,
    /// Empty where there is none.
    pub partition_key: String,
    pub(super) create_table_query: String,
    pub(super) dependencies_database: Vec<String>,
    pub(super) dependencies_table: Vec<String>,
}

/// All that can be reached from a table, itself included; without what the user may not see.
#[derive(Clone, Debug, Default)]
pub(super) struct Relations(BTreeMap<Place, Relation>);

/// What is set for all tables of a server: a setting's name and its value.
pub(super) type Defaults = BTreeMap<String, String>;

/// Views of views of views: where more follow, they follow each other in a circle.
const DEEPEST: usize = 32;

impl Place {
    /// As a pipeline file would name it.
    pub fn shown(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.database), quoted(&self.name))
    }
}

impl Relation {
    /// Reads a table, named as in a pipeline file. None where it is not there.
    pub async fn read(server: &Server, action: &str, table: &str) -> Result<Option<Self>, SinkFault> {
        let (database, name) = parted(table);
        let found: Vec<Self> = server.ask(action, &query(&format!("database = {database} AND name = {name}"))).await?;
        Ok(found.into_iter().next())
    }

    pub fn place(&self) -> Place {
        Place { database: self.database.clone(), name: self.name.clone() }
    }

    /// The views that get what is inserted here.
    pub fn views(&self) -> impl Iterator<Item = Place> {
        let names = self.dependencies_database.iter().zip(&self.dependencies_table);
        names.map(|(database, name)| Place { database: database.clone(), name: name.clone() })
    }

    /// Where a materialized view writes; none for anything else. What follows `TO`, or a table that the server made for it.
    pub fn target(&self) -> Option<Place> {
        if self.engine != "MaterializedView" {
            return None;
        }
        let rest = self.create_table_query.strip_prefix("CREATE MATERIALIZED VIEW ")?;
        let (_, rest) = named(rest)?;
        if let Some((place, _)) =
            rest.strip_prefix(" TO ").filter(|rest| !rest.starts_with("INNER UUID")).and_then(named)
        {
            return Some(place);
        }
        let name = match self.uuid.chars().all(|digit| matches!(digit, '0' | '-')) {
            true => format!(".inner.{}", self.name),
            false => format!(".inner_id.{}", self.uuid),
        };
        Some(Place { database: self.database.clone(), name })
    }

    /// A setting that is the table's own.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let (_, settings) = self.engine_full.rsplit_once(" SETTINGS ")?;
        let mut settings = settings.split(", ").filter_map(|setting| setting.split_once(" = "));
        settings.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('\''))
    }
}

/// `database.name` at the beginning of a text, both in backquotes where they need them, and what follows.
fn named(text: &str) -> Option<(Place, &str)> {
    let (database, rest) = identifier(text)?;
    let (name, rest) = identifier(rest.strip_prefix('.')?)?;
    Some((Place { database, name }, rest))
}

fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    };
    let (mut name, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                name.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '`' => return Some((name, quoted.get(at + 1..)?)),
            _ => name.push(c),
        }
    }
    None
}

impl Relations {
    /// Reads a table, named as in a pipeline file, and all that it reaches. None where it is not there.
    pub async fn read(server: &Server, table: &str) -> Result<Option<(Place, Self)>, SinkFault> {
        let action = format!("read the views of table `{table}`");
        let Some(root) = Relation::read(server, &action, table).await? else { return Ok(None) };
        let place = root.place();
        let mut relations = Self::default();
        let mut asked = BTreeSet::from([place.clone()]);
        let mut next = relations.add(root);
        for _ in 0..DEEPEST {
            next.retain(|place| asked.insert(place.clone()));
            if next.is_empty() {
                break;
            }
            let names: Vec<_> =
                next.iter().map(|place| format!("({}, {})", text(&place.database), text(&place.name))).collect();
            let found: Vec<Relation> =
                server.ask(&action, &query(&format!("(database, name) IN ({})", names.join(", ")))).await?;
            next = found.into_iter().flat_map(|relation| relations.add(relation)).collect();
        }
        Ok(Some((place, relations)))
    }

    /// Adds one and says what follows it.
    fn add(&mut self, relation: Relation) -> Vec<Place> {
        let next = relation.views().chain(relation.target()).collect();
        self.0.insert(relation.place(), relation);
        next
    }

    /// The names of all of them.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.keys()
    }

    pub fn get(&self, place: &Place) -> Option<&Relation> {
        self.0.get(place)
    }

    /// What is set for all tables that are like these.
    pub async fn defaults(&self, server: &Server) -> Result<Defaults, SinkFault> {
        #[derive(Deserialize)]
        struct Setting {
            name: String,
            value: String,
        }
        let mut defaults = Defaults::new();
        // The replicated ones have settings of their own in some versions.
        let replicated = self.0.values().any(|relation| relation.engine.starts_with("Replicated"));
        for table in
            ["merge_tree_settings", "replicated_merge_tree_settings"].into_iter().take(1 + usize::from(replicated))
        {
            let query = format!("SELECT name, value FROM system.{table} WHERE name LIKE '%deduplication_window%'");
            let settings: Vec<Setting> = server.ask("read the settings of tables", &query).await?;
            defaults.extend(settings.into_iter().map(|Setting { name, value }| (name, value)));
        }
        Ok(defaults)
    }
}

#[cfg(test)]
impl Relations {
    pub fn of(relations: impl IntoIterator<Item = Relation>) -> Self {
        let mut all = Self::default();
        for relation in relations {
            all.add(relation);
        }
        all
    }
}

fn query(condition: &str) -> String {
    format!(
        "SELECT database, name, toString(uuid) AS uuid, engine, engine_full, partition_key, create_table_query, \
         dependencies_database, dependencies_table FROM system.tables WHERE {condition}"
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn place(name: &str) -> Place {
        Place { database: "shop".into(), name: name.into() }
    }

    /// A table with these views.
    pub fn table(name: &str, engine_full: &str, views: &[&str]) -> Relation {
        Relation {
            database: "shop".into(),
            name: name.into(),
            uuid: "428252ee-a23f-4b94-892d-18f85dcc8ae3".into(),
            engine: engine_full.split(['(', ' ']).next().unwrap().into(),
            engine_full: engine_full.into(),
            partition_key: if engine_full.contains("PARTITION BY") { "toYYYYMM(at)".to_owned() } else { String::new() },
            create_table_query: String::new(),
            dependencies_database: views.iter().map(|_| "shop".into()).collect(),
            dependencies_table: views.iter().map(|view| (*view).into()).collect(),
        }
    }

    /// A view that writes to this table.
    pub fn view(name: &str, target: &str) -> Relation {
        let create_table_query =
            format!("CREATE MATERIALIZED VIEW shop.{name} TO shop.{target} (`n` UInt64) AS SELECT n FROM shop.t");
        Relation { create_table_query, ..table(name, "MaterializedView", &[]) }
    }

    #[test]
    fn a_view_writes_where_it_says_or_into_its_own_table() {
        let of = |query: &str| Relation { create_table_query: query.into(), ..view("v", "t") }.target();
        let to = |database: &str, name: &str| Some(Place { database: database.into(), name: name.into() });
        assert_eq!(of("CREATE MATERIALIZED VIEW w.v TO w.rt (`n` UInt64) AS SELECT n FROM w.t"), to("w", "rt"));
        assert_eq!(of("CREATE MATERIALIZED VIEW w.`odd v\\`iew` TO `d b`.`a.b` AS SELECT 1"), to("d b", "a.b"));
        let inner = to("shop", ".inner_id.428252ee-a23f-4b94-892d-18f85dcc8ae3");
        assert_eq!(
            of("CREATE MATERIALIZED VIEW shop.v (`n` UInt64) ENGINE = MergeTree AS SELECT n FROM shop.a TO b"),
            inner
        );
        assert_eq!(of("CREATE MATERIALIZED VIEW shop.v TO INNER UUID '1' (`n` UInt64) ENGINE = MergeTree"), inner);
        let without = Relation { uuid: "00000000-0000-0000-0000-000000000000".into(), ..view("v", "t") };
        let without = Relation { create_table_query: "CREATE MATERIALIZED VIEW shop.v ENGINE = Log".into(), ..without };
        assert_eq!(without.target(), to("shop", ".inner.v"));
        assert_eq!(table("t", "MergeTree ORDER BY n", &[]).target(), None);
    }

    #[test]
    fn a_tables_own_settings_are_behind_its_engine() {
        let table = table(
            "t",
            "MergeTree ORDER BY s = ' SETTINGS a = 1' SETTINGS non_replicated_deduplication_window = 5, b = 'c'",
            &[],
        );
        assert_eq!(table.setting("non_replicated_deduplication_window"), Some("5"));
        assert_eq!(table.setting("b"), Some("c"));
        assert_eq!(table.setting("a"), None);
    }
}
