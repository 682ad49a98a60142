//! Shows figures on standard output: a block that is drawn over itself on a terminal, else one line a second.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::live_view::{Figures, Scene, block, line};
use crate::terminal::{Terminal, print};
use crate::text::Line;

/// How often a line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Standard output, whatever it is.
pub enum Screen {
    /// People look at it.
    Terminal(Terminal),
    /// A file or a pipe. Holds when the next line is due; none was written yet without.
    Lines(Option<Duration>),
}

impl Screen {
    /// Finds out what standard output is.
    pub fn of_standard_output() -> Self {
        if io::stdout().is_terminal() { Self::Terminal(Terminal::default()) } else { Self::Lines(None) }
    }

    /// Shows a moment.
    ///
    /// # Errors
    /// Where standard output cannot be written to.
    pub fn show(&mut self, scene: &Scene, figures: &Figures) -> io::Result<()> {
        match self {
            Self::Terminal(terminal) => terminal.draw(&block(scene, figures, terminal.size())),
            Self::Lines(due) => {
                if due.is_none() {
                    let Scene { rows, http, log, .. } = scene;
                    writeln!(io::stdout(), "rows in {rows}, log in {log}, metrics at {http}/metrics")?;
                }
                if due.is_some_and(|due| figures.elapsed < due) {
                    return Ok(());
                }
                *due = Some(figures.elapsed + LINE_INTERVAL);
                writeln!(io::stdout(), "{}", line(figures))
            }
        }
    }

    /// Writes the end in place of the last moment.
    ///
    /// # Errors
    /// As for [`Self::show`].
    pub fn finish(&mut self, lines: &[Line]) -> io::Result<()> {
        match self {
            Self::Terminal(terminal) => {
                terminal.clear()?;
                print(lines)
            }
            Self::Lines(_) => lines.iter().try_for_each(|line| writeln!(io::stdout(), "{}", line.text)),
        }
    }
}
