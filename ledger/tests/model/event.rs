//! What may happen, and what of it is trouble.

use std::fmt;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A gateway is gone at once, and may come back as another member.
    Crash,
    /// The group does not hear of a member for too long, which does not know it yet.
    Expire,
    /// The partition is to go to another member.
    Revoke,
    /// A client keeps a commit back and sends it later.
    Defer,
    /// The answer to a commit is lost, or the commit.
    Lose,
    /// A client sends a commit once more by itself.
    Retry,
    /// The answer to an insert is lost, or the insert is on its way for long.
    Late,
    /// The table is altered.
    Alter,
    /// Another version of the plugin takes over.
    Swap,
    /// An operator sets the offset.
    Reset,
    /// `delivery` is changed.
    Mode,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Join(usize),
    Assign(usize),
    Replay(usize),
    Close(usize, i64),
    Skip(usize),
    Make { owner: usize, first: i64, traps: bool },
    Commit(usize),
    Defer(usize),
    Dispatch(usize),
    Take(usize),
    TakeUnheard(usize),
    TakeAndRepeat(usize),
    RefuseAndRepeat(usize),
    Drop(usize),
    EndTransaction { heard: bool },
    AbortTransaction,
    GiveUp { owner: usize, first: i64, route: usize },
    Land(usize),
    LandUnheard(usize),
    Crash(usize),
    Expire(u8),
    Lost(usize),
    Revoke(usize),
    AnswerRevocation(usize),
    EndMembership(usize),
    Alter,
    Swap,
    Reset,
    Mode,
}

impl Event {
    /// What trouble it is, if any.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Event::Crash(_) => Some(Fault::Crash),
            Event::Expire(_) => Some(Fault::Expire),
            Event::Revoke(_) => Some(Fault::Revoke),
            Event::Defer(_) => Some(Fault::Defer),
            Event::TakeUnheard(_)
            | Event::Drop(_)
            | Event::EndTransaction { heard: false }
            | Event::AbortTransaction => Some(Fault::Lose),
            Event::TakeAndRepeat(_) | Event::RefuseAndRepeat(_) => Some(Fault::Retry),
            Event::GiveUp { .. } | Event::LandUnheard(_) => Some(Fault::Late),
            Event::Alter => Some(Fault::Alter),
            Event::Swap => Some(Fault::Swap),
            Event::Reset => Some(Fault::Reset),
            Event::Mode => Some(Fault::Mode),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Join(owner) => write!(f, "gateway {owner} joins"),
            Event::Assign(owner) => write!(f, "gateway {owner} is assigned the partition and reads the commit"),
            Event::Replay(owner) => write!(f, "gateway {owner} closes the next planned range as it was"),
            Event::Close(owner, next) => write!(f, "gateway {owner} closes a range before offset {next}"),
            Event::Skip(owner) => write!(f, "gateway {owner} passes over an offset without a record"),
            Event::Make { owner, first, traps: false } => write!(f, "gateway {owner} makes the range at {first}"),
            Event::Make { owner, first, .. } => {
                write!(f, "gateway {owner} makes the range at {first}, and the flaky record traps")
            }
            Event::Commit(owner) => write!(f, "gateway {owner} commits"),
            Event::Defer(owner) => write!(f, "gateway {owner} commits, and its client keeps that back"),
            Event::Dispatch(owner) => write!(f, "the client of gateway {owner} sends what it kept back"),
            Event::Take(_) => write!(f, "the broker decides on the commit, and that is heard"),
            Event::TakeUnheard(_) => write!(f, "the broker takes the commit, and the answer is lost"),
            Event::TakeAndRepeat(_) => write!(f, "the broker takes the commit, and the client will send it again"),
            Event::RefuseAndRepeat(_) => write!(f, "the broker refuses the commit, and the client will send it again"),
            Event::Drop(_) => write!(f, "the commit is lost"),
            Event::EndTransaction { heard: true } => write!(f, "the transaction of the commit ends"),
            Event::EndTransaction { .. } => write!(f, "the transaction of the commit ends, and nobody hears of it"),
            Event::AbortTransaction => write!(f, "the transaction of the commit is given up"),
            Event::GiveUp { owner, first, .. } => {
                write!(f, "gateway {owner} gives up waiting for the insert of the range at {first}")
            }
            Event::Land(_) => write!(f, "an insert reaches the table"),
            Event::LandUnheard(_) => write!(f, "an insert reaches the table, and the answer is lost"),
            Event::Crash(owner) => write!(f, "gateway {owner} crashes"),
            Event::Expire(member) => write!(f, "the group ends the session of member {member}"),
            Event::Lost(owner) => write!(f, "gateway {owner} hears that it has lost the partition"),
            Event::Revoke(owner) => write!(f, "gateway {owner} is to give the partition back"),
            Event::AnswerRevocation(owner) => write!(f, "gateway {owner} gives the partition back"),
            Event::EndMembership(owner) => write!(f, "gateway {owner} ends its membership"),
            Event::Alter => write!(f, "the table is altered"),
            Event::Swap => write!(f, "another version of the plugin takes over"),
            Event::Reset => write!(f, "all leave, and an operator sets the offset to 0"),
            Event::Mode => write!(f, "`delivery` is changed"),
        }
    }
}
