//! Types of columns as JSON, for rows that are objects: as the texts that the gateway and ClickHouse read exactly.

use serde::{Serialize, Serializer};

use crate::{Date, Date32, DateTime, DateTime64, Decimal, FixedString, Text, Uuid};

macro_rules! as_text {
    ($([$($generics:tt)*] $type:ty;)+) => {$(
        impl<$($generics)*> Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

as_text! {
    [] Date;
    [] Date32;
    [] DateTime;
    [const N: usize] FixedString<N>;
    [const P: u32] DateTime64<P>;
    [const P: u32, const N: u32] Decimal<P, N>;
    [] Text<'_>;
    [] Uuid;
}
