//! What can be wrong with a record. Faults of one field are written where the field is; those of the value as a whole
//! are done to it here, after it was rendered.

use super::dice::Dice;

/// What is wrong with a malformed record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Malformed {
    /// The object is cut off before its closing brace.
    Truncated,
    /// A required field is absent.
    MissingField,
    /// `event_time` is no time in any notation.
    TimeGarbage,
    /// `event_time` is in the thirteenth month.
    MonthThirteen,
    /// `product_id` is negative or above `u32::MAX`.
    ProductIdOutOfRange,
    /// `quantity` is a word.
    QuantityWord,
    /// The record's id has a byte that is not UTF-8.
    IdNotUtf8,
    /// A string that no reader needs has a byte that is not UTF-8.
    NoteNotUtf8,
    /// The value is there but has no bytes.
    Empty,
    /// The value is null, as of a record that deletes its key.
    Null,
    /// The object is followed by something other than white space.
    TrailingGarbage,
    /// The value is valid JSON but no object.
    BareScalar,
    /// `price` is a word; in sales only.
    PriceWord,
    /// `kind` is none of the four; in stock only.
    UnknownKind,
    /// A transfer has no `destination`; in stock only.
    TransferWithoutDestination,
}

impl Malformed {
    /// What can be wrong with a sale, each as often as any other.
    pub const SALES: [Self; 13] = [
        Self::Truncated,
        Self::MissingField,
        Self::TimeGarbage,
        Self::MonthThirteen,
        Self::ProductIdOutOfRange,
        Self::QuantityWord,
        Self::IdNotUtf8,
        Self::NoteNotUtf8,
        Self::Empty,
        Self::Null,
        Self::TrailingGarbage,
        Self::BareScalar,
        Self::PriceWord,
    ];

    /// What can be wrong with a stock movement, each as often as any other.
    pub const STOCK: [Self; 14] = [
        Self::Truncated,
        Self::MissingField,
        Self::TimeGarbage,
        Self::MonthThirteen,
        Self::ProductIdOutOfRange,
        Self::QuantityWord,
        Self::IdNotUtf8,
        Self::NoteNotUtf8,
        Self::Empty,
        Self::Null,
        Self::TrailingGarbage,
        Self::BareScalar,
        Self::UnknownKind,
        Self::TransferWithoutDestination,
    ];

    /// Spoils a rendered object, which must have no white space after it, if the fault is of the value as a whole.
    pub(super) fn spoil(self, dice: &mut Dice, value: &mut Vec<u8>) {
        match self {
            Self::Truncated => value.truncate(1 + dice.below(value.len() as u32 - 1) as usize),
            Self::TrailingGarbage => {
                value.extend_from_slice(dice.pick(&["}", ",", " x", "{\"product_id\":1}"]).as_bytes());
            }
            Self::BareScalar => {
                value.clear();
                value.extend_from_slice(dice.pick(&["42", "-1.5", "\"sale\"", "true", "null"]).as_bytes());
            }
            Self::Empty | Self::Null => value.clear(),
            Self::MissingField
            | Self::TimeGarbage
            | Self::MonthThirteen
            | Self::ProductIdOutOfRange
            | Self::QuantityWord
            | Self::IdNotUtf8
            | Self::NoteNotUtf8
            | Self::PriceWord
            | Self::UnknownKind
            | Self::TransferWithoutDestination => {}
        }
    }
}
