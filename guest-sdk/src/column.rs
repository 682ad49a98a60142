//! The types that a column can have, and their RowBinary. Called for every column of every row, so everything here
//! is small enough to be inlined. The format: <https://clickhouse.com/docs/interfaces/formats/RowBinary>.

mod containers;
mod wide;

use std::borrow::Cow;
use std::rc::Rc;

use crate::decimal::Decimal;
use crate::room::Room;
use crate::text::Text;
use crate::time::{Date, Date32, DateTime, DateTime64, Time, Time64};
use crate::{Int256, UInt256, Uuid, time};

pub use self::containers::Pairs;
pub use self::wide::{BFloat16, FixedString, Json};

/// A type that a column can have.
pub trait Column {
    /// Whether a null can be written already: `Nullable` cannot be nested.
    const NULLABLE: bool = false;

    /// Whether the value is made of others: ClickHouse has nulls within it, not in its place.
    const COMPOSED: bool = false;

    /// The type as ClickHouse writes it.
    fn type_name() -> String;

    /// Writes the value in RowBinary, each time the same.
    fn encode(&self, room: &mut Room<'_>);
}

macro_rules! number {
    ($($rust:ty => $clickhouse:literal),+ $(,)?) => {$(
        impl Column for $rust {
            fn type_name() -> String {
                $clickhouse.to_owned()
            }

            #[inline]
            fn encode(&self, room: &mut Room<'_>) {
                room.put(self.to_le_bytes());
            }
        }
    )+};
}

number! {
    u8 => "UInt8", u16 => "UInt16", u32 => "UInt32", u64 => "UInt64",
    i8 => "Int8", i16 => "Int16", i32 => "Int32", i64 => "Int64",
    u128 => "UInt128", i128 => "Int128", UInt256 => "UInt256", Int256 => "Int256",
    f32 => "Float32", f64 => "Float64",
}

impl Column for bool {
    fn type_name() -> String {
        "Bool".to_owned()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        room.put([u8::from(*self)]);
    }
}

impl Column for str {
    fn type_name() -> String {
        "String".to_owned()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        room.string(self.as_bytes());
    }
}

/// Types that are written as what they stand for.
macro_rules! transparent {
    ($([$($generics:tt)*] $type:ty => $target:ty;)+) => {$(
        impl<$($generics)*> Column for $type {
            const NULLABLE: bool = <$target>::NULLABLE;
            const COMPOSED: bool = <$target>::COMPOSED;

            fn type_name() -> String {
                <$target>::type_name()
            }

            #[inline]
            fn encode(&self, room: &mut Room<'_>) {
                let value: &$target = self;
                value.encode(room);
            }
        }
    )+};
}

transparent! {
    [] String => str;
    [] Cow<'_, str> => str;
    [] Text<'_> => str;
    [T: Column + ?Sized] &T => T;
    [T: Column + ?Sized] Rc<T> => T;
}

impl Column for Uuid {
    fn type_name() -> String {
        "UUID".to_owned()
    }

    /// Two 64-bit numbers, the high half first, each little-endian.
    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        let (high, low) = self.as_u64_pair();
        high.encode(room);
        low.encode(room);
    }
}

impl Column for DateTime {
    fn type_name() -> String {
        "DateTime".to_owned()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        self.seconds().encode(room);
    }
}

/// Types that are one number.
macro_rules! of_a_number {
    ($([$($generics:tt)*] $type:ty, $name:expr, $number:ident;)+) => {$(
        impl<$($generics)*> Column for $type {
            fn type_name() -> String {
                $name
            }

            #[inline]
            fn encode(&self, room: &mut Room<'_>) {
                self.$number().encode(room);
            }
        }
    )+};
}

of_a_number! {
    [] Date, "Date".to_owned(), days;
    [] Date32, "Date32".to_owned(), days;
    [] Time, "Time".to_owned(), seconds;
    [const P: u32] Time64<P>, format!("Time64({P})"), ticks;
}

impl<const P: u32> Column for DateTime64<P> {
    fn type_name() -> String {
        const { assert!(P <= time::FINEST, "DateTime64 counts no finer than nanoseconds") };
        format!("DateTime64({P})")
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        self.ticks().encode(room);
    }
}

impl<const P: u32, const S: u32> Column for Decimal<P, S> {
    fn type_name() -> String {
        format!("Decimal({P}, {S})")
    }

    /// A signed integer of 32 bits up to 9 digits, of 64 up to 18, of 128 up to 38, of 256 beyond. A `Decimal` is within its
    /// digits, so what is cut off are copies of the sign.
    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        let units = self.units();
        match P {
            0..=9 => (units as i32).encode(room),
            10..=18 => (units as i64).encode(room),
            19..=38 => room.put(units.to_le_bytes()),
            _ => Int256::from(units).encode(room),
        }
    }
}

impl<T: Column> Column for Option<T> {
    const NULLABLE: bool = true;

    fn type_name() -> String {
        const { assert!(!T::NULLABLE, "an Option of an Option is no column") };
        const {
            assert!(
                !T::COMPOSED,
                "an Option of a list, a map or a tuple is no column: let it be empty, or its elements Options"
            )
        };
        format!("Nullable({})", T::type_name())
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        match self {
            Some(value) => {
                room.put([0]);
                value.encode(room);
            }
            None => room.put([1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::encoded;

    #[test]
    fn strings_of_every_short_length_arrive_whole() {
        for length in 0..100 {
            let text: String = ('!'..='~').cycle().take(length).collect();
            let mut expected = vec![length as u8];
            expected.extend(text.as_bytes());
            assert_eq!(encoded(text.as_str()), expected);
        }
    }

    #[test]
    fn lengths_are_leb128() {
        for (count, prefix) in
            [(127, &[127][..]), (128, &[0x80, 1]), (16_383, &[0xff, 0x7f]), (16_384, &[0x80, 0x80, 1])]
        {
            let bytes = encoded("x".repeat(count));
            assert!(bytes.starts_with(prefix), "{count}");
            assert_eq!(bytes.len(), count + prefix.len());
        }
    }

    #[test]
    fn integers_are_little_endian() {
        assert_eq!(encoded(0x0102u16), [2, 1]);
        assert_eq!(encoded(-2i32), [0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(encoded(true), [1]);
        assert_eq!(encoded(1.0f64), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    }

    #[test]
    fn a_uuid_is_two_little_endian_halves() -> Result<(), Box<dyn std::error::Error>> {
        let uuid: Uuid = "00112233-4455-6677-8899-aabbccddeeff".parse()?;
        let expected = [0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88];
        assert_eq!(encoded(uuid), expected);
        Ok(())
    }

    #[test]
    fn decimals_are_as_wide_as_their_digits_need() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(encoded("-0.01".parse::<Decimal<9, 2>>()?), [0xff; 4]);
        assert_eq!(encoded("-0.01".parse::<Decimal<10, 2>>()?), [0xff; 8]);
        assert_eq!(encoded("-0.01".parse::<Decimal<18, 2>>()?), [0xff; 8]);
        assert_eq!(encoded("-0.01".parse::<Decimal<19, 2>>()?), [0xff; 16]);
        assert_eq!(encoded("-0.01".parse::<Decimal<76, 2>>()?), [0xff; 32]);
        assert_eq!(Decimal::<18, 4>::type_name(), "Decimal(18, 4)");
        Ok(())
    }

    #[test]
    fn a_null_is_a_flag_before_the_value() {
        assert_eq!(encoded(None::<u32>), [1]);
        assert_eq!(encoded(Some(5u16)), [0, 5, 0]);
        assert_eq!(Option::<&str>::type_name(), "Nullable(String)");
    }
}
