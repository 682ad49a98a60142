//! Reads a message from its front to its end, and says at which byte it stops being one.

use std::fmt::Display;

use tidegate_plugin::Reject;

/// Where in a message one is.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// How much of what was found an error repeats.
const SHOWN_CHARACTERS: usize = 20;

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// All that was not read yet.
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn next_is(&self, wanted: impl Fn(u8) -> bool) -> bool {
        self.rest().bytes().next().is_some_and(wanted)
    }

    /// Takes this text where it stands next, and says whether it did.
    pub fn skip(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Takes this text, which must stand next.
    pub fn expect(&mut self, text: &str) -> Result<(), Reject> {
        match self.skip(text) {
            true => Ok(()),
            false => Err(self.expected(format_args!("{text:?}"))),
        }
    }

    /// Takes all bytes up to the first that is not `wanted`. They must be ASCII.
    pub fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !wanted(byte)).unwrap_or(rest.len());
        self.take(length)
    }

    /// The same for at least one byte; `name` is what they are.
    pub fn word(&mut self, name: &str, wanted: impl Fn(u8) -> bool) -> Result<&'a str, Reject> {
        match self.take_while(wanted) {
            "" => Err(self.expected(name)),
            word => Ok(word),
        }
    }

    /// Takes so many bytes, or all there are where they do not end between two characters.
    pub fn take(&mut self, length: usize) -> &'a str {
        let rest = self.rest();
        let (taken, _) = rest.split_at_checked(length).unwrap_or((rest, ""));
        self.at += taken.len();
        taken
    }

    /// Goes back before a word that was taken.
    pub fn give_back(&mut self, word: &str) {
        self.at = self.at.saturating_sub(word.len());
    }

    /// The message is none from here on.
    #[cold]
    pub fn expected(&self, what: impl Display) -> Reject {
        let found: String = self.rest().chars().take(SHOWN_CHARACTERS).collect();
        let found = match found.as_str() {
            "" => "the end".to_owned(),
            found => format!("{found:?}"),
        };
        self.fault(format_args!("expected {what}, found {found}"))
    }

    #[cold]
    pub fn fault(&self, what: impl Display) -> Reject {
        Reject::new(format!("not a syslog message at byte {}: {what}", self.at))
    }
}

/// A byte of a word in a header: printable and no space.
pub fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic()
}
