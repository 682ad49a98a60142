//! What a table, and every table behind its views, must remember of inserts so that none is ever taken for a new one: how many, for how
//! long. Pure.
//!
//! The window of a table counts parts. An insert is one part where the table has no partitions, else one for each partition that its rows
//! fall into. A view makes an insert into its target of every insert into its source.

use std::collections::BTreeMap;
use std::time::Duration;

use super::relations::{Defaults, Place, Relation, Relations};
use crate::sink::Problem;

/// How many inserts have to be told apart, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// As many may come between an insert and the last try of it, from all gateways.
    pub inserts: u64,
    /// Into how many parts each falls where there are partitions.
    pub parts_per_insert: u64,
    /// The time between an insert and the last try of it.
    pub outage: Duration,
}

/// Where a table keeps its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// In a log of its own: so many parts.
    Log,
    /// In Keeper, for all replicas: so many parts, and for so long.
    Keeper,
    Nowhere,
}

const FAMILY: [&str; 8] = [
    "MergeTree",
    "ReplacingMergeTree",
    "SummingMergeTree",
    "AggregatingMergeTree",
    "CollapsingMergeTree",
    "VersionedCollapsingMergeTree",
    "GraphiteMergeTree",
    "CoalescingMergeTree",
];

const LOG: &str = "non_replicated_deduplication_window";
const KEEPER: &str = "replicated_deduplication_window";
const KEEPER_SECONDS: &str = "replicated_deduplication_window_seconds";

/// What is said where nothing else would help.
const OR_ELSE: &str = "or delivery = \"at-least-once\"";

impl Demand {
    /// The setting that a table without partitions is to be made with.
    pub fn of_new_table(&self) -> String {
        format!("{LOG} = {}", self.inserts)
    }
}

/// All in which a table, and what its views write to, falls short; nothing where exactly once can be promised.
pub(super) fn shortfalls(root: &Place, relations: &Relations, defaults: &Defaults, demand: Demand) -> Vec<Problem> {
    let Search { reached, mut problems, .. } = Search::from(root, relations);
    for Reached { relation, by, inserts } in reached {
        let demand = Demand { inserts: demand.inserts.saturating_mul(inserts), ..demand };
        problems.extend(shortfall(relation, &by, defaults, demand));
    }
    problems
}

/// How many parts may have come to a table since some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    /// By the numbers of the table.
    pub of_table: u64,
    /// By those of each of its partitions.
    pub of_partitions: u64,
}

/// What may have forgotten an insert of some time, by what has come since then; none where all still know it.
pub(super) fn forgotten(
    root: &Place,
    relations: &Relations,
    defaults: &Defaults,
    came: &BTreeMap<Place, Came>,
    ago: Duration,
) -> Option<String> {
    let search = Search::from(root, relations);
    if let Some(problem) = search.problems.first() {
        return Some(problem.problem.clone());
    }
    search.reached.iter().find_map(|Reached { relation, by, .. }| {
        let memory = memory(&relation.engine);
        // Where there are no parts, none has come: or they were taken away, and what is remembered of them with them, on purpose.
        let came = came.get(&relation.place()).copied().unwrap_or_default();
        let (name, parts) = match memory {
            Memory::Log => (LOG, came.of_table),
            Memory::Keeper => (KEEPER, came.of_partitions),
            Memory::Nowhere => return Some(format!("{by} is a {}, {}", relation.engine, instead(relation))),
        };
        let remembered = setting(relation, defaults, name);
        // Some more may come until the insert does.
        if parts.saturating_add(parts / 10) >= remembered {
            return Some(format!("{by} remembers {remembered} parts, and up to {parts} have come since"));
        }
        let seconds = setting(relation, defaults, KEEPER_SECONDS);
        (memory == Memory::Keeper && ago.as_secs() >= seconds).then(|| format!("{by} remembers parts for {seconds} s"))
    })
}

/// A table that an insert reaches.
struct Reached<'r> {
    relation: &'r Relation,
    /// How it is called in a text.
    by: String,
    /// How many inserts into it one into the first table makes.
    inserts: u64,
}

struct Search<'r> {
    relations: &'r Relations,
    reached: Vec<Reached<'r>>,
    problems: Vec<Problem>,
}

/// How a table is reached.
enum Step<'s> {
    Named,
    Through(&'s Place),
}

impl<'r> Search<'r> {
    /// All that an insert into a table reaches.
    fn from(root: &Place, relations: &'r Relations) -> Self {
        let mut search = Self { relations, reached: Vec::new(), problems: Vec::new() };
        search.reach(root, Step::Named, &mut Vec::new());
        search
    }

    /// `path` are the tables before it: views that feed each other in a circle are followed once.
    fn reach(&mut self, place: &Place, step: Step<'_>, path: &mut Vec<Place>) {
        let by = match step {
            Step::Named => "it".to_owned(),
            Step::Through(view) => format!("`{}`, which its view `{}` writes to,", place.shown(), view.shown()),
        };
        let Some(relation) = self.relations.get(place) else {
            return self.hidden(&by);
        };
        match self.reached.iter_mut().find(|reached| reached.relation.place() == *place) {
            Some(reached) => reached.inserts = reached.inserts.saturating_add(1),
            None => self.reached.push(Reached { relation, by, inserts: 1 }),
        }
        if path.contains(place) {
            return;
        }
        path.push(place.clone());
        for view in relation.views() {
            match self.relations.get(&view).map(|found| (found, found.target())) {
                Some((_, Some(target))) => self.reach(&target, Step::Through(&view), path),
                Some((found, None)) => self.problem(format!(
                    "its view `{}` is a {}, which keeps no tokens of inserts; expected a MaterializedView, {OR_ELSE}",
                    view.shown(),
                    found.engine
                )),
                None => self.hidden(&format!("its view `{}`", view.shown())),
            }
        }
        path.pop();
    }

    fn hidden(&mut self, what: &str) {
        self.problem(format!(
            "{what} is not there or is not shown to its user, so nobody can tell whether it takes inserts twice; GRANT SHOW ON it, {OR_ELSE}"
        ));
    }

    fn problem(&mut self, problem: String) {
        let problem = Problem { column: None, problem, statement: None };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// What one table lacks.
fn shortfall(table: &Relation, by: &str, defaults: &Defaults, demand: Demand) -> Option<Problem> {
    let parts = if table.partition_key.is_empty() { 1 } else { demand.parts_per_insert };
    let count = demand.inserts.saturating_mul(parts);
    let needed: BTreeMap<&str, u64> = match memory(&table.engine) {
        Memory::Log => BTreeMap::from([(LOG, count)]),
        Memory::Keeper => {
            let seconds = demand.outage.as_secs() + u64::from(demand.outage.subsec_nanos() > 0);
            BTreeMap::from([(KEEPER, count), (KEEPER_SECONDS, seconds)])
        }
        Memory::Nowhere => {
            let problem = format!("{by} is a {}, {}; {OR_ELSE}", table.engine, instead(table));
            return Some(Problem { column: None, problem, statement: None });
        }
    };
    let has = |name: &str| setting(table, defaults, name);
    let short: Vec<_> = needed.into_iter().filter(|(name, least)| has(name) < *least).collect();
    if short.is_empty() {
        return None;
    }
    let wrong: Vec<_> =
        short.iter().map(|(name, least)| format!("{name} is {}, expected at least {least}", has(name))).collect();
    let each = if parts == 1 { String::new() } else { format!(" of {parts} parts each") };
    let problem = format!(
        "{by} forgets inserts too early for exactly once: {}, for {} inserts{each}; {OR_ELSE}",
        wrong.join(" and "),
        demand.inserts
    );
    let set: Vec<_> = short.iter().map(|(name, least)| format!("{name} = {least}")).collect();
    let statement = format!("ALTER TABLE {} MODIFY SETTING {}", table.place().quoted(), set.join(", "));
    Some(Problem { column: None, problem, statement: Some(statement) })
}

/// A number that is set for a table.
fn setting(table: &Relation, defaults: &Defaults, name: &str) -> u64 {
    let value = table.setting(name).or(defaults.get(name).map(String::as_str));
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn memory(engine: &str) -> Memory {
    let replicated = engine.strip_prefix("Replicated").or(engine.strip_prefix("Shared"));
    match replicated {
        Some(family) if FAMILY.contains(&family) => Memory::Keeper,
        None if FAMILY.contains(&engine) => Memory::Log,
        _ => Memory::Nowhere,
    }
}

/// What would be right in place of a table that remembers nothing.
fn instead(table: &Relation) -> String {
    const FAMILY: &str = "expected an engine of the MergeTree family";
    match table.engine.as_str() {
        "Distributed" => {
            // Distributed('cluster', 'database', 'table', ...)
            let mut names = table.engine_full.split('\'').skip(3).step_by(2);
            let behind = names.next().zip(names.next()).map(|(database, name)| format!(" `{database}.{name}`"));
            format!("which hands rows on without a token; name the table{} behind it", behind.unwrap_or_default())
        }
        "Buffer" => "which forgets its rows in a crash; name the table behind it".to_owned(),
        "MaterializedView" => match table.target() {
            Some(target) => format!("which is no table; name the table `{}` behind it", target.shown()),
            None => format!("which is no table; {FAMILY}"),
        },
        "Null" => format!("which keeps nothing, and its views get every insert anew; {FAMILY}"),
        _ => format!("which keeps no tokens of inserts; {FAMILY}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::relations::tests::{place, table, view};
    use super::*;

    const DEMAND: Demand = Demand { inserts: 7260, parts_per_insert: 10, outage: Duration::from_secs(3600) };
    const ENOUGH: &str =
        "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 7260, index_granularity = 8192";

    fn found(
        relations: impl IntoIterator<Item = Relation>,
        defaults: &[(&str, &str)],
    ) -> Vec<(String, Option<String>)> {
        let defaults = defaults.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let found = shortfalls(&place("t"), &Relations::of(relations), &defaults, DEMAND);
        found.into_iter().map(|Problem { problem, statement, .. }| (problem, statement)).collect()
    }

    #[test]
    fn a_window_that_is_too_small_is_told_with_the_statement_that_makes_it_large_enough() {
        assert_eq!(found([table("t", ENOUGH, &[])], &[]), []);
        assert_eq!(found([table("t", "MergeTree ORDER BY n", &[])], &[(LOG, "7260")]), []);
        for (engine, is) in [
            ("MergeTree ORDER BY n", 0),
            ("SummingMergeTree SETTINGS non_replicated_deduplication_window = 7259", 7259),
        ] {
            assert_eq!(
                found([table("t", engine, &[])], &[(LOG, "0")]),
                [(
                    format!(
                        "it forgets inserts too early for exactly once: non_replicated_deduplication_window is {is}, expected at \
                         least 7260, for 7260 inserts; or delivery = \"at-least-once\""
                    ),
                    Some("ALTER TABLE `shop`.`t` MODIFY SETTING non_replicated_deduplication_window = 7260".to_owned())
                )]
            );
        }
    }

    #[test]
    fn a_table_with_partitions_needs_room_for_the_parts_of_an_insert() {
        let found = found(
            [table("t", "MergeTree PARTITION BY m SETTINGS non_replicated_deduplication_window = 7260", &[])],
            &[],
        );
        let [(problem, Some(statement))] = &found[..] else { panic!("{found:?}") };
        assert!(problem.contains("expected at least 72600, for 7260 inserts of 10 parts each"), "{problem}");
        assert!(statement.ends_with(" = 72600"), "{statement}");
    }

    #[test]
    fn every_target_of_a_view_counts_and_counts_as_often_as_it_is_fed() {
        // t -> a -> c, t -> b -> c, c -> c.
        let tables = [
            table("t", ENOUGH, &["ta", "tb"]),
            view("ta", "a"),
            view("tb", "b"),
            table("a", ENOUGH, &["ac"]),
            table("b", ENOUGH, &["bc"]),
            view("ac", "c"),
            view("bc", "c"),
            table("c", ENOUGH, &["cc"]),
            view("cc", "c"),
        ];
        let found = found(tables, &[]);
        let [(problem, Some(statement))] = &found[..] else { panic!("{found:?}") };
        assert!(problem.starts_with("`shop.c`, which its view `shop.ac` writes to, forgets"), "{problem}");
        // Two ways from the first table, and once more from itself for each.
        assert_eq!(statement, "ALTER TABLE `shop`.`c` MODIFY SETTING non_replicated_deduplication_window = 29040");
    }

    #[test]
    fn a_replicated_table_needs_the_time_as_well() {
        let engine = "ReplicatedReplacingMergeTree('/a', 'b') ORDER BY n";
        let keeper = |count, seconds| [(KEEPER, count), (KEEPER_SECONDS, seconds)];
        assert_eq!(found([table("t", engine, &[])], &keeper("10000", "3600")), []);
        let found = found([table("t", engine, &[])], &keeper("10000", "3599"));
        let [(_, Some(statement))] = &found[..] else { panic!("{found:?}") };
        assert_eq!(statement, "ALTER TABLE `shop`.`t` MODIFY SETTING replicated_deduplication_window_seconds = 3600");
    }

    #[test]
    fn what_remembers_nothing_is_refused_with_what_would_be_right() {
        for (engine, part) in [
            ("Memory", "it is a Memory, which keeps no tokens of inserts; expected an engine of the MergeTree family"),
            ("Log", "it is a Log"),
            ("Null", "it is a Null, which keeps nothing"),
            ("Buffer('shop', 'a')", "name the table behind it"),
            (
                "Distributed('c', 'shop', 'sales_local', rand())",
                "name the table `shop.sales_local` behind it; or delivery",
            ),
            ("ReplicatedMergeTreeOfTheFuture", "keeps no tokens"),
        ] {
            let found = found([table("t", engine, &[])], &[]);
            assert!(found.len() == 1 && found[0].0.contains(part) && found[0].1.is_none(), "{engine}: {found:?}");
        }
        let of_view = found([view("t", "a"), table("a", ENOUGH, &[])], &[]);
        assert!(
            of_view.iter().any(|(problem, _)| problem.contains("name the table `shop.a` behind it")),
            "{of_view:?}"
        );
    }

    #[test]
    fn a_view_or_a_target_that_cannot_be_seen_is_not_taken_for_right() {
        for tables in [vec![table("t", ENOUGH, &["v"])], vec![table("t", ENOUGH, &["v"]), view("v", "a")]] {
            let found = found(tables, &[]);
            assert!(found.len() == 1 && found[0].0.contains("is not there or is not shown to its user"), "{found:?}");
        }
        let mut window = view("v", "a");
        window.engine = "WindowView".into();
        let found = found([table("t", ENOUGH, &["v"]), window], &[]);
        assert!(found[0].0.contains("its view `shop.v` is a WindowView"), "{found:?}");
    }
}
