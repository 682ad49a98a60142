//! Exact decimal numbers. Read from text and from JSON, computed with checks, written as RowBinary by `column`. A
//! value that cannot be held exactly is refused, never rounded.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::invalid::InvalidValue;

/// As many digits as fit `i128`.
const EXACT_DIGITS: u32 = 38;

/// As many as a column can have.
const MOST_DIGITS: u32 = 76;

/// 2^53: up to here every integer is a double, so a double scaled to units is one integer and no other.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Powers of ten that are exact as doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A decimal number of at most `P` digits (1 to 76), `S` of them after the point (at most 38): ClickHouse's `Decimal(P, S)`. Whatever
/// `P`, a value is within 128 bits, which is 38 digits: what has more is refused.
///
/// From JSON it takes a string or an integer exactly. A JSON number with a point is a double on its way here; it is
/// taken where exactly one decimal of `S` digits has that double nearest, which is so up to 15 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const P: u32, const S: u32> {
    units: i128,
}

impl<const P: u32, const S: u32> Decimal<P, S> {
    /// The largest number of units: `P` nines.
    const LARGEST: i128 = {
        assert!(P >= 1 && P <= MOST_DIGITS, "a Decimal has 1 to 76 digits");
        assert!(S <= P, "a Decimal has at most as many digits after the point as it has digits");
        assert!(S <= EXACT_DIGITS, "a Decimal has at most 38 digits after the point here");
        10i128.pow(if P < EXACT_DIGITS { P } else { EXACT_DIGITS }) - 1
    };

    /// The number of this many units of the last digit; `None` where it has more than `P` digits.
    #[inline]
    pub fn from_units(units: i128) -> Option<Self> {
        (-Self::LARGEST..=Self::LARGEST).contains(&units).then_some(Self { units })
    }

    /// The number in units of the last digit: 12.5 has 125,000 of them where `S` is 4.
    #[inline]
    pub fn units(self) -> i128 {
        self.units
    }

    /// The sum; `None` where it has more than `P` digits.
    #[inline]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        // Two numbers of 38 digits stay within `i128`.
        Self::from_units(self.units + other.units)
    }

    /// The product with an integer; `None` where it has more than `P` digits.
    #[inline]
    pub fn checked_mul_int(self, by: i64) -> Option<Self> {
        if P <= 18 {
            // The product of two 64-bit numbers stays within `i128`; the check of it would cost a call in a guest.
            return Self::from_units(i128::from(self.units as i64) * i128::from(by));
        }
        Self::from_units(self.units.checked_mul(i128::from(by))?)
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let units = if digits.len() + S as usize <= 19 {
            // 19 digits fit 64 bits, where arithmetic costs a guest far less.
            i128::from(read_short(digits, S)?)
        } else {
            i128::try_from(read_long(digits, S)?).map_err(|_| Fault::Digits)?
        };
        Self::from_units(if negative { -units } else { units }).ok_or(Fault::Digits)
    }

    fn from_integer(value: i128) -> Result<Self, Fault> {
        value.checked_mul(10i128.pow(S)).and_then(Self::from_units).ok_or(Fault::Digits)
    }

    fn from_double(value: f64) -> Result<Self, Fault> {
        let scale = *POWERS.get(S as usize).ok_or(Fault::Inexact)?;
        // Any rounding would do, since what it gives is tried; this one is a single instruction.
        let units = (value * scale).round_ties_even();
        if units.abs() < LARGEST_EXACT && units / scale == value {
            return Self::from_units(i128::from(units as i64)).ok_or(Fault::Digits);
        }
        Err(Fault::Inexact)
    }

    #[cold]
    fn invalid(value: impl fmt::Display, fault: Fault) -> InvalidValue {
        InvalidValue::new(match fault {
            Fault::Shape => format!("\"{value}\" is not a decimal number, such as \"12.50\""),
            Fault::Digits => {
                format!("{value} does not fit Decimal({P}, {S}), which has {} digits before the point", P - S)
            }
            Fault::Fraction => {
                format!("{value} does not fit Decimal({P}, {S}), which has {S} digits after the point")
            }
            Fault::Inexact => {
                format!("{value} is not exactly a Decimal({P}, {S}) as a JSON number, send it as a string")
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The text is not a number.
    Shape,
    /// More digits before the point than the type has.
    Digits,
    /// More digits after the point than the type has.
    Fraction,
    /// A double that stands for no single decimal of the type.
    Inexact,
}

macro_rules! reader {
    ($name:ident, $integer:ty, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        fn $name(digits: &[u8], scale: u32) -> Result<$integer, Fault> {
            let mut units: $integer = 0;
            let mut rest = digits;
            while let [digit @ b'0'..=b'9', more @ ..] = rest {
                units = units
                    .checked_mul(10)
                    .and_then(|units| units.checked_add(<$integer>::from(*digit - b'0')))
                    .ok_or(Fault::Digits)?;
                rest = more;
            }
            if rest.len() == digits.len() {
                return Err(Fault::Shape);
            }
            let fraction = match rest {
                [] => rest,
                [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) && !fraction.is_empty() => fraction,
                _ => return Err(Fault::Shape),
            };
            let kept = fraction.len().min(scale as usize);
            let (kept, beyond) = fraction.split_at(kept);
            if beyond.iter().any(|&digit| digit != b'0') {
                return Err(Fault::Fraction);
            }
            let mut missing = scale;
            for digit in kept {
                units = units
                    .checked_mul(10)
                    .and_then(|units| units.checked_add(<$integer>::from(*digit - b'0')))
                    .ok_or(Fault::Digits)?;
                missing -= 1;
            }
            units.checked_mul(<$integer>::from(10u8).pow(missing)).ok_or(Fault::Digits)
        }
    };
}

reader!(read_short, u64, "Units of digits with an optional point, where digits and scale together are at most 19.");
reader!(read_long, u128, "Units of digits with an optional point, of any length.");

impl<const P: u32, const S: u32> FromStr for Decimal<P, S> {
    type Err = InvalidValue;

    #[inline]
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::read(text).map_err(|fault| Self::invalid(text, fault))
    }
}

impl<const P: u32, const S: u32> fmt::Display for Decimal<P, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.units, S, formatter)
    }
}

impl<const P: u32, const S: u32> fmt::Debug for Decimal<P, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Units with the point put in, all `scale` digits of the fraction shown.
fn write(units: i128, scale: u32, to: &mut impl fmt::Write) -> fmt::Result {
    if units < 0 {
        to.write_char('-')?;
    }
    let one = 10u128.pow(scale);
    let units = units.unsigned_abs();
    write!(to, "{}", units / one)?;
    if scale > 0 {
        write!(to, ".{:0width$}", units % one, width = scale as usize)?;
    }
    Ok(())
}

impl<'de, const P: u32, const S: u32> Deserialize<'de> for Decimal<P, S> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

struct DecimalVisitor<const P: u32, const S: u32>;

impl<const P: u32, const S: u32> Visitor<'_> for DecimalVisitor<P, S> {
    type Value = Decimal<P, S>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a decimal number")
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    #[inline]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Decimal::from_integer(i128::from(value)).map_err(|fault| E::custom(Decimal::<P, S>::invalid(value, fault)))
    }

    #[inline]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Decimal::from_integer(i128::from(value)).map_err(|fault| E::custom(Decimal::<P, S>::invalid(value, fault)))
    }

    #[inline]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if !value.is_finite() {
            return Err(E::invalid_type(Unexpected::Float(value), &self));
        }
        Decimal::from_double(value)
            .map_err(|fault| E::custom(Decimal::<P, S>::invalid(format_args!("{value:?}"), fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Money = Decimal<18, 4>;

    fn text<const P: u32, const S: u32>(text: &str) -> Result<String, String> {
        text.parse::<Decimal<P, S>>().map(|value| value.to_string()).map_err(|error| error.to_string())
    }

    fn json(text: &str) -> Result<String, String> {
        serde_json::from_str::<Money>(text).map(|value| value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_text_exactly() {
        for (given, shown) in [
            ("0", "0.0000"),
            ("-0", "0.0000"),
            ("+1.5", "1.5000"),
            ("-0.0001", "-0.0001"),
            ("149.90", "149.9000"),
            ("149.900000000000000000000000000000000000000000", "149.9000"),
            ("000000000000000000000000000000000000000000000012", "12.0000"),
            ("99999999999999.9999", "99999999999999.9999"),
            ("-99999999999999.9999", "-99999999999999.9999"),
        ] {
            assert_eq!(text::<18, 4>(given), Ok(shown.to_owned()), "{given}");
        }
        let widest = "9".repeat(38);
        assert_eq!(text::<38, 0>(&widest), Ok(widest.clone()));
        assert_eq!(text::<38, 38>(&format!("0.{widest}")), Ok(format!("0.{widest}")));
        assert_eq!(text::<9, 9>("-0.999999999"), Ok("-0.999999999".to_owned()));
    }

    #[test]
    fn refuses_text_that_is_no_decimal() {
        for given in ["", "-", ".", ".5", "5.", "1e3", "1,5", " 1", "1 ", "NaN", "--1", "0x1", "1.2.3", "١", "1.-2"] {
            let expected = format!("\"{given}\" is not a decimal number, such as \"12.50\"");
            assert_eq!(text::<18, 4>(given), Err(expected));
        }
    }

    #[test]
    fn refuses_digits_that_it_does_not_have() {
        let before =
            |given: &str| Err(format!("{given} does not fit Decimal(18, 4), which has 14 digits before the point"));
        for given in ["100000000000000", "-100000000000000.0000", &"9".repeat(38), &"9".repeat(60)] {
            assert_eq!(text::<18, 4>(given), before(given));
        }
        let after = "0.00001 does not fit Decimal(18, 4), which has 4 digits after the point";
        assert_eq!(text::<18, 4>("0.00001"), Err(after.to_owned()));
        assert!(text::<38, 0>(&format!("1{}", "0".repeat(38))).is_err());
        assert!(text::<38, 38>("1").is_err());
        assert!(text::<9, 0>("1000000000").is_err());
    }

    #[test]
    fn takes_json_integers_and_strings_exactly() {
        assert_eq!(json("12"), Ok("12.0000".into()));
        assert_eq!(json("-12"), Ok("-12.0000".into()));
        assert_eq!(json("99999999999999"), Ok("99999999999999.0000".into()));
        assert_eq!(json("\"99999999999999.9999\""), Ok("99999999999999.9999".into()));
        assert!(json("100000000000000").is_err());
        assert!(json("18446744073709551615").is_err());
        assert!(json("null").is_err());
        assert!(json("true").is_err());
    }

    #[test]
    fn takes_a_double_only_where_it_stands_for_one_decimal() {
        for (given, shown) in [
            ("149.90", "149.9000"),
            ("0.1", "0.1000"),
            ("-0.0", "0.0000"),
            ("1.1e2", "110.0000"),
            ("0.0001", "0.0001"),
            ("900719925474.0991", "900719925474.0991"),
            ("8.95", "8.9500"),
            ("1.005", "1.0050"),
        ] {
            assert_eq!(json(given), Ok(shown.into()), "{given}");
        }
        let advice = "is not exactly a Decimal(18, 4) as a JSON number, send it as a string";
        for given in ["0.00001", "900719925474.0993", "1e300", "99999999999999.9999", "1.00005"] {
            let refused = json(given);
            assert!(refused.as_ref().is_err_and(|reason| reason.contains(advice)), "{given}: {refused:?}");
        }
    }

    #[test]
    fn every_cent_survives_a_double() {
        for units in (0..100_000_000i64).step_by(9_973) {
            let given = format!("{}.{:04}", units / 10_000, units % 10_000);
            assert_eq!(json(&given), Ok(given));
        }
    }

    #[test]
    fn multiplies_with_a_check() {
        let price = Money::from_units(1_499_000);
        assert_eq!(
            price.and_then(|price| price.checked_mul_int(-3)).map(|sum| sum.to_string()),
            Some("-449.7000".into())
        );
        let largest = Money::from_units(Money::LARGEST);
        assert_eq!(largest.and_then(|largest| largest.checked_mul_int(2)), None);
        assert_eq!(largest.and_then(|largest| largest.checked_mul_int(i64::MIN)), None);
        assert_eq!(largest.and_then(|largest| largest.checked_mul_int(-1)), Money::from_units(-Money::LARGEST));
        let wide = Decimal::<38, 0>::from_units(10i128.pow(37));
        assert_eq!(wide.and_then(|wide| wide.checked_mul_int(10)), None);
        assert_eq!(wide.and_then(|wide| wide.checked_mul_int(9)), Decimal::from_units(9 * 10i128.pow(37)));
        assert_eq!(wide.and_then(|wide| wide.checked_mul_int(i64::MAX)), None);
        assert_eq!(largest.zip(Money::from_units(1)).and_then(|(largest, one)| largest.checked_add(one)), None);
    }

    #[test]
    fn units_beyond_the_digits_are_refused() {
        assert_eq!(Money::from_units(10i128.pow(18)), None);
        assert_eq!(Money::from_units(i128::MIN), None);
    }
}
