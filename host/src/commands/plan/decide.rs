//! `tidegate plan accept`, `force` and `abandon`: an operator's word on ranges that the gateway may not decide on.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tidegate_ledger::{BundleId, Joined, Plan, Planned, Verdicts};

use super::show::{in_a_line, in_words};
use super::{DecideArguments, PATIENCE};
use crate::kafka::{GroupCommit, KafkaSettings, Plans};
use crate::time::now;

/// What becomes of planned ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are written: the group goes on behind them, and what is planned there stays planned.
    Accept,
    /// The version that is deployed is to write them, under the tokens that they have.
    Force,
    /// The plan is given up, and they are read again as something else.
    Abandon,
}

/// The commit that takes the place of one, and what that does.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    commit: GroupCommit,
    /// The ranges that it is about.
    about: Vec<Planned>,
    /// What stays planned as it is.
    stays: Vec<Planned>,
}

/// Says what a decision would do, or does it.
pub fn decide(kafka: &KafkaSettings, arguments: &DecideArguments, decision: Decision) -> anyhow::Result<ExitCode> {
    let DecideArguments { group, partition, from, to, wait, yes, .. } = arguments;
    let named = partition.rsplit_once('/').and_then(|(topic, number)| Some((topic, number.parse::<i32>().ok()?)));
    let Some((topic, number)) = named else {
        bail!("`{partition}` is no partition; expected TOPIC/PARTITION, such as sales/3")
    };
    let plans = |patience| Plans::of(kafka, group, Instant::now() + patience).map_err(anyhow::Error::msg);
    if *yes {
        // Whoever leaves commits a last time: what is read before that is out of date.
        plans(*wait)?.wait_until_empty().map_err(anyhow::Error::msg)?;
    }
    let plans = plans(PATIENCE)?;
    let commits = plans.read(topic).map_err(anyhow::Error::msg)?.commits;
    let commit = commits.into_iter().find(|commit| commit.partition.partition == number);
    let commit = commit.with_context(|| format!("group `{group}` has no offset in {partition}"))?;
    let Some(decided) = decided(&commit, decision, (*from, *to))? else {
        println!("nothing is planned in {partition} behind offset {}", commit.offset);
        return Ok(ExitCode::SUCCESS);
    };
    print!("{}", decided.text(arguments, decision));
    if *yes {
        plans.set(&decided.commit).map_err(anyhow::Error::msg)?;
        println!("done: {partition} goes on at offset {}", decided.commit.offset);
    } else {
        println!("nothing was changed; the same with --yes does it");
    }
    Ok(ExitCode::SUCCESS)
}

/// The commit that takes the place of one; none where nothing is planned there. A plan that cannot be read can only be given up: nobody
/// knows how far it goes.
fn decided(
    commit: &GroupCommit,
    decision: Decision,
    (from, to): (Option<i64>, Option<i64>),
) -> anyhow::Result<Option<Decided>> {
    let plan = match (Plan::read(&commit.metadata, commit.offset), decision) {
        (Ok(plan), _) => plan,
        (Err(_), Decision::Abandon) => {
            let commit = GroupCommit { metadata: unplanned(&commit.metadata), ..commit.clone() };
            return Ok(Some(Decided { commit, about: Vec::new(), stays: Vec::new() }));
        }
        (Err(fault), Decision::Accept | Decision::Force) => bail!("{fault}; it can only be abandoned"),
    };
    let Some(first) = plan.ranges.first() else { return Ok(None) };
    if let Some(from) = from.filter(|from| *from != first.first) {
        bail!("--from is {from}, but the first planned range begins at {}: look at `tidegate plan show`", first.first);
    }
    let ends = || plan.ranges.iter().map(|range| range.next.to_string()).collect::<Vec<_>>().join(", ");
    let to = match (to, decision, plan.ranges.as_slice()) {
        (Some(to), ..) => to,
        (None, Decision::Abandon, [_, .., last]) => bail!(
            "{} ranges are planned, from offset {} to before {}, and a plan is given up as a whole, since what is read again has a lineage of its \
             own: rows of all of them that were written would be there twice. If that is meant, say --to {}. `tidegate plan force` has the first \
             alone written again, without writing twice",
            plan.ranges.len(),
            first.first,
            last.next,
            last.next
        ),
        (None, ..) => first.next,
    };
    let count = plan.ranges.iter().position(|range| range.next == to).map(|at| at + 1);
    let Some(count) = count else { bail!("--to is {to}, where no planned range ends; they end at {}", ends()) };
    let (mut about, stays) = (plan.ranges.clone(), plan.ranges.get(count..).unwrap_or_default().to_vec());
    about.truncate(count);
    let carried = unplanned(&commit.metadata);
    let with_plan = |offset: i64, ranges: Vec<Planned>| {
        let plan = Plan { lineage: plan.lineage, ranges };
        GroupCommit { offset, metadata: format!("{carried} {}", plan.write(offset)), ..commit.clone() }
    };
    if let (Decision::Abandon, Some(range)) = (decision, about.iter().find(|range| !range.joined.is_empty())) {
        bail!(
            "range {} to before {} is written with ranges of other partitions ({}), which nothing else names: given up here, they would be lost. \
             `tidegate plan force` has all of them written again, without writing twice; `tidegate plan accept` counts them as written, and \
             `tidegate replay --offsets` writes what is missing then",
            range.first,
            range.next,
            in_words(&range.joined)
        );
    }
    let commit = match decision {
        Decision::Accept => with_plan(to, stays.clone()),
        Decision::Force => {
            let at = now();
            let all_of = |joined: &Joined| Joined { verdicts: Verdicts::default(), ..joined.clone() };
            let anew = |range: &Planned| Planned {
                bundle: BundleId::DEPLOYED,
                verdicts: Verdicts::default(),
                at,
                joined: range.joined.iter().map(all_of).collect(),
                ..range.clone()
            };
            with_plan(commit.offset, about.iter().map(anew).chain(stays.iter().cloned()).collect())
        }
        Decision::Abandon if !stays.is_empty() => {
            bail!("--to is {to}, but a plan is given up as a whole; its ranges end at {}", ends())
        }
        Decision::Abandon => GroupCommit { metadata: carried, ..commit.clone() },
    };
    Ok(Some(Decided { commit, about, stays }))
}

/// A commit's metadata without what is planned.
fn unplanned(metadata: &str) -> String {
    let own = ["lineage=", "bundles=", "plan="];
    let others = metadata.split(' ').filter(|word| own.iter().all(|own| !word.starts_with(own)));
    others.collect::<Vec<_>>().join(" ")
}

impl Decided {
    fn text(&self, arguments: &DecideArguments, decision: Decision) -> String {
        let DecideArguments { group, partition, .. } = arguments;
        let offsets = match (self.about.first(), self.about.last()) {
            (Some(first), Some(last)) => format!("offsets {} to before {}", first.first, last.next),
            _ => format!("offset {} and behind", self.commit.offset),
        };
        let together = match self.about.iter().any(|range| !range.joined.is_empty()) {
            true => "; the same of the ranges that are written together with them",
            false => "",
        };
        let (what, doubled, lost) = match decision {
            Decision::Accept => (
                "counts as written",
                "nothing".to_owned(),
                format!(
                    "rows of {offsets} that are not in their tables, and the dead letters of these offsets{together}"
                ),
            ),
            Decision::Force => (
                "has the version that is deployed write",
                format!("nothing of {offsets} that its tables still know by its token"),
                format!(
                    "nothing, where none of it was written; where it was, those rows stay, and what the deployed version makes otherwise of {offsets} \
                     is not added"
                ),
            ),
            Decision::Abandon => (
                "gives up and reads again",
                format!("rows of {offsets} that are in their tables"),
                match self.about.is_empty() {
                    true => {
                        "ranges of other partitions, where the plan names any that are written with its own".to_owned()
                    }
                    false => "nothing".to_owned(),
                },
            ),
        };
        let mut text = format!("{partition} of group {group}\n");
        let mut line = |what: &str, value: &str| text.push_str(&format!("    {what:<39} {value}\n"));
        for range in &self.about {
            line(what, &in_a_line(range));
        }
        if self.about.is_empty() {
            line(what, "a plan that cannot be read");
        }
        for range in &self.stays {
            line("stays planned", &in_a_line(range));
        }
        line("may be there twice", &doubled);
        line("may be lost", &lost);
        text
    }
}

#[cfg(test)]
pub mod tests {
    use tidegate_ledger::Lineage;

    use super::*;
    use crate::kafka::TopicPartition;

    pub fn commit(metadata: &str) -> GroupCommit {
        let partition = TopicPartition { topic: "t".into(), partition: 3 };
        GroupCommit { partition, offset: 100, metadata: metadata.to_owned() }
    }

    fn range(first: i64, next: i64, bundle: u128) -> Planned {
        let (bundle, verdicts) = (BundleId(bundle), Verdicts::default());
        Planned { first, next, bundle, verdicts, at: 1_795_000_000, joined: Vec::new() }
    }

    /// Three ranges, of which the last leaves two records out.
    fn ranges() -> Vec<Planned> {
        let mut last = range(150, 170, 9);
        last.verdicts.poison = [3, 7].into();
        vec![range(100, 120, 8), range(120, 150, 8), last]
    }

    pub fn planned() -> String {
        let plan = Plan { lineage: Some(Lineage(7)), ranges: ranges() };
        format!("tidegate/1 partitions=4 began=7 {} txn=1234", plan.write(100))
    }

    const CARRIED: &str = "tidegate/1 partitions=4 began=7 txn=1234";

    fn of(decision: Decision, to: Option<i64>) -> Decided {
        decided(&commit(&planned()), decision, (None, to)).unwrap().unwrap()
    }

    /// What a commit says afterwards.
    fn plan(decided: &Decided) -> Plan {
        assert!(decided.commit.metadata.starts_with(CARRIED), "{}", decided.commit.metadata);
        Plan::read(&decided.commit.metadata, decided.commit.offset).unwrap()
    }

    #[test]
    fn the_first_range_alone_is_counted_as_written_and_the_others_stay_planned() {
        let accepted = of(Decision::Accept, None);
        assert_eq!(accepted.commit.offset, 120);
        assert_eq!(plan(&accepted), Plan { lineage: Some(Lineage(7)), ranges: ranges().split_off(1) });
        let accepted = of(Decision::Accept, Some(150));
        assert_eq!((accepted.commit.offset, accepted.about.len(), accepted.stays.len()), (150, 2, 1));
        assert_eq!(plan(&accepted).ranges, ranges().split_off(2));
        let accepted = of(Decision::Accept, Some(170));
        assert_eq!((accepted.commit.offset, plan(&accepted).ranges), (170, vec![]));
        assert_eq!(plan(&accepted).lineage, Some(Lineage(7)), "what is written later belongs to the same lineage");
    }

    #[test]
    fn the_first_range_alone_is_planned_anew_where_it_is_forced() {
        let forced = of(Decision::Force, None);
        let after = plan(&forced);
        assert_eq!((forced.commit.offset, after.lineage), (100, Some(Lineage(7))));
        assert_eq!(
            (after.ranges[0].first, after.ranges[0].next, after.ranges[0].bundle),
            (100, 120, BundleId::DEPLOYED)
        );
        assert!(after.ranges[0].at > 1_795_000_000, "a table that was altered before is no matter any more");
        assert_eq!(after.ranges[1..], ranges()[1..]);
        let after = plan(&of(Decision::Force, Some(170)));
        assert!(after.ranges.iter().all(|range| range.bundle == BundleId::DEPLOYED && range.verdicts.is_empty()));
    }

    #[test]
    fn a_plan_is_given_up_as_a_whole_and_only_where_that_is_said() {
        let refused = |to| decided(&commit(&planned()), Decision::Abandon, (None, to)).unwrap_err().to_string();
        assert!(refused(None).contains("3 ranges are planned, from offset 100 to before 170"), "{}", refused(None));
        assert!(refused(None).contains("say --to 170"));
        assert!(refused(Some(120)).contains("given up as a whole; its ranges end at 120, 150, 170"));
        let abandoned = of(Decision::Abandon, Some(170));
        assert_eq!((abandoned.commit.offset, &*abandoned.commit.metadata), (100, CARRIED));
        let one = Plan { lineage: Some(Lineage(7)), ranges: ranges().into_iter().take(1).collect() };
        let one = commit(&format!("{CARRIED} {}", one.write(100)));
        assert_eq!(decided(&one, Decision::Abandon, (None, None)).unwrap().unwrap().commit.metadata, CARRIED);
    }

    #[test]
    fn where_there_is_nothing_to_decide_nothing_is() {
        for decision in [Decision::Accept, Decision::Force, Decision::Abandon] {
            assert_eq!(decided(&commit(CARRIED), decision, (None, None)).unwrap(), None);
        }
        let other = decided(&commit(&planned()), Decision::Accept, (Some(120), Some(150))).unwrap_err();
        assert!(other.to_string().starts_with("--from is 120, but the first planned range begins at 100"), "{other}");
        let wrong = decided(&commit(&planned()), Decision::Accept, (Some(100), Some(130))).unwrap_err();
        assert_eq!(wrong.to_string(), "--to is 130, where no planned range ends; they end at 120, 150, 170");
        let unreadable = commit("tidegate/1 lineage=later");
        let abandoned = decided(&unreadable, Decision::Abandon, (None, None)).unwrap().unwrap();
        assert_eq!(abandoned.commit.metadata, "tidegate/1");
        for decision in [Decision::Accept, Decision::Force] {
            assert!(
                decided(&unreadable, decision, (None, None))
                    .unwrap_err()
                    .to_string()
                    .ends_with("it can only be abandoned")
            );
        }
    }

    #[test]
    fn what_is_lost_doubled_and_left_is_said() {
        let arguments = DecideArguments {
            config: "gateway.toml".into(),
            group: "g".into(),
            partition: "t/3".into(),
            from: None,
            to: None,
            wait: PATIENCE,
            yes: false,
        };
        let text = of(Decision::Accept, None).text(&arguments, Decision::Accept);
        for part in [
            "t/3 of group g\n    counts as written ",
            " 100 to before 120, planned 2026-11-18T11:06:40Z with bundle 00000000000000000000000000000008\n",
            "    stays planned                           120 to before 150, ",
            "    stays planned                           150 to before 170, ",
            "    may be there twice                      nothing\n",
            "    may be lost                             rows of offsets 100 to before 120 that are not in their tables, and the dead letters",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        let text = of(Decision::Abandon, Some(170)).text(&arguments, Decision::Abandon);
        assert!(text.contains("may be there twice                      rows of offsets 100 to before 170"), "{text}");
    }
}
