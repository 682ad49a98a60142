//! Rows that become something else than new rows: copied into a table of their own first, which ends with the transaction, and from there
//! by statements into where they belong. The statements keep to what Greenplum 6 has: neither ON CONFLICT nor MERGE.

use super::catalog::Server;
use super::quote::{identifier, qualified};
use crate::config::{Matching, Mode, PostgresSettings, STATEMENT_ROWS};
use crate::rows::{Column, nearest};
use crate::sink::Problem;
use crate::sink::postgres::mapping::may_be_null;

/// The table that rows are copied into.
pub const ROWS: &str = "pg_temp.tidegate_rows";

/// Its column with the number of a row within the range: of several rows for one the last counts.
pub const NUMBER: &str = "\"__tidegate_row\"";

/// What goes before the rows, and what follows them.
#[derive(Debug)]
pub struct Staging {
    /// For messages: "merge".
    pub what: String,
    /// Makes the table.
    pub before: String,
    /// Brings the rows to where they belong, and drops the table.
    pub behind: String,
}

/// A table that rows go into by way of a staging table.
pub struct Aim<'a> {
    /// Its name.
    pub table: &'a str,
    /// What the plugin writes.
    pub columns: &'a [Column],
    /// Its unique keys, each in the order of the names.
    pub keys: &'a [Vec<String>],
    /// Where it is.
    pub server: &'a Server,
}

impl Staging {
    /// What a mode needs; nothing where rows are simply inserted.
    ///
    /// # Errors
    /// All that does not add up.
    pub fn new(mode: &Mode, aim: &Aim<'_>, settings: &PostgresSettings) -> Result<Option<Self>, Vec<Problem>> {
        let (what, statements, distribution) = match mode {
            Mode::Insert => return Ok(None),
            Mode::Update(matching) => {
                aim.suits(matching)?;
                ("update".to_owned(), aim.update(matching).into_iter().collect(), &matching.columns[..])
            }
            Mode::Merge(matching) => {
                aim.suits(matching)?;
                ("merge".to_owned(), aim.merge(matching)?, &matching.columns[..])
            }
            Mode::Statement(name) => {
                let statement = statement(settings, name).map_err(|problem| vec![plain(problem)])?;
                let statement = statement.trim().trim_end_matches(';').replace(STATEMENT_ROWS, ROWS);
                (format!("statement `{name}`"), vec![statement], &[][..])
            }
        };
        let drop = format!("DROP TABLE {ROWS}");
        let behind = statements.into_iter().chain([drop]).collect::<Vec<_>>().join(";\n");
        Ok(Some(Self { what, before: aim.create(distribution), behind }))
    }
}

/// The statement of that name.
///
/// # Errors
/// That there is none.
pub fn statement<'s>(settings: &'s PostgresSettings, name: &str) -> Result<&'s str, String> {
    settings.statements.get(name).map(String::as_str).ok_or_else(|| {
        let known: Vec<_> = settings.statements.keys().map(String::as_str).collect();
        let hint = match (nearest(name, &known), known.is_empty()) {
            (Some(near), _) => format!("the nearest is \"{near}\""),
            (None, true) => "it has none".to_owned(),
            (None, false) => format!("it has \"{}\"", known.join("\", \"")),
        };
        format!("is \"{name}\", a statement that the sink's section `statements` does not have; {hint}")
    })
}

fn plain(problem: String) -> Problem {
    Problem { column: None, problem, statement: None }
}

impl Aim<'_> {
    /// Looks whether the columns that are named are there and tell rows apart.
    fn suits(&self, matching: &Matching) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let named = [("match", Some(&matching.columns)), ("update", matching.update.as_ref())];
        for (key, names) in named.into_iter().filter_map(|(key, names)| Some((key, names?))) {
            for name in names {
                let column = self.columns.iter().find(|column| column.name == *name);
                let problem = match column {
                    None => {
                        let known: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
                        let near = nearest(name, &known).map(|near| format!("; the nearest is `{near}`"));
                        let near = near.unwrap_or_else(|| format!("; it writes `{}`", known.join("`, `")));
                        format!("`{key}` names the column `{name}`, which the plugin does not write{near}")
                    }
                    Some(column) if key == "match" && may_be_null(&column.kind) => format!(
                        "`match` names the column `{name}`, which is {} and may be null: null is equal to nothing",
                        column.kind
                    ),
                    Some(_) => continue,
                };
                problems.push(Problem { column: Some(name.clone()), problem, statement: None });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn create(&self, distribution: &[String]) -> String {
        let distributed = match (self.server.greenplum, distribution) {
            (false, _) => String::new(),
            (true, []) => " DISTRIBUTED RANDOMLY".to_owned(),
            // Where rows of the table lie by the same columns, they are joined where they lie.
            (true, columns) => format!(" DISTRIBUTED BY ({})", list(columns, "")),
        };
        let columns: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
        format!(
            "CREATE TEMPORARY TABLE tidegate_rows ON COMMIT DROP AS SELECT {}, 0::bigint AS {NUMBER} FROM {} \
             WITH NO DATA{distributed}",
            list(&columns, ""),
            qualified(self.table)
        )
    }

    /// None where nothing is to be changed.
    fn update(&self, matching: &Matching) -> Option<String> {
        let others = self.columns.iter().map(|column| &column.name).filter(|name| !matching.columns.contains(name));
        let columns: Vec<_> = match &matching.update {
            Some(columns) => columns.iter().collect(),
            None => others.collect(),
        };
        let set = columns.iter().map(|name| format!("{0} = s.{0}", identifier(name))).collect::<Vec<_>>().join(", ");
        (!set.is_empty()).then(|| {
            format!(
                "UPDATE {} AS t SET {set} FROM {} AS s WHERE {}",
                qualified(self.table),
                last_of_each(matching),
                is_same(matching)
            )
        })
    }

    fn merge(&self, matching: &Matching) -> Result<Vec<String>, Vec<Problem>> {
        let table = qualified(self.table);
        let is_unique = self.keys.iter().any(|key| key.iter().all(|column| matching.columns.contains(column)));
        if !is_unique && !self.server.greenplum {
            return Err(vec![Problem {
                column: None,
                problem: format!(
                    "it has no unique key on {}, without which two partitions may add the same row at once",
                    list(&matching.columns, "")
                ),
                statement: Some(format!("CREATE UNIQUE INDEX ON {table} ({})", list(&matching.columns, ""))),
            }]);
        }
        // Tables of Greenplum often cannot have such a key: those who merge wait for each other then.
        let lock = (!is_unique).then(|| format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"));
        let columns: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
        let insert = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {} AS s WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {})",
            list(&columns, ""),
            list(&columns, "s."),
            last_of_each(matching),
            is_same(matching)
        );
        Ok(lock.into_iter().chain(self.update(matching)).chain([insert]).collect())
    }
}

fn list(columns: &[String], before: &str) -> String {
    columns.iter().map(|name| format!("{before}{}", identifier(name))).collect::<Vec<_>>().join(", ")
}

/// Of several rows that are the same the last.
fn last_of_each(Matching { columns, .. }: &Matching) -> String {
    let columns = list(columns, "");
    format!("(SELECT DISTINCT ON ({columns}) * FROM {ROWS} ORDER BY {columns}, {NUMBER} DESC)")
}

fn is_same(Matching { columns, .. }: &Matching) -> String {
    columns.iter().map(|name| format!("t.{0} = s.{0}", identifier(name))).collect::<Vec<_>>().join(" AND ")
}
