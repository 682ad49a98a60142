//! Articles in Russian, Japanese and emoji: text that is not ASCII, all of it read.

use std::ops::Deref;

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::{Room, Text};

use super::{Data, Source};
use crate::dice::Dice;
use crate::json::{self, Spacing, put};
use crate::row::{self, Row};

/// An article; `S` is its text.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Article<S> {
    id: u32,
    author: S,
    title: S,
    body: S,
    lang: S,
}

impl<S: Deref<Target = str>> Row for Article<S> {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        row::bytes(out, self.id.to_le_bytes());
        row::text(out, &self.author);
        row::text(out, &self.title);
        row::text(out, &self.body);
        row::text(out, &self.lang);
    }
}

/// Articles of 100 to 700 bytes, one of 50 with escapes.
#[derive(Debug)]
pub struct Articles;

const RUSSIAN: [&str; 8] =
    ["прилив", "и отлив", "у причала", "чайник", "медный самовар", "ёж", "подстаканник,", "объявление"];
const JAPANESE: [&str; 8] = ["潮", "の満ち引き", "港で", "急須", "銅の", "茶碗、", "ハリネズミ", "お知らせ。"];
const EMOJI: [&str; 4] = ["📦", "🦔", "🫖", "👩‍🚀"];

impl Data for Articles {
    type Borrowed<'a> = Article<Text<'a>>;
    type Owned = Article<String>;

    fn write(source: &mut Source, out: &mut Vec<u8>) {
        let dice = &mut source.dice;
        let (lang, words, space) = if dice.one_in(2) { ("ru", &RUSSIAN, " ") } else { ("ja", &JAPANESE, "") };
        json::object(out, Spacing::Tight, |object| {
            object.plain("id", dice.below(1_000_000));
            for (name, least, most) in [("author", 1, 2), ("title", 3, 6), ("body", 6, 30)] {
                let escape = dice.one_in(150);
                let out = object.member(name);
                out.push(b'"');
                for _ in 0..least + dice.below(most - least + 1) {
                    put(out, format_args!("{}{space}", dice.pick(words)));
                }
                emoji(out, dice);
                put(out, if escape { "\\n\\u2026\"" } else { "\"" });
            }
            object.text("lang", lang);
        });
    }

    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault> {
        use crate::parsers::jiter::{members, number, text};
        members! { jiter; id: number(jiter), author: text(jiter), title: text(jiter), body: text(jiter), lang: text(jiter) }
        Ok(Article { id, author, title, body, lang })
    }
}

fn emoji(out: &mut Vec<u8>, dice: &mut Dice) {
    if dice.one_in(3) {
        put(out, dice.pick(&EMOJI));
    }
}
