//! Requests to a server: some 500 bytes, of which four members are needed.

use std::ops::Deref;

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::{Room, Text};

use super::{Data, Source};
use crate::json::{self, Spacing, put};
use crate::row::{self, Row};

/// What is needed of a request; `S` is its text.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Request<S> {
    id: u64,
    path: S,
    status: u16,
    ms: f64,
}

impl<S: Deref<Target = str>> Row for Request<S> {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        row::bytes(out, self.id.to_le_bytes());
        row::text(out, &self.path);
        row::bytes(out, self.status.to_le_bytes());
        row::bytes(out, self.ms.to_le_bytes());
    }
}

/// Requests.
#[derive(Debug)]
pub struct Requests;

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.17.0",
];

impl Data for Requests {
    type Borrowed<'a> = Request<Text<'a>>;
    type Owned = Request<String>;

    fn write(source: &mut Source, out: &mut Vec<u8>) {
        let dice = &mut source.dice;
        json::object(out, Spacing::Tight, |object| {
            object.plain("id", dice.bits() >> 12);
            object.text("host", format_args!("edge-{}.example.org", dice.below(40)));
            object.object("headers", |object| {
                object.text("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
                object.text("user-agent", dice.pick(&AGENTS));
                object.text("cookie", format_args!("session={:016x}; theme=\\\"dark\\\"", dice.bits()));
            });
            object.text("path", format_args!("/catalogue/{}/item-{}", dice.below(30), dice.below(10_000)));
            object.array("trace", 1 + dice.below(4), |index, out| {
                put(out, format_args!("{{\"hop\":{index},\"ms\":{}.{},\"cached\":", dice.below(50), dice.below(1_000)));
                put(out, format_args!("{}}}", dice.one_in(3)));
            });
            object.plain("status", dice.pick(&[200, 200, 200, 304, 404, 500]));
            object.object("region", |object| {
                object.plain("at", format_args!("[{}.{},{}.{}]", dice.below(90), dice.below(99), dice.below(180), 5));
                object.plain("beta", dice.one_in(9));
                object.plain("experiment", "null");
            });
            object.plain("ms", format_args!("{}.{:03}", dice.below(900), dice.below(1_000)));
        });
    }

    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault> {
        use crate::parsers::jiter::{float, members, number, text};
        members! { jiter; id: number(jiter), path: text(jiter), status: number(jiter), ms: float(jiter) }
        Ok(Request { id, path, status, ms })
    }
}
