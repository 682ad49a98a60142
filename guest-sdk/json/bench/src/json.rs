//! Writes JSON. It escapes nothing: what needs an escape is written with it.

use std::fmt::Display;
use std::io::Write;

/// What stands between the tokens of an object.
#[derive(Clone, Copy, Debug, Default)]
pub enum Spacing {
    /// Nothing.
    #[default]
    Tight,
    /// A space after colons and commas.
    Spaced,
    /// A line to each member, as a pretty-printer leaves it.
    Lines,
}

/// Writes one object; its members are what `members` writes.
pub fn object(out: &mut Vec<u8>, spacing: Spacing, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    let first = match spacing {
        Spacing::Tight | Spacing::Spaced => "",
        Spacing::Lines => "\r\n\t",
    };
    let mut object = Object { out, spacing, separator: first };
    members(&mut object);
    if let Spacing::Lines = spacing {
        out.extend_from_slice(b"\r\n");
    }
    out.push(b'}');
}

/// An object under way.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    spacing: Spacing,
    separator: &'static str,
}

impl Object<'_> {
    /// A member's name; what is written to the answered buffer is its value.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        let (colon, separator) = match self.spacing {
            Spacing::Tight => (":", ","),
            Spacing::Spaced => (": ", ", "),
            Spacing::Lines => (" : ", ",\r\n\t"),
        };
        put(self.out, format_args!("{}\"{name}\"{colon}", self.separator));
        self.separator = separator;
        self.out
    }

    /// A member whose value is shown as JSON.
    pub fn plain(&mut self, name: &str, value: impl Display) {
        put(self.member(name), value);
    }

    /// A member whose value is text.
    pub fn text(&mut self, name: &str, value: impl Display) {
        put(self.member(name), format_args!("\"{value}\""));
    }

    /// A member that is an object.
    pub fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        let spacing = self.spacing;
        object(self.member(name), spacing, members);
    }

    /// A member that is an array of `count` elements.
    pub fn array(&mut self, name: &str, count: u32, mut element: impl FnMut(u32, &mut Vec<u8>)) {
        let out = self.member(name);
        out.push(b'[');
        for index in 0..count {
            if index > 0 {
                out.push(b',');
            }
            element(index, out);
        }
        out.push(b']');
    }
}

/// Appends what a value shows.
pub fn put(out: &mut Vec<u8>, value: impl Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}
