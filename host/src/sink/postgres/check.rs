//! What PostgreSQL cannot hold of a value that its own type allows: looked for before a row is written, since the server would
//! refuse the whole COPY for it. Where a table has nothing of the kind, no row is looked at.

use crate::rows::{ColumnType, DecodeFault, Decoder, Value, write_value};

use super::field::{Cast, Field, unpadded};

/// What to do with the next bytes of a row.
#[derive(Debug)]
pub enum Check {
    /// Nothing of them can be refused.
    Skip(usize),
    /// Nothing of a String can be refused.
    SkipText,
    /// Nothing of a value can be refused, but where it ends only its type knows.
    SkipValue(ColumnType),
    Text(Option<usize>),
    FixedText(usize, Option<usize>),
    Printed(ColumnType, Option<usize>),
    Jsonb(ColumnType),
    Nullable(Box<Check>),
    Array(Box<Check>),
}

/// Why a value does not pass.
pub enum Refusal {
    /// The bytes are none of the type: a row that is not walked before.
    Bytes(DecodeFault),
    /// PostgreSQL has no such value.
    Value(String),
}

impl From<DecodeFault> for Refusal {
    fn from(fault: DecodeFault) -> Self {
        Self::Bytes(fault)
    }
}

impl Check {
    /// The check of a column of type `kind` that is written as `field`.
    pub fn new(kind: &ColumnType, field: &Field) -> Self {
        match kind {
            ColumnType::LowCardinality(inner) => Self::new(inner, field),
            ColumnType::Nullable(inner) => Self::Nullable(Box::new(Self::new(inner, field))),
            kind => Self::of_value(kind, field),
        }
    }

    fn of_value(kind: &ColumnType, field: &Field) -> Self {
        match (&field.cast, kind) {
            (Cast::Text, _) => Self::Text(field.limit),
            (Cast::Bytes, _) => Self::SkipText,
            (Cast::FixedText(length), _) => Self::FixedText(*length, field.limit),
            (Cast::Printed(kind), _) => Self::Printed(kind.clone(), field.limit),
            (Cast::Jsonb(kind), _) => Self::Jsonb(kind.clone()),
            (Cast::Array { element, .. }, ColumnType::Array(kind)) => Self::Array(Box::new(Self::new(kind, element))),
            (Cast::Json(ColumnType::Json), _) => Self::SkipText,
            _ => kind.width().map_or_else(|| Self::SkipValue(kind.clone()), Self::Skip),
        }
    }

    /// Whether it ever refuses anything.
    pub fn can_refuse(&self) -> bool {
        match self {
            Self::Skip(_) | Self::SkipText | Self::SkipValue(_) => false,
            Self::Text(_) | Self::FixedText(..) | Self::Printed(..) | Self::Jsonb(_) => true,
            Self::Nullable(inner) | Self::Array(inner) => inner.can_refuse(),
        }
    }

    /// Looks at the next value of `row`.
    ///
    /// # Errors
    /// Why PostgreSQL cannot hold it.
    #[inline]
    pub fn pass<'a>(&'a self, row: &mut Decoder<'a>) -> Result<(), Refusal> {
        match self {
            Self::Skip(width) => {
                row.take(*width)?;
            }
            Self::SkipText => {
                row.bytes()?;
            }
            Self::Text(limit) => check_text(row.bytes()?, *limit)?,
            Self::Nullable(inner) => {
                if !row.flag()? {
                    inner.pass(row)?;
                }
            }
            rarer => rarer.pass_rarer(row)?,
        }
        Ok(())
    }

    fn pass_rarer<'a>(&'a self, row: &mut Decoder<'a>) -> Result<(), Refusal> {
        match self {
            Self::SkipValue(kind) => {
                row.value_of(kind)?;
            }
            Self::FixedText(length, limit) => {
                let text = unpadded(row.take(*length)?);
                if let Err(fault) = std::str::from_utf8(text) {
                    let from = fault.valid_up_to();
                    return Err(Refusal::Value(format!(
                        "it is not UTF-8 from its byte {from} on, and the column is a text"
                    )));
                }
                check_text(text, *limit)?;
            }
            Self::Printed(kind, limit) => check_text(row.value_of(kind)?.to_string().as_bytes(), *limit)?,
            Self::Jsonb(kind) => check_json(&row.value_of(kind)?)?,
            Self::Array(element) => {
                for _ in 0..row.length()? {
                    element.pass(row)?;
                }
            }
            // `pass` does all others.
            _ => {}
        }
        Ok(())
    }
}

#[inline]
fn check_text(text: &[u8], limit: Option<usize>) -> Result<(), Refusal> {
    if let Some(at) = nul(text) {
        return Err(Refusal::Value(format!("its byte {at} is NUL, which no text of PostgreSQL can hold")));
    }
    match limit {
        // Characters are at most as many as bytes.
        Some(limit) if text.len() > limit => {
            // Each byte begins a character, unless it continues one.
            let characters = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
            match characters > limit {
                true => {
                    Err(Refusal::Value(format!("it has {characters} characters, and the column has room for {limit}")))
                }
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Where the first NUL is. Nearly no text has one, and looking for any is quicker than looking for the first.
#[inline]
fn nul(text: &[u8]) -> Option<usize> {
    match text.contains(&0) {
        true => text.iter().position(|byte| *byte == 0),
        false => None,
    }
}

fn check_json(value: &Value<'_>) -> Result<(), Refusal> {
    let mut text = Vec::new();
    write_value(value, &mut text);
    match refused_json(&text) {
        Some(problem) => Err(Refusal::Value(problem.to_owned())),
        None => Ok(()),
    }
}

/// What jsonb, which keeps values and not their text, has no value for. `text` is JSON.
fn refused_json(text: &[u8]) -> Option<&'static str> {
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let (refused, length) = match first {
            b'"' => refused_string(behind),
            b'-' | b'0'..=b'9' => refused_number(rest),
            _ => (None, 0),
        };
        if refused.is_some() {
            return refused;
        }
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    None
}

/// What is wrong with a string, and how long it is from its first quote to behind its last.
fn refused_string(mut text: &[u8]) -> (Option<&'static str>, usize) {
    let whole = text.len();
    let mut high = false;
    loop {
        let unpaired = high;
        high = false;
        let taken = match text {
            [b'\\', b'u', a, b, c, d, ..] => {
                let digits = std::str::from_utf8(&[*a, *b, *c, *d])
                    .map_or(0, |digits| u32::from_str_radix(digits, 16).unwrap_or(0));
                match digits {
                    0 => return (Some("it has a \\u0000, which no jsonb can hold"), 0),
                    0xd800..=0xdbff if !unpaired => high = true,
                    0xdc00..=0xdfff if unpaired => {}
                    0xd800..=0xdfff => return (Some(UNPAIRED), 0),
                    _ if unpaired => return (Some(UNPAIRED), 0),
                    _ => {}
                }
                6
            }
            _ if unpaired => return (Some(UNPAIRED), 0),
            [b'\\', _, ..] => 2,
            [b'"', ..] | [] => return (None, whole - text.len() + 2),
            _ => 1,
        };
        text = text.get(taken..).unwrap_or_default();
    }
}

const UNPAIRED: &str = "it has half of a surrogate pair, which no jsonb can hold";

/// The most digits behind the point that `numeric` has, which is what jsonb keeps numbers in.
const MOST_FRACTION: i64 = 16_383;

/// The most before it.
const MOST_WHOLE: i64 = 131_072;

/// What is wrong with a number, and how long it is.
fn refused_number(text: &[u8]) -> (Option<&'static str>, usize) {
    let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    let number = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let exponent_at = number.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at_checked(exponent_at).unwrap_or_default();
    let exponent = std::str::from_utf8(exponent.get(1..).unwrap_or_default()).unwrap_or_default();
    let exponent = match exponent {
        "" => Some(0),
        digits => digits.parse::<i32>().ok().map(i64::from),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    // Texts are shorter than 2^63.
    let (whole, fraction) = (point as i64, mantissa.len().saturating_sub(point + 1) as i64);
    let fits = exponent.is_some_and(|exponent| fraction - exponent <= MOST_FRACTION && whole + exponent <= MOST_WHOLE);
    ((!fits).then_some("it has a number with more digits than jsonb can hold"), number.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_jsonb_cannot_hold_is_found_wherever_it_stands() {
        for right in [
            r#"{"a":"\\u0000","b":["\"",-1.5e10,1e-16383,1e308],"c":"\ud83d\ude00é","\u0041":null}"#,
            r#"{"":"","x":{"y":true}}"#,
            "[]",
        ] {
            assert_eq!(refused_json(right.as_bytes()), None, "{right}");
        }
        for (wrong, part) in [
            (r#"{"a":"x\u0000"}"#, "u0000"),
            (r#"{"\u0000":1}"#, "u0000"),
            (r#"{"a":"\\\u0000"}"#, "u0000"),
            (r#"{"a":["\ud83d"]}"#, "surrogate"),
            (r#"{"a":"\ud83dx"}"#, "surrogate"),
            (r#"{"a":"\ud83d\n"}"#, "surrogate"),
            (r#"{"a":"\ud83d\ud83d"}"#, "surrogate"),
            (r#"{"a":"\ude00"}"#, "surrogate"),
            (r#"{"a":"x","b":1e-16384}"#, "digits"),
            (r#"{"b":1e-99999999999}"#, "digits"),
            (r#"[1.5e-16383]"#, "digits"),
        ] {
            let refused = refused_json(wrong.as_bytes());
            assert!(refused.is_some_and(|problem| problem.contains(part)), "{wrong}: {refused:?}");
        }
    }

    #[test]
    fn a_text_is_measured_in_characters() {
        let refused = |text: &str, limit| check_text(text.as_bytes(), Some(limit)).is_err();
        assert!(!refused("жжж", 3) && refused("жжжж", 3) && !refused("", 0));
        assert!(refused("a\0", 9));
    }
}
