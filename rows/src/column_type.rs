//! A column's type. `type_text` reads and writes it as ClickHouse spells it.

use super::type_text;

/// The types that rows may have. The names are ClickHouse's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ColumnType {
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    UInt128,
    UInt256,
    Int8,
    Int16,
    Int32,
    Int64,
    Int128,
    Int256,
    BFloat16,
    Float32,
    Float64,
    Bool,
    String,
    FixedString {
        /// In bytes, at least 1.
        length: usize,
    },
    Uuid,
    Ipv4,
    Ipv6,
    Date,
    Date32,
    Time,
    Time64 {
        precision: u8,
    },
    DateTime {
        zone: Option<String>,
    },
    DateTime64 {
        precision: u8,
        zone: Option<String>,
    },
    Decimal {
        /// 1 to 76 digits.
        precision: u8,
        scale: u8,
    },
    Enum8(Names),
    Enum16(Names),
    Nullable(Box<ColumnType>),
    LowCardinality(Box<ColumnType>),
    Array(Box<ColumnType>),
    Map(Box<ColumnType>, Box<ColumnType>),
    /// Elements with their names, where they have any.
    Tuple(Vec<(Option<String>, ColumnType)>),
    /// What `Array(Tuple(...))` is, with names.
    Nested(Vec<(String, ColumnType)>),
    /// In the order of their texts, which is what the number before a value counts in.
    Variant(Vec<ColumnType>),
    /// One JSON object, written as a text.
    Json,
}

/// The names of an Enum with their numbers, in the order of the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<(i16, String)>);

impl Names {
    /// Names in any order.
    pub(super) fn new(mut names: Vec<(i16, String)>) -> Self {
        names.sort_unstable();
        Self(names)
    }

    /// The name of a number.
    pub fn name(&self, number: i16) -> Option<&str> {
        let found = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.0.get(found).map(|(_, name)| name.as_str())
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<i16> {
        self.0.iter().find(|(_, known)| known == name).map(|(number, _)| *number)
    }

    /// All numbers and names, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (i16, &str)> {
        self.0.iter().map(|(number, name)| (*number, name.as_str()))
    }

    /// Whether each name is among `others`, with the same number.
    fn are_among(&self, others: &Self) -> bool {
        self.iter().all(|(number, name)| others.name(number) == Some(name))
    }
}

impl ColumnType {
    /// The bytes of a value of this type in RowBinary, where all values have the same.
    pub fn width(&self) -> Option<usize> {
        match self {
            Self::UInt8 | Self::Int8 | Self::Bool | Self::Enum8(_) => Some(1),
            Self::UInt16 | Self::Int16 | Self::BFloat16 | Self::Date | Self::Enum16(_) => Some(2),
            Self::UInt32 | Self::Int32 | Self::Float32 | Self::DateTime { .. } => Some(4),
            Self::Date32 | Self::Time | Self::Ipv4 => Some(4),
            Self::UInt64 | Self::Int64 | Self::Float64 | Self::DateTime64 { .. } | Self::Time64 { .. } => Some(8),
            Self::UInt128 | Self::Int128 | Self::Uuid | Self::Ipv6 => Some(16),
            Self::UInt256 | Self::Int256 => Some(32),
            Self::FixedString { length } => Some(*length),
            Self::Decimal { precision, .. } => Some(decimal_width(*precision)),
            Self::LowCardinality(inner) => inner.width(),
            Self::Tuple(elements) => elements.iter().map(|(_, kind)| kind.width()).sum(),
            Self::String | Self::Nullable(_) | Self::Array(_) | Self::Map(..) | Self::Nested(_) => None,
            Self::Variant(_) | Self::Json => None,
        }
    }

    /// Whether a value has the same bytes and the same meaning in a column of type `live`. Time zones are a way of
    /// printing and `LowCardinality` a way of storing: neither shows in RowBinary. An Enum may have more names than it is
    /// written with, and `Nested` is an array of tuples.
    pub fn same_bytes(&self, live: &ColumnType) -> bool {
        match (self.stored(), live.stored()) {
            (Self::DateTime { .. }, Self::DateTime { .. }) => true,
            (Self::DateTime64 { precision: ours, .. }, Self::DateTime64 { precision: theirs, .. }) => ours == theirs,
            (Self::Enum8(ours), Self::Enum8(theirs)) | (Self::Enum16(ours), Self::Enum16(theirs)) => {
                ours.are_among(theirs)
            }
            (Self::Nullable(ours), Self::Nullable(theirs)) => ours.same_bytes(theirs),
            (Self::Map(key, value), Self::Map(live_key, live_value)) => {
                key.same_bytes(live_key) && value.same_bytes(live_value)
            }
            (Self::Tuple(ours), Self::Tuple(theirs)) => same_elements(ours, theirs),
            (Self::Variant(ours), Self::Variant(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| ours.same_bytes(theirs))
            }
            (ours, theirs) => match (ours.element(), theirs.element()) {
                (Some(ours), Some(theirs)) => ours.same_bytes(&theirs),
                _ => ours == theirs,
            },
        }
    }

    /// Whether a JSON object stands somewhere in its values.
    pub fn holds_json(&self) -> bool {
        match self {
            Self::Json => true,
            Self::Nullable(inner) | Self::LowCardinality(inner) | Self::Array(inner) => inner.holds_json(),
            Self::Map(key, value) => key.holds_json() || value.holds_json(),
            Self::Tuple(elements) => elements.iter().any(|(_, kind)| kind.holds_json()),
            Self::Nested(columns) => columns.iter().any(|(_, kind)| kind.holds_json()),
            Self::Variant(kinds) => kinds.iter().any(Self::holds_json),
            _ => false,
        }
    }

    fn stored(&self) -> &ColumnType {
        match self {
            Self::LowCardinality(inner) => inner,
            other => other,
        }
    }

    /// What an array holds; `Nested` holds tuples.
    fn element(&self) -> Option<ColumnType> {
        match self {
            Self::Array(element) => Some((**element).clone()),
            Self::Nested(columns) => Some(Self::row_of(columns)),
            _ => None,
        }
    }

    /// The tuple that a row of a `Nested` is.
    pub(super) fn row_of(columns: &[(String, ColumnType)]) -> ColumnType {
        Self::Tuple(columns.iter().map(|(name, kind)| (Some(name.clone()), kind.clone())).collect())
    }
}

/// Elements mean the same where they stand in the same places; names may be missing, but not differ.
fn same_elements(ours: &[(Option<String>, ColumnType)], theirs: &[(Option<String>, ColumnType)]) -> bool {
    let same = |((our_name, ours), (their_name, theirs)): (&(_, ColumnType), &(_, ColumnType))| {
        let named_alike = match (our_name, their_name) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        named_alike && ours.same_bytes(theirs)
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
}

/// Decimals are stored as the smallest of 32, 64, 128 and 256 bits that holds their digits.
pub fn decimal_width(precision: u8) -> usize {
    match precision {
        0..=9 => 4,
        10..=18 => 8,
        19..=38 => 16,
        _ => 32,
    }
}

impl std::str::FromStr for ColumnType {
    type Err = type_text::TypeFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        type_text::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(ours: &str, live: &str) -> bool {
        ours.parse::<ColumnType>().unwrap().same_bytes(&live.parse::<ColumnType>().unwrap())
    }

    #[test]
    fn zones_and_low_cardinality_do_not_change_the_bytes_but_precision_does() {
        assert!(same("String", "LowCardinality(String)"));
        assert!(same("LowCardinality(Nullable(String))", "Nullable(String)"));
        assert!(same("DateTime64(3)", "DateTime64(3, 'UTC')"));
        assert!(same("Array(Map(String, DateTime))", "Array(Map(LowCardinality(String), DateTime('UTC')))"));
        assert!(!same("DateTime64(3)", "DateTime64(6)"));
        assert!(!same("String", "Nullable(String)"));
        assert!(!same("Decimal(18, 4)", "Decimal(18, 2)"));
        assert!(!same("Array(String)", "Array(Nullable(String))"));
        assert!(!same("String", "FixedString(4)"));
    }

    #[test]
    fn an_enum_may_have_more_names_than_it_is_written_with_but_none_with_another_number() {
        assert!(same("Enum8('a' = 1)", "Enum8('a' = 1, 'b' = 2)"));
        assert!(!same("Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1)"));
        assert!(!same("Enum8('a' = 1)", "Enum8('a' = 2, 'b' = 1)"));
        assert!(!same("Enum8('a' = 1)", "Enum16('a' = 1)"));
    }

    #[test]
    fn a_nested_column_is_an_array_of_tuples_and_places_count_where_names_are_missing() {
        assert!(same("Nested(a UInt8, b String)", "Array(Tuple(a UInt8, b String))"));
        assert!(same("Array(Tuple(UInt8, String))", "Nested(a UInt8, b String)"));
        assert!(!same("Tuple(a UInt8, b UInt8)", "Tuple(b UInt8, a UInt8)"));
        assert!(!same("Tuple(UInt8, UInt8)", "Tuple(UInt8)"));
        assert!(same("Variant(UInt64, String)", "Variant(String, UInt64)"));
    }

    #[test]
    fn widths_are_those_of_row_binary() {
        let width = |kind: &str| kind.parse::<ColumnType>().unwrap().width();
        assert_eq!(width("Tuple(UInt8, Int256, Decimal(76, 3))"), Some(65));
        assert_eq!(width("Tuple(UInt8, String)"), None);
        assert_eq!(width("LowCardinality(FixedString(7))"), Some(7));
        assert_eq!(width("Enum16('a' = 1000)"), Some(2));
    }
}
