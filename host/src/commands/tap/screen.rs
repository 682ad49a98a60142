//! Standard output: samples for a person or as they come. What is no sample goes to standard error, so that what is piped holds
//! samples alone.

use std::io::{self, IsTerminal, Write};

use super::TapFormat;
use super::page::{Colours, Page};
use super::view;
use crate::tap::{Count, Line, harmless};

/// Where neither a terminal nor `COLUMNS` says how wide lines are.
const WIDTH: usize = 100;

/// Standard output and what it shows.
pub(super) struct Screen {
    format: TapFormat,
    page: Page,
    /// Whether somebody looks at it just now.
    terminal: bool,
    /// Whether a line that says how much has passed by stands at the bottom.
    waiting: bool,
    samples: u64,
    count: Count,
}

impl Screen {
    pub fn new(format: TapFormat) -> Self {
        let terminal = io::stdout().is_terminal();
        // https://no-color.org
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = if terminal && !no_color { Colours::On } else { Colours::Off };
        let page = Page { width: width(), colours };
        Self { format, page, terminal, waiting: false, samples: 0, count: Count::default() }
    }

    /// Shows a line: `text` as it came, and what it means, if that is known.
    pub fn show(&mut self, text: &str, line: Option<&Line>) -> io::Result<()> {
        match line {
            Some(Line::Record(_) | Line::Range(_)) => self.samples += 1,
            Some(Line::Count(count)) => self.count = *count,
            Some(Line::End(end)) => self.count = Count { records: end.records, skipped: end.skipped },
            _ => {}
        }
        match self.format {
            TapFormat::Json => self.write(&(harmless(text.to_owned()) + "\n")),
            TapFormat::Text => self.show_text(line),
        }
    }

    fn show_text(&mut self, line: Option<&Line>) -> io::Result<()> {
        // A terminal may have become wider.
        if self.terminal {
            self.page.width = width();
        }
        let page = &self.page;
        let text = match line {
            Some(Line::Start(start)) => view::start(page, start),
            Some(Line::Record(record)) => "\n".to_owned() + &view::record(page, record),
            Some(Line::Range(range)) => "\n".to_owned() + &view::range(page, range),
            Some(Line::Count(_)) if self.terminal => return self.wait(),
            Some(Line::Count(_) | Line::End(_)) | None => return Ok(()),
        };
        self.clear()?;
        self.write(&text)
    }

    /// Says that nothing comes, on a line that the next sample takes away.
    fn wait(&mut self) -> io::Result<()> {
        self.clear()?;
        self.waiting = true;
        let text = format!("waiting; {}", self.passed());
        let (faint, plain) = if self.page.colours == Colours::On { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
        self.write(&format!("{faint}{}{plain}", text.chars().take(self.page.width).collect::<String>()))
    }

    fn clear(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.waiting, false) {
            true => self.write("\r\u{1b}[K"),
            false => Ok(()),
        }
    }

    /// Says how much was seen.
    pub fn finish(&mut self) -> io::Result<()> {
        self.clear()?;
        if self.format == TapFormat::Text {
            let samples = view::count(usize::try_from(self.samples).unwrap_or(usize::MAX), "sample");
            eprintln!("\n{samples}; {}", self.passed());
        }
        Ok(())
    }

    fn passed(&self) -> String {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let passed = format!("{} went by", view::count(number(self.count.records), "record"));
        match self.count.skipped {
            0 => passed,
            skipped => format!(
                "{passed}, {} skipped, since they were not read in time or too large",
                view::count(number(skipped), "sample")
            ),
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn width() -> usize {
    let terminal = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let said = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    terminal.filter(|width| *width > 0).or_else(said).unwrap_or(WIDTH)
}
