//! Objects in objects in objects, half of them read and half passed over.

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::Room;

use super::{Data, Source};
use crate::json::{self, Object, Spacing};
use crate::row::{self, Row};

/// A chain, and another that nobody reads.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Deep {
    id: u32,
    chain: Node,
}

/// A link of the chain and those within it.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Node {
    value: u16,
    next: Option<Box<Self>>,
}

impl Row for Deep {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        row::bytes(out, self.id.to_le_bytes());
        let mut node = Some(&self.chain);
        while let Some(Node { value, next }) = node {
            row::bytes(out, value.to_le_bytes());
            node = next.as_deref();
        }
    }
}

impl Data for Deep {
    type Borrowed<'a> = Self;
    type Owned = Self;

    fn write(source: &mut Source, out: &mut Vec<u8>) {
        let dice = &mut source.dice;
        json::object(out, Spacing::Tight, |object| {
            object.plain("id", dice.below(1_000_000));
            let levels = 16 + dice.below(24);
            object.object("chain", |object| chain(object, levels, dice.below(60_000)));
            let levels = 16 + dice.below(24);
            object.object("passed", |object| chain(object, levels, dice.below(60_000)));
        });
    }

    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self, crate::parsers::jiter::Fault> {
        use crate::parsers::jiter::{Fault, members, number, optional};
        fn node(jiter: &mut jiter::Jiter<'_>) -> Result<Node, Fault> {
            members! { jiter; value: number(jiter); next: optional(jiter, node) }
            Ok(Node { value, next: next.map(Box::new) })
        }
        members! { jiter; id: number(jiter), chain: node(jiter) }
        Ok(Self { id, chain })
    }
}

fn chain(object: &mut Object<'_>, levels: u32, value: u32) {
    object.plain("value", value);
    match levels {
        0 => object.plain("next", "null"),
        _ => object.object("next", |object| chain(object, levels - 1, value + 1)),
    }
}
