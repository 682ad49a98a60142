//! Sets of records: how they are made, what they are read into, and the row that each becomes.

mod deep;
mod numbers;
mod order;
mod sale;
mod text;
mod tiny;
mod wide;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidegate_json::FromJson;

use crate::dice::Dice;
use crate::row::Row;

pub use deep::{Deep, Node};
pub use numbers::Numbers;
pub use order::{Address, Customer, Geo, Item, Order, Orders, Payment};
pub use sale::{Invalid, Sale, Sales, Shuffled};
pub use text::{Article, Articles};
pub use tiny::Tiny;
pub use wide::{Request, Requests};

/// A kind of records.
pub trait Data {
    /// What a record is read into where texts may be borrowed from it.
    type Borrowed<'a>: Deserialize<'a> + FromJson<'a> + Row;
    /// The same with texts of its own.
    type Owned: DeserializeOwned + Row;

    /// Appends the next record.
    fn write(source: &mut Source, out: &mut Vec<u8>);

    /// Reads a record with jiter, which has no serde: by hand, as its documentation does.
    ///
    /// # Errors
    /// Where it is no JSON or does not fit.
    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault>;
}

/// What the makers of records draw from.
#[derive(Debug)]
pub struct Source {
    /// Their choices.
    pub dice: Dice,
    /// Milliseconds since the day began; never goes back.
    pub clock: u32,
}

/// All sets. The names are those of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataSet {
    /// The shop's sales as the demo sends them.
    Sales,
    /// Orders: objects and arrays within each other, all of it read.
    Nested,
    /// 500 bytes of which little is needed.
    Unneeded,
    /// Text that is not ASCII.
    NonAscii,
    /// Sales with their keys in another order in every record.
    Shuffled,
    /// Sales of which 1 % is wrong.
    Invalid,
    /// Objects in objects, 16 to 40 levels of them.
    Deep,
    /// Arrays of numbers.
    Numbers,
    /// 30 bytes.
    Tiny,
}

impl DataSet {
    /// Every one, in the order of the figures.
    pub const ALL: [Self; 9] = [
        Self::Sales,
        Self::Nested,
        Self::Unneeded,
        Self::NonAscii,
        Self::Shuffled,
        Self::Invalid,
        Self::Deep,
        Self::Numbers,
        Self::Tiny,
    ];

    /// How the figures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Nested => "nested",
            Self::Unneeded => "unneeded",
            Self::NonAscii => "non_ascii",
            Self::Shuffled => "shuffled",
            Self::Invalid => "invalid",
            Self::Deep => "deep",
            Self::Numbers => "numbers",
            Self::Tiny => "tiny",
        }
    }

    /// Hands the set's kind to `visitor`.
    pub fn visit<V: Visit>(self, visitor: V) -> V::Answer {
        match self {
            Self::Sales => visitor.visit::<Sales>(),
            Self::Nested => visitor.visit::<Orders>(),
            Self::Unneeded => visitor.visit::<Requests>(),
            Self::NonAscii => visitor.visit::<Articles>(),
            Self::Shuffled => visitor.visit::<Shuffled>(),
            Self::Invalid => visitor.visit::<Invalid>(),
            Self::Deep => visitor.visit::<Deep>(),
            Self::Numbers => visitor.visit::<Numbers>(),
            Self::Tiny => visitor.visit::<Tiny>(),
        }
    }

    /// The first records of the set.
    pub fn records(self, count: usize) -> Records {
        struct Make(Source, usize);
        impl Visit for Make {
            type Answer = Records;

            fn visit<D: Data>(self) -> Records {
                let Self(mut source, count) = self;
                let mut records = Records::default();
                for _ in 0..count {
                    D::write(&mut source, &mut records.bytes);
                    records.ends.push(records.bytes.len());
                }
                records
            }
        }
        // Of the seeds any will do.
        let source = Source { dice: Dice::new(0x7157_0000 + self as u64), clock: 36_900_000 };
        self.visit(Make(source, count))
    }
}

/// What is done with a kind of records that is known only when the program runs.
pub trait Visit {
    /// What comes of it.
    type Answer;

    /// Does it.
    fn visit<D: Data>(self) -> Self::Answer;
}

/// Records one behind the other, as a guest gets them.
#[derive(Debug, Default)]
pub struct Records {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub ends: Vec<usize>,
}
