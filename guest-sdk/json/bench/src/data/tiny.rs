//! Records of 30 bytes, where what is not the fields themselves costs most.

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::Room;

use super::{Data, Source};
use crate::json::{self, Spacing};
use crate::row::{self, Row};

/// A state of something.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Tiny {
    id: u32,
    v: i16,
    ok: bool,
}

impl Row for Tiny {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        row::bytes(out, self.id.to_le_bytes());
        row::bytes(out, self.v.to_le_bytes());
        row::bytes(out, [u8::from(self.ok)]);
    }
}

impl Data for Tiny {
    type Borrowed<'a> = Self;
    type Owned = Self;

    fn write(source: &mut Source, out: &mut Vec<u8>) {
        let dice = &mut source.dice;
        json::object(out, Spacing::Tight, |object| {
            object.plain("id", 100_000 + dice.below(900_000));
            object.plain("v", dice.below(200) as i32 - 100);
            object.plain("ok", dice.one_in(2));
        });
    }

    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault> {
        use crate::parsers::jiter::{members, number};
        members! { jiter; id: number(jiter), v: number(jiter), ok: jiter.next_bool() }
        Ok(Self { id, v, ok })
    }
}
