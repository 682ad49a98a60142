//! What can happen.

use std::fmt;

/// One step. Owners are numbered; ranges are named by their first offset; commits and inserts by their place among those on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A process joins the group.
    Join(usize),
    /// The group does without a member that it has not heard of.
    Expire(usize),
    /// An owner reads where its partition begins, and what is planned.
    Begin(usize),
    /// It closes a range up to an offset.
    Close(usize, i64),
    /// It passes over an offset without a record.
    Skip(usize),
    /// It closes the next range that is planned.
    CloseAgain(usize),
    /// The guest runs; what is flaky traps or does not.
    Make(usize, i64, bool),
    /// A range becomes two.
    Halve(usize, i64),
    /// A commit is stamped and sent.
    Commit(usize),
    /// The client keeps it and sends it when it can.
    Defer(usize),
    /// It can.
    SendDeferred(usize),
    /// The client sends it a second time, since a connection broke.
    Resend(usize),
    /// A commit reaches the broker, and its answer the owner.
    Deliver(usize),
    /// The answer is lost.
    DeliverUnheard(usize),
    /// The broker has a commit of a transaction that is not ended.
    Hold(usize),
    /// The transaction is ended.
    EndTransaction(bool),
    /// An owner cannot wait longer for the answer to a commit.
    GiveUp(usize),
    /// It sends rows.
    Insert(usize, i64, u16),
    /// They reach the table, and the answer the owner.
    Land(usize),
    /// The answer is lost.
    LandUnheard(usize),
    /// It cannot wait longer for the answer.
    TimeOut(usize, i64, u16),
    /// It gives the partition back.
    AnswerRevocation(usize),
    /// It hears that the group did without it.
    HearLost(usize),
    /// It goes on.
    Thaw(usize),
    Crash(usize),
    Freeze(usize),
    Alter,
    Swap,
    SwitchPromise,
    Reset,
}

/// What may go wrong, or is done by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process ends.
    Crash,
    /// A process stands still, for longer than its session.
    Freeze,
    /// The partition goes to another member.
    Rebalance,
    /// An answer to a commit is lost, or late.
    Commit,
    /// A commit waits in the client.
    Defer,
    /// A connection breaks behind a commit.
    Break,
    /// A transaction stays open.
    Hold,
    /// An answer to an insert is lost, or late.
    Insert,
    /// The table takes other rows than before.
    Alter,
    /// Another bundle takes over.
    Swap,
    /// The pipeline promises something else.
    SwitchPromise,
    /// An operator sets the offset back.
    Reset,
}

impl Event {
    /// What of the budget it is.
    pub fn fault(self) -> Option<Fault> {
        Some(match self {
            Self::Crash(_) => Fault::Crash,
            Self::Freeze(_) => Fault::Freeze,
            Self::Defer(_) => Fault::Defer,
            Self::DeliverUnheard(_) => Fault::Commit,
            Self::Resend(_) => Fault::Break,
            Self::Hold(_) => Fault::Hold,
            Self::LandUnheard(_) | Self::TimeOut(..) => Fault::Insert,
            Self::Alter => Fault::Alter,
            Self::Swap => Fault::Swap,
            Self::SwitchPromise => Fault::SwitchPromise,
            Self::Reset => Fault::Reset,
            _ => return None,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |owner: &usize| if *owner == 0 { "A" } else { "B" };
        let text = match self {
            Self::Join(o) => format!("{} joins", name(o)),
            Self::Expire(o) => format!("the group does without {}", name(o)),
            Self::Begin(o) => format!("{} begins", name(o)),
            Self::Close(o, next) => format!("{} closes a range up to {next}", name(o)),
            Self::Skip(o) => format!("{} passes over an offset without a record", name(o)),
            Self::CloseAgain(o) => format!("{} closes the next planned range", name(o)),
            Self::Make(o, first, false) => format!("{} makes range {first}", name(o)),
            Self::Make(o, first, true) => format!("{} makes range {first}, what is flaky traps", name(o)),
            Self::Halve(o, first) => format!("{} halves range {first}", name(o)),
            Self::Commit(o) => format!("{} commits", name(o)),
            Self::Defer(o) => format!("{} commits, its client waits with it", name(o)),
            Self::SendDeferred(o) => format!("{}'s client sends what waited", name(o)),
            Self::Resend(o) => format!("{}'s client sends its commit again", name(o)),
            Self::Deliver(i) => format!("commit {i} arrives"),
            Self::DeliverUnheard(i) => format!("commit {i} arrives, the answer is lost"),
            Self::Hold(i) => format!("commit {i} arrives, transaction open"),
            Self::EndTransaction(true) => "the transaction is committed".to_owned(),
            Self::EndTransaction(false) => "the transaction is aborted".to_owned(),
            Self::GiveUp(o) => format!("{} waits no longer for its commit", name(o)),
            Self::Insert(o, first, route) => format!("{} sends range {first}, route {route}", name(o)),
            Self::Land(i) => format!("insert {i} arrives"),
            Self::LandUnheard(i) => format!("insert {i} arrives, the answer is lost"),
            Self::TimeOut(o, first, route) => format!("{} waits no longer for range {first}, route {route}", name(o)),
            Self::AnswerRevocation(o) => format!("{} gives the partition back", name(o)),
            Self::HearLost(o) => format!("{} hears that it has lost it", name(o)),
            Self::Thaw(o) => format!("{} goes on", name(o)),
            Self::Crash(o) => format!("{} crashes", name(o)),
            Self::Freeze(o) => format!("{} freezes", name(o)),
            Self::Alter => "the table is altered".to_owned(),
            Self::Swap => "another bundle takes over".to_owned(),
            Self::SwitchPromise => "the promise changes".to_owned(),
            Self::Reset => "the offset is set back to 0".to_owned(),
        };
        f.pad(&text)
    }
}
