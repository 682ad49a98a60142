//! Columns that hold other values: arrays, maps and tuples. A list is written as its count and its elements.

use std::collections::{BTreeMap, HashMap};

use super::Column;
use crate::room::Room;

/// An array: its count, then its elements.
macro_rules! array {
    ($([$($generics:tt)*] $type:ty;)+) => {$(
        impl<T: Column, $($generics)*> Column for $type {
            const COMPOSED: bool = true;

            fn type_name() -> String {
                format!("Array({})", T::type_name())
            }

            #[inline]
            fn encode(&self, room: &mut Room<'_>) {
                room.length(self.len());
                self.iter().for_each(|element| element.encode(room));
            }
        }
    )+};
}

array! {
    [] [T];
    [] Vec<T>;
    [const N: usize] [T; N];
}

/// A map: its count, then key and value by turns.
macro_rules! map {
    ($([$($generics:tt)*] $type:ty;)+) => {$(
        impl<K: Column, V: Column, $($generics)*> Column for $type {
            const COMPOSED: bool = true;

            fn type_name() -> String {
                const { assert!(!K::NULLABLE, "the key of a Map is never null") };
                format!("Map({}, {})", K::type_name(), V::type_name())
            }

            #[inline]
            fn encode(&self, room: &mut Room<'_>) {
                room.length(self.len());
                for (key, value) in self {
                    key.encode(room);
                    value.encode(room);
                }
            }
        }
    )+};
}

map! {
    [] BTreeMap<K, V>;
    [S] HashMap<K, V, S>;
}

/// Pairs as a map, in their order: for what is a list already, and for keys that may stand twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs<'a, K, V>(pub &'a [(K, V)]);

impl<K: Column, V: Column> Column for Pairs<'_, K, V> {
    const COMPOSED: bool = true;

    fn type_name() -> String {
        BTreeMap::<K, V>::type_name()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        room.length(self.0.len());
        for (key, value) in self.0 {
            key.encode(room);
            value.encode(room);
        }
    }
}

macro_rules! tuple {
    ($(($($element:ident $index:tt),+);)+) => {$(
        impl<$($element: Column),+> Column for ($($element,)+) {
            const COMPOSED: bool = true;

            fn type_name() -> String {
                format!("Tuple({})", [$($element::type_name()),+].join(", "))
            }

            #[inline]
            fn encode(&self, room: &mut Room<'_>) {
                $(self.$index.encode(room);)+
            }
        }
    )+};
}

tuple! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DateTime64;
    use crate::room::tests::encoded;

    #[test]
    fn lists_are_a_count_and_their_elements() {
        assert_eq!(Vec::<Option<&str>>::type_name(), "Array(Nullable(String))");
        assert_eq!(encoded(vec![1u16, 2]), [2, 1, 0, 2, 0]);
        assert_eq!(encoded([[1u8], [2]]), [2, 1, 1, 1, 2]);
        assert_eq!(encoded(Vec::<u8>::new()), [0]);
        assert!(encoded(vec![0u8; 200]).starts_with(&[200, 1, 0]));
    }

    #[test]
    fn maps_are_keys_and_values_by_turns() {
        assert_eq!(BTreeMap::<String, Vec<u8>>::type_name(), "Map(String, Array(UInt8))");
        assert_eq!(encoded(BTreeMap::from([("b", 2u8), ("a", 1)])), [2, 1, b'a', 1, 1, b'b', 2]);
        assert_eq!(encoded(HashMap::from([(7u8, true)])), [1, 7, 1]);
        assert_eq!(encoded(Pairs(&[("b", 2u8), ("b", 1)])), [2, 1, b'b', 2, 1, b'b', 1]);
        assert_eq!(Pairs::<&str, DateTime64<3>>::type_name(), "Map(String, DateTime64(3))");
    }

    #[test]
    fn tuples_are_their_elements() {
        assert_eq!(<(u8, Option<&str>)>::type_name(), "Tuple(UInt8, Nullable(String))");
        assert_eq!(encoded((1u8, None::<&str>, "x")), [1, 1, 1, b'x']);
    }
}
