//! A block of lines at the bottom of a terminal, drawn over itself. Every frame leaves the terminal as it found it, so that
//! nothing has to be restored however the process ends.

use std::io::{self, Write};

use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
};
use crossterm::{cursor, queue, terminal};

use crate::text::{Line, Tone};

/// What is assumed where the terminal does not say.
const DEFAULT_SIZE: (u16, u16) = (100, 40);

/// A terminal with a block of lines on it.
#[derive(Debug, Default)]
pub struct Terminal {
    /// Lines drawn above the cursor.
    drawn: u16,
    size: (u16, u16),
}

impl Terminal {
    /// Columns and lines to draw into.
    pub fn size(&self) -> (usize, usize) {
        let (columns, lines) = terminal::size().unwrap_or(DEFAULT_SIZE);
        // The cursor stands on the last line.
        (usize::from(columns), usize::from(lines.saturating_sub(1)))
    }

    /// Draws over the block before. Lines that do not fit are left out.
    ///
    /// # Errors
    /// Where standard output cannot be written to.
    pub fn draw(&mut self, lines: &[Line]) -> io::Result<()> {
        let size = terminal::size().unwrap_or(DEFAULT_SIZE);
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate, cursor::Hide, DisableLineWrap)?;
        if self.drawn > 0 && self.size != size {
            // A terminal that got narrower has wrapped the block: nobody knows where it begins now.
            queue!(frame, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        } else {
            self.go_to_top(&mut frame)?;
        }
        let fitting = usize::from(size.1.saturating_sub(1));
        for line in lines.iter().take(fitting) {
            write_line(&mut frame, line)?;
        }
        queue!(frame, Clear(ClearType::FromCursorDown), EnableLineWrap, cursor::Show, EndSynchronizedUpdate)?;
        self.drawn = u16::try_from(lines.len().min(fitting)).unwrap_or(u16::MAX);
        self.size = size;
        flush(&frame)
    }

    /// Takes the block away.
    ///
    /// # Errors
    /// As for [`Self::draw`].
    pub fn clear(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        self.go_to_top(&mut frame)?;
        queue!(frame, Clear(ClearType::FromCursorDown))?;
        self.drawn = 0;
        flush(&frame)
    }

    fn go_to_top(&self, frame: &mut Vec<u8>) -> io::Result<()> {
        queue!(frame, cursor::MoveToColumn(0))?;
        // A distance of zero would move by one.
        if self.drawn > 0 {
            queue!(frame, cursor::MoveUp(self.drawn))?;
        }
        Ok(())
    }
}

/// Writes lines that stay, in colours.
///
/// # Errors
/// Where standard output cannot be written to.
pub fn print(lines: &[Line]) -> io::Result<()> {
    let mut text = Vec::new();
    for line in lines {
        write_line(&mut text, line)?;
    }
    flush(&text)
}

fn write_line(out: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    // Before the text: behind a text that fills the line, the last character would be cleared.
    queue!(out, Clear(ClearType::UntilNewLine))?;
    match line.tone {
        Tone::Plain => {}
        Tone::Title => queue!(out, SetAttribute(Attribute::Bold))?,
        Tone::Faint => queue!(out, SetForegroundColor(Color::DarkGrey))?,
        Tone::Good => queue!(out, SetForegroundColor(Color::Green))?,
        Tone::Bad => queue!(out, SetForegroundColor(Color::Red))?,
    }
    queue!(out, Print(&line.text), SetAttribute(Attribute::Reset), ResetColor, Print("\r\n"))
}

/// In one piece, so that no frame is seen half.
fn flush(frame: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(frame)?;
    out.flush()
}
