//! Text for a terminal or a file: pieces in tones that flow into lines of a width. The only door to the output: what a piece says is
//! escaped here, so that no record commands the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::tap::escaped;

/// What a span looks like, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// Where something begins.
    Title,
    /// What explains.
    Faint,
    /// Names.
    Name,
    /// Became rows.
    Good,
    /// Was dropped.
    Odd,
    /// Was rejected.
    Bad,
}

impl Tone {
    /// SGR: select graphic rendition, of ECMA-48.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Title => Some("1"),
            Self::Faint => Some("2"),
            Self::Name => Some("36"),
            Self::Good => Some("32"),
            Self::Odd => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// What stays together on a line as long as it fits.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece(Vec<(Tone, String)>);

impl Piece {
    pub fn new(tone: Tone, text: &str) -> Self {
        Self::default().and(tone, text)
    }

    #[must_use]
    pub fn and(mut self, tone: Tone, text: &str) -> Self {
        self.0.push((tone, escaped(text)));
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }
}

/// Where the text goes and what it looks like there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Columns.
    pub width: usize,
    pub colours: Colours,
}

/// Whether tones are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    On,
    Off,
}

/// Between two pieces of a line.
const GAP: usize = 2;

/// Fewer columns than this are not counted with: a line has to hold something.
const NARROWEST: usize = 20;

impl Page {
    /// Columns beside an indent.
    pub fn beside(&self, indent: usize) -> usize {
        self.width.saturating_sub(indent).max(NARROWEST)
    }

    /// Adds lines that begin at `indent` and hold as many pieces each as fit. A piece that is wider than a line is broken between words, or
    /// where the line ends, and goes on a little further in.
    pub fn flow(&self, out: &mut String, indent: usize, pieces: &[Piece]) {
        let width = indent + self.beside(indent);
        let mut column = 0;
        for piece in pieces {
            let begins = column == 0;
            if begins || column + GAP + piece.width() > width {
                if !begins {
                    out.push('\n');
                }
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                out.push_str(&" ".repeat(GAP));
                column += GAP;
            }
            column = self.piece(out, piece, Cursor { column, indent: indent + GAP, width });
        }
        if column > 0 {
            out.push('\n');
        }
    }

    /// Adds a piece and returns the column behind it.
    fn piece(&self, out: &mut String, piece: &Piece, cursor: Cursor) -> usize {
        let Cursor { mut column, indent, width } = cursor;
        for (tone, text) in &piece.0 {
            let code = tone.code().filter(|_| self.colours == Colours::On);
            let start = |out: &mut String| code.iter().for_each(|code| out.push_str(&format!("\u{1b}[{code}m")));
            let end = |out: &mut String| code.iter().for_each(|_| out.push_str("\u{1b}[0m"));
            start(out);
            let next_line = |out: &mut String| {
                end(out);
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                start(out);
                indent
            };
            for word in text.split_inclusive(' ') {
                let wide = word.trim_end().width();
                if column + wide > width && column > indent && indent + wide <= width {
                    column = next_line(out);
                }
                for c in word.chars() {
                    let wide = c.width().unwrap_or(0);
                    if column + wide > width {
                        // A blank at the end of a line is not missed.
                        if c == ' ' {
                            continue;
                        }
                        column = next_line(out);
                    }
                    out.push(c);
                    column += wide;
                }
            }
            end(out);
        }
        column
    }
}

/// Where a piece begins, where its further lines do, and where lines end.
#[derive(Clone, Copy)]
struct Cursor {
    column: usize,
    indent: usize,
    width: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flowed(width: usize, indent: usize, pieces: &[&str]) -> String {
        let pieces: Vec<_> = pieces.iter().map(|text| Piece::new(Tone::Good, text)).collect();
        let mut out = String::new();
        Page { width, colours: Colours::Off }.flow(&mut out, indent, &pieces);
        out
    }

    #[test]
    fn pieces_stay_together_and_lines_end_at_the_width() {
        assert_eq!(flowed(20, 2, &["one two", "three", "four five", "six"]), "  one two  three\n  four five  six\n");
        assert_eq!(flowed(24, 4, &["abcdefghijklmnopqrstuvwxyz", "!"]), "    abcdefghijklmnopqrst\n      uvwxyz  !\n");
        assert_eq!(flowed(20, 2, &["refused: it does not fit at all"]), "  refused: it does not\n    fit at all\n");
        // Two columns each.
        assert_eq!(flowed(20, 0, &["漢字漢字漢字漢字", "漢字"]), "漢字漢字漢字漢字\n漢字\n");
        assert_eq!(flowed(20, 2, &[]), "");
    }

    #[test]
    fn colours_are_on_only_where_they_are_wanted_and_records_bring_none() {
        let page = |colours| {
            let mut out = String::new();
            Page { width: 80, colours }.flow(&mut out, 0, &[Piece::new(Tone::Bad, "a\u{1b}[32mb")]);
            out
        };
        assert_eq!(page(Colours::On), "\u{1b}[31ma\\x1b[32mb\u{1b}[0m\n");
        assert_eq!(page(Colours::Off), "a\\x1b[32mb\n");
    }
}
