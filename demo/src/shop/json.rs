//! Writes one JSON object into a reused buffer, for the records of the shop. It escapes nothing: a caller that needs
//! an escape writes it out with [`Object::raw`].

/// What stands between the tokens of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spacing {
    /// Nothing.
    Tight,
    /// A space after colons and commas.
    Spaced,
    /// A line to each member, as a pretty-printer leaves it.
    Lines,
}

/// An object under way. Ends with [`Object::end`].
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    spacing: Spacing,
    separator: &'static [u8],
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, spacing: Spacing) -> Self {
        out.push(b'{');
        let separator: &[u8] = match spacing {
            Spacing::Tight | Spacing::Spaced => b"",
            Spacing::Lines => b"\r\n\t",
        };
        Self { out, spacing, separator }
    }

    pub(super) fn end(self) {
        if let Spacing::Lines = self.spacing {
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.push(b'}');
    }

    /// Writes the name of a member; what is written to the buffer it returns is the value.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(self.separator);
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        let (colon, separator): (&[u8], &'static [u8]) = match self.spacing {
            Spacing::Tight => (b"\":", b","),
            Spacing::Spaced => (b"\": ", b", "),
            Spacing::Lines => (b"\" : ", b",\r\n\t"),
        };
        self.out.extend_from_slice(colon);
        self.separator = separator;
        self.out
    }

    pub(super) fn raw(&mut self, name: &str, json: &[u8]) {
        self.member(name).extend_from_slice(json);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        let out = self.member(name);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }

    pub(super) fn integer(&mut self, name: &str, value: i64) {
        integer(self.member(name), value);
    }
}

pub(super) fn integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    natural(out, value.unsigned_abs());
}

pub(super) fn natural(out: &mut Vec<u8>, value: u64) {
    if value >= 10 {
        natural(out, value / 10);
    }
    out.push(b'0' + (value % 10) as u8);
}

/// The last `N` decimal digits of `value`, with leading zeros.
pub(super) fn digits<const N: usize>(out: &mut Vec<u8>, mut value: u32) {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&text);
}

/// A UUID in its usual notation (RFC 9562, section 4), quoted.
pub(super) fn uuid(out: &mut Vec<u8>, id: [u8; 16]) {
    out.push(b'"');
    for (position, byte) in id.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&[hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
    }
    out.push(b'"');
}

fn hexadecimal(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}
