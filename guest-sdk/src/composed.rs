//! What the derives of enums, tuples and variants expand to: the types' names, and the order of a variant's types.

use std::sync::OnceLock;

use crate::invalid::InvalidValue;

/// `Enum8('a' = 1, 'b' = 2)`, or `Enum16` where a number needs it.
pub fn enumeration(names: &[(&str, i16)]) -> String {
    let bits = if names.iter().all(|(_, number)| i8::try_from(*number).is_ok()) { 8 } else { 16 };
    let names: Vec<_> = names.iter().map(|(name, number)| format!("{} = {number}", quoted(name, '\''))).collect();
    format!("Enum{bits}({})", names.join(", "))
}

/// `Tuple(a String, b UInt8)`.
pub fn tuple(elements: &[(&str, String)]) -> String {
    let elements: Vec<_> = elements.iter().map(|(name, kind)| format!("{} {kind}", quoted(name, '`'))).collect();
    format!("Tuple({})", elements.join(", "))
}

/// `Variant(String, UInt64)`; the types in any order, for ClickHouse orders them itself.
pub fn variant(mut kinds: Vec<String>) -> String {
    kinds.sort();
    format!("Variant({})", kinds.join(", "))
}

/// Which number stands before a value of each type of a variant.
#[derive(Debug, Default)]
pub struct Order(OnceLock<Vec<u8>>);

impl Order {
    /// Not worked out yet.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The number for the type that was declared at `index` among these, counted in the order of their names.
    pub fn number(&self, index: usize, kinds: impl FnOnce() -> Vec<String>) -> u8 {
        let numbers = self.0.get_or_init(|| {
            let kinds = kinds();
            let before = |kind: &String| kinds.iter().filter(|other| *other < kind).count();
            kinds.iter().map(|kind| u8::try_from(before(kind)).unwrap_or(u8::MAX)).collect()
        });
        numbers.get(index).copied().unwrap_or(u8::MAX)
    }
}

/// A text that is none of an Enum's names.
#[cold]
pub fn no_name(text: &str, names: &str) -> InvalidValue {
    InvalidValue::new(format!("{text:?} is none of {names}"))
}

fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::from(quote);
    for next in text.chars() {
        if next == quote || next == '\\' {
            quoted.push('\\');
        }
        quoted.push(next);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use crate::room::tests::encoded;
    use crate::{Column, Enum, Tuple, Variant};

    #[derive(Clone, Copy, Enum)]
    enum Colour {
        #[column(name = "it's red")]
        Red = -1,
        Green = 7,
    }

    #[derive(Clone, Copy, Enum)]
    enum Code {
        Low = 1,
        High = 1000,
    }

    #[derive(Tuple)]
    struct Place<'a> {
        r#type: &'a str,
        at: Option<u8>,
    }

    #[derive(Variant)]
    enum Reading<'a> {
        Count(u64),
        Text(&'a str),
        List(Vec<u8>),
        Missing,
    }

    #[test]
    fn enums_are_their_names_and_numbers() {
        assert_eq!(Colour::type_name(), "Enum8('it\\'s red' = -1, 'Green' = 7)");
        assert_eq!((encoded(Colour::Red), encoded(Colour::Green)), (vec![0xff], vec![7]));
        assert_eq!(Option::<Code>::type_name(), "Nullable(Enum16('Low' = 1, 'High' = 1000))");
        assert_eq!((encoded(Code::Low), encoded(Code::High)), (vec![1, 0], vec![0xe8, 3]));
        assert_eq!("Green".parse::<Colour>().map(encoded), Ok(vec![7]));
        let unknown = "Blue".parse::<Colour>().map(encoded).map_err(|fault| fault.to_string());
        assert_eq!(unknown, Err("\"Blue\" is none of \"it's red\", \"Green\"".to_owned()));
    }

    #[test]
    fn a_tuple_has_the_names_of_its_fields() {
        assert_eq!(Vec::<Place<'_>>::type_name(), "Array(Tuple(`type` String, `at` Nullable(UInt8)))");
        assert_eq!(encoded(Place { r#type: "x", at: None }), [1, b'x', 1]);
    }

    #[test]
    fn a_variant_counts_its_types_in_the_order_of_their_names() {
        assert_eq!(Reading::type_name(), "Variant(Array(UInt8), String, UInt64)");
        assert_eq!(encoded(Reading::Count(1)), [2, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encoded(Reading::Text("x")), [1, 1, b'x']);
        assert_eq!(encoded(Reading::List(vec![9])), [0, 1, 9]);
        assert_eq!(encoded(Reading::Missing), [255]);
    }
}
