//! Exact decimal numbers. Read from text and from JSON, computed with checks, written as RowBinary by `column`. A
//! value that cannot be held exactly is refused, never rounded.

mod read;

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use tidegate_json::{NUMBER, Written};

use crate::invalid::InvalidValue;
use read::Fault;

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
/// From JSON it takes a string or a number, exactly as it is written. From a number that other code made a double of, such as one
/// that stands in a flattened struct, it takes the only decimal of `S` digits that has this double nearest, which there is up to 15
/// digits.
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
            // Exact products of 64 bits are calls in a guest. The double is wrong by far less than lies between the largest
            // number, below 10^18, and what 64 bits hold.
            let units = self.units as i64;
            let about = units as f64 * by as f64;
            return if about.abs() < 4e18 { Self::from_units(units.wrapping_mul(by).into()) } else { None };
        }
        Self::from_units(self.units.checked_mul(i128::from(by))?)
    }

    /// From a number of JSON as it is written there, which may have an exponent.
    ///
    /// # Errors
    /// Where the text is no such number, or has more digits than the type.
    #[inline]
    pub fn parse_number(number: &str) -> Result<Self, InvalidValue> {
        Self::checked(read::number(number.as_bytes(), S)).map_err(|fault| Self::invalid(number, fault))
    }

    /// By how many digits stand behind the point: the largest digits as an integer that are few enough for 64 bits and for the type,
    /// and what an integer is multiplied with to become units. Zeros where only zero is.
    const SHORT: [(u64, u64); 8] = {
        let mut table = [(0, 0); 8];
        let mut fraction = 0;
        while fraction < table.len() as u32 {
            if fraction <= S && S - fraction <= 18 {
                let one = 10u64.pow(S - fraction);
                let most = Self::LARGEST / one as i128;
                let fits = i64::MAX as u64 / one;
                #[expect(clippy::indexing_slicing, reason = "checked by the loop's condition, when this is compiled")]
                {
                    table[fraction as usize] = (if most < fits as i128 { most as u64 } else { fits }, one);
                }
            }
            fraction += 1;
        }
        table
    };

    /// From the digits of a number as an integer, of which some stand behind the point. `None` where it is not worth a way of its own,
    /// or does not fit.
    #[inline(always)]
    pub(crate) fn from_short(digits: u64, fraction: u32) -> Option<Self> {
        let &(most, one) = const { Self::SHORT }.get(fraction as usize)?;
        (digits <= most).then(|| Self { units: (digits * one).into() })
    }

    /// From a number of JSON as tidegate-json hands it over.
    #[inline(always)]
    fn from_written(written: Written<'_>) -> Result<Self, InvalidValue> {
        if let Written::Short { digits, fraction } = written
            && let Some(value) = Self::from_short(digits, fraction)
        {
            return Ok(value);
        }
        Self::parse_number(&written.to_string())
    }

    #[inline]
    fn checked(units: Result<i128, Fault>) -> Result<Self, Fault> {
        Self::from_units(units?).ok_or(Fault::Digits)
    }

    #[inline]
    fn from_integer(value: i128) -> Result<Self, Fault> {
        let one = const { 10i128.pow(S) };
        let largest = const { Self::LARGEST / 10i128.pow(S) };
        if !(-largest..=largest).contains(&value) {
            return Err(Fault::Digits);
        }
        // The product is within the type. One of 128 bits costs a guest a call.
        let units = if P <= 18 { i128::from(value as i64 * one as i64) } else { value * one };
        Ok(Self { units })
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

impl<const P: u32, const S: u32> FromStr for Decimal<P, S> {
    type Err = InvalidValue;

    #[inline]
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::checked(read::text(text.as_bytes(), S)).map_err(|fault| Self::invalid(text, fault))
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
    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NUMBER, DecimalVisitor)
    }
}

struct DecimalVisitor<const P: u32, const S: u32>;

impl<'de, const P: u32, const S: u32> Visitor<'de> for DecimalVisitor<P, S> {
    type Value = Decimal<P, S>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a decimal number")
    }

    #[inline(always)]
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    /// A number as it is written.
    #[inline(always)]
    fn visit_bytes<E: Error>(self, number: &[u8]) -> Result<Self::Value, E> {
        match Written::from_bytes(number) {
            Some(written) => Decimal::from_written(written).map_err(E::custom),
            None => Err(E::invalid_type(Unexpected::Bytes(number), &self)),
        }
    }

    /// What does not know [`NUMBER`].
    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
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
    fn takes_a_number_as_it_is_written_where_it_is_handed_over_so() {
        use serde::de::value::{BorrowedBytesDeserializer, Error};
        let written = |number: &'static str| {
            let read = Money::deserialize(BorrowedBytesDeserializer::<Error>::new(number.as_bytes()));
            read.map(|value| value.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(written("900719925474.0993"), Ok("900719925474.0993".into()));
        assert_eq!(written("-99999999999999.9999"), Ok("-99999999999999.9999".into()));
        assert_eq!(written("1.1e2"), Ok("110.0000".into()));
        let after = "1e-5 does not fit Decimal(18, 4), which has 4 digits after the point";
        assert_eq!(written("1e-5"), Err(after.into()));
        let before = "1e15 does not fit Decimal(18, 4), which has 14 digits before the point";
        assert_eq!(written("1e15"), Err(before.into()));
    }

    #[test]
    fn few_digits_are_read_as_the_whole_number_is() {
        fn same<const P: u32, const S: u32>(digits: u64, fraction: u32) {
            let text = Written::Short { digits, fraction }.to_string();
            if let Some(value) = Decimal::<P, S>::from_short(digits, fraction) {
                assert_eq!(Decimal::<P, S>::parse_number(&text), Ok(value), "{text}");
            }
        }
        for fraction in 0..=7 {
            for power in 0..14 {
                for digits in [0, 1, 9, 10].map(|more| (10u64.pow(power) + more).saturating_sub(1)) {
                    same::<18, 4>(digits, fraction);
                    same::<9, 9>(digits, fraction);
                    same::<5, 0>(digits, fraction);
                    same::<38, 20>(digits, fraction);
                    same::<76, 38>(digits, fraction);
                }
            }
        }
        assert_eq!(Money::from_short(14_990, 2), Money::from_units(1_499_000));
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
        // What wraps round to something small in 64 bits.
        let wrapping = Money::from_units(1 << 32);
        assert_eq!(wrapping.and_then(|units| units.checked_mul_int(1 << 32)), None);
        assert_eq!(
            Money::from_units(3).and_then(|three| three.checked_mul_int(333_333_333_333_333_333)),
            Money::from_units(Money::LARGEST)
        );
        assert_eq!(Money::from_units(-4).and_then(|four| four.checked_mul_int(250_000_000_000_000_000)), None);
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
