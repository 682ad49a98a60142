//! The rules of delivery, each of which can be broken, and the scenarios that they are tried in.

use crate::event::Fault;

/// One of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Nothing of a range is sent before the ledger releases it.
    PlanBeforeSend,
    /// A commit counts once it is answered, and not when it is sent.
    AwaitAnswer,
    /// A second commit waits for the answer to the first.
    OneOutstanding,
    /// A commit of unknown fate ends the membership.
    EndMembershipOnUnknown,
    /// A membership that was lost with a commit outstanding ends with all that its client still holds.
    EndMembershipOnLost,
    /// A revocation is answered once no commit is outstanding.
    AnswerRevocationAfterCommit,
    /// The same is kept where delivery is at least once: the next owner's may be exactly once.
    AtLeastOnceIsAsCareful,
    /// A range that was planned stays in the following commits.
    KeepPlannedRanges,
    /// A new owner processes what is planned before it closes ranges of its own.
    ReplayWhatIsPlanned,
    /// A replay uses the bundle of the plan.
    ReplayWithBundle,
    /// A replay leaves out what the plan leaves out, and nothing else.
    CarryVerdicts,
    /// The lineage of a commit is that of the next one.
    CarryLineage,
    /// An operator's reset leaves no lineage.
    ResetBeginsLineage,
    /// Routes have tokens of their own.
    TokenPerRoute,
    /// What is not planned has a lineage that nothing planned has.
    UnplannedHasOwnLineage,
    /// A range of which a table refused rows, and that was replayed or sent without an answer before, is complete only where the table was
    /// not altered since it was planned.
    AskWhetherAltered,
    /// Such a range is complete only where something of it was sent: its token keeps out what is on its way still.
    SpendToken,
    /// The row of a range says what was left out of it.
    FenceHoldsVerdicts,
    /// A changed verdict is planned before it is sent.
    PlanVerdicts,
    /// Dead letters appear with the commit that completes their range.
    LettersWithCommit,
    /// Offsets are read when no transaction is pending.
    ReadStable,
    /// The table remembers as many tokens as there are inserts that may be repeated.
    WideWindow,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 22] = [
        Rule::PlanBeforeSend,
        Rule::AwaitAnswer,
        Rule::OneOutstanding,
        Rule::EndMembershipOnUnknown,
        Rule::EndMembershipOnLost,
        Rule::AnswerRevocationAfterCommit,
        Rule::AtLeastOnceIsAsCareful,
        Rule::KeepPlannedRanges,
        Rule::ReplayWhatIsPlanned,
        Rule::ReplayWithBundle,
        Rule::CarryVerdicts,
        Rule::CarryLineage,
        Rule::ResetBeginsLineage,
        Rule::TokenPerRoute,
        Rule::UnplannedHasOwnLineage,
        Rule::AskWhetherAltered,
        Rule::SpendToken,
        Rule::FenceHoldsVerdicts,
        Rule::PlanVerdicts,
        Rule::LettersWithCommit,
        Rule::ReadStable,
        Rule::WideWindow,
    ];
}

/// What the plugin and the table make of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A row that is taken.
    Good,
    /// The plugin traps on it.
    Poison,
    /// The plugin may trap on it, or not.
    Flaky,
    /// The table never takes its row.
    Refused,
    /// The table takes its row or does not, as it was altered last.
    Fickle,
    /// There is none at this offset.
    Gap,
    /// A row by the first bundle; the second rejects it.
    Changed,
}

/// How the table tells what it has from what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// ClickHouse: rows are looked at first, then the token, of which it remembers so many.
    Tokens(usize),
    /// PostgreSQL: one row a range, in the transaction of the range's rows.
    Fence,
}

/// What is tried together.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The records, one an offset.
    pub log: &'static [Kind],
    /// The table.
    pub memory: Memory,
    /// How many routes lead to it; records take turns.
    pub routes: usize,
    /// Bytes for a plan.
    pub room: usize,
    /// How many records a range has at most.
    pub longest: i64,
    /// How many ranges are under way at most.
    pub under_way: usize,
    /// Whether it matters when ranges are made.
    pub makes_slowly: bool,
    /// What may go wrong, and how often.
    pub faults: &'static [(Fault, u8)],
    /// How much may go wrong in all.
    pub most_faults: u8,
    /// How many events in a row are tried, unless more are asked for.
    pub depth: usize,
    /// Whether the first record is planned already, by a gateway that is gone.
    pub begins_planned: bool,
    /// Whether it begins with delivery at least once.
    pub begins_at_least_once: bool,
}
