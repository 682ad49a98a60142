//! The end of a demonstration: what was made, what the gateway counted, and what lies in the files, side by side.

use std::time::Duration;

use tidegate::pipeline::Phase;

use crate::output::TableFiles;
use crate::text::{Line, Tone, grouped};
use crate::traffic::Made;
use crate::watch::PipelineFigures;

/// What became of every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How long records were written.
    pub elapsed: Duration,
    /// When the first rows were written, since the program's start.
    pub first_rows: Option<Duration>,
    /// Every pipeline.
    pub pipelines: Vec<PipelineSummary>,
    /// The file with dead letters.
    pub dead_letters: String,
    /// The gateway's file.
    pub settings: String,
    /// The gateway's log.
    pub log: String,
}

/// What became of the records of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSummary {
    /// As the gateway counted.
    pub figures: PipelineFigures,
    /// What was written to its topics, and what the shop's own plugins should make of it.
    pub made: Made,
    /// In the order of the routes: where the files lie, and what is in them.
    pub files: Vec<(String, TableFiles)>,
    /// Dead letters in the file; `None` where rejects go nowhere.
    pub letters: Option<u64>,
}

impl PipelineSummary {
    /// Whether every record was read, came to one of the three ends, and lies where the gateway says.
    pub fn adds_up(&self) -> bool {
        let figures = &self.figures;
        let in_files = figures.routes.iter().zip(&self.files).all(|(route, (_, files))| route.rows == files.lines);
        let all_read = figures.read == self.made.records && figures.completed == self.made.records;
        let ends = figures.dropped + figures.rejected <= figures.completed;
        let one_to_one = figures.routes.len() == self.files.len();
        let letters = self.letters.is_none_or(|letters| letters == figures.rejected);
        all_read && ends && one_to_one && in_files && letters
    }

    /// Records with at least a row and no reject.
    pub fn become_rows(&self) -> u64 {
        self.figures.completed.saturating_sub(self.figures.dropped + self.figures.rejected)
    }
}

impl Summary {
    /// Whether every pipeline's figures add up.
    pub fn adds_up(&self) -> bool {
        self.pipelines.iter().all(PipelineSummary::adds_up)
    }

    /// The summary for people.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::new(Tone::Title, self.headline()), Line::empty()];
        let columns = format!("{:<34}{:>11}{:>11}{:>11}", "", "made", "gateway", "in files");
        lines.push(Line::new(Tone::Title, columns));
        for pipeline in &self.pipelines {
            self.pipeline(pipeline, &mut lines);
        }
        self.places(&mut lines);
        self.hints(&mut lines);
        lines
    }

    fn headline(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        match self.first_rows {
            Some(first) => {
                format!("The demonstration ran {seconds:.0} s; the first rows came after {:.1} s.", first.as_secs_f64())
            }
            None => format!("The demonstration ran {seconds:.0} s; there were no rows."),
        }
    }

    fn pipeline(&self, pipeline: &PipelineSummary, lines: &mut Vec<Line>) {
        let PipelineSummary { figures, made, files, letters } = pipeline;
        lines.push(Line::new(Tone::Plain, figures.name.clone()));
        let mut row = |what: &str, made: Option<u64>, counted: u64, filed: Option<u64>| {
            let cell = |number: Option<u64>| number.map(grouped).unwrap_or_default();
            let text = format!("  {what:<32}{:>11}{:>11}{:>11}", cell(made), grouped(counted), cell(filed));
            lines.push(Line::new(Tone::Plain, text.trim_end()));
        };
        row("records", Some(made.records), figures.read, None);
        for (route, (_, found)) in figures.routes.iter().zip(files) {
            let made = made.rows.get(route.route.as_str()).copied();
            row(&format!("rows of {}", route.table), made, route.rows, Some(found.lines));
        }
        row("dropped by the plugin", Some(made.dropped), figures.dropped, None);
        row("rejected", Some(made.malformed), figures.rejected, *letters);
        lines.push(verdict(pipeline));
        for problem in &figures.problems {
            lines.extend(problem.lines().map(|part| Line::new(Tone::Bad, format!("  {part}"))));
        }
        lines.push(Line::empty());
    }

    fn places(&self, lines: &mut Vec<Line>) {
        lines.push(Line::new(Tone::Title, "Where it lies"));
        let mut place = |path: &str, what: String| {
            lines.push(Line::new(Tone::Plain, format!("  {path:<40}  {what}")));
        };
        for (path, TableFiles { files, lines }) in self.pipelines.iter().flat_map(|pipeline| &pipeline.files) {
            place(path, format!("{} rows in {files} files", grouped(*lines)));
        }
        let letters = self.pipelines.iter().filter_map(|pipeline| pipeline.letters).sum();
        place(&self.dead_letters, format!("{} rejected records, with reasons", grouped(letters)));
        place(&self.settings, "the gateway's file".to_owned());
        place(&self.log, "its log".to_owned());
        lines.push(Line::empty());
    }

    fn hints(&self, lines: &mut Vec<Line>) {
        lines.push(Line::new(Tone::Title, "What to try next"));
        let rows = self.pipelines.iter().flat_map(|pipeline| &pipeline.files).find(|(_, found)| found.lines > 0);
        let mut hints = Vec::new();
        if let Some((path, _)) = rows {
            hints.push((format!("head -n 3 {path}/*"), "rows"));
        }
        hints.push((format!("head -n 3 {}", self.dead_letters), "dead letters"));
        hints.push(("less plugins/sales/src/lib.rs".to_owned(), "a plugin; change it and run again"));
        hints.push(("less plugins/sales/sales.toml".to_owned(), "its topics, routes and settings"));
        hints.push(("make demo RATE=20000 SECONDS=20".to_owned(), "ten times the records"));
        hints.push(("make test".to_owned(), "all tests"));
        hints.push(("ls docs".to_owned(), "how it works, and how to run it"));
        lines.extend(hints.iter().map(|(command, what)| Line::new(Tone::Plain, format!("  {command:<40}  {what}"))));
    }
}

fn verdict(pipeline: &PipelineSummary) -> Line {
    let figures = &pipeline.figures;
    if figures.phase == Phase::Refused {
        return Line::new(Tone::Bad, "  its files have faults: nothing was read");
    }
    let sum = format!(
        "{} became rows + {} dropped + {} rejected",
        grouped(pipeline.become_rows()),
        grouped(figures.dropped),
        grouped(figures.rejected)
    );
    let read = grouped(figures.read);
    if pipeline.adds_up() {
        Line::new(Tone::Good, format!("  adds up: {sum} = {read} read"))
    } else {
        Line::new(
            Tone::Bad,
            format!("  this does not add up: {sum}, {read} read, {} made", grouped(pipeline.made.records)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::RouteFigures;

    fn pipeline() -> PipelineSummary {
        let route = RouteFigures { route: "sale".into(), table: "shop.sales".into(), rows: 1_200 };
        let figures = PipelineFigures {
            name: "default/sales".into(),
            phase: Phase::Stopped,
            read: 1_400,
            completed: 1_400,
            routes: vec![route],
            dropped: 170,
            rejected: 30,
            rate: 0,
            lag: 0,
            problems: Vec::new(),
        };
        let made = Made { records: 1_400, rows: [("sale", 1_200)].into(), dropped: 170, malformed: 30 };
        let files = vec![("out/rows/shop/sales".to_owned(), TableFiles { files: 4, lines: 1_200 })];
        PipelineSummary { figures, made, files, letters: Some(30) }
    }

    fn text(pipeline: PipelineSummary) -> String {
        let summary = Summary {
            elapsed: Duration::from_secs(20),
            first_rows: Some(Duration::from_millis(1_960)),
            pipelines: vec![pipeline],
            dead_letters: "out/dead-letters.jsonl".into(),
            settings: "out/gateway.toml".into(),
            log: "out/gateway.log".into(),
        };
        summary.lines().into_iter().map(|line| line.text + "\n").collect()
    }

    #[test]
    fn what_was_made_counted_and_filed_stands_side_by_side() {
        let text = text(pipeline());
        for part in [
            "ran 20 s; the first rows came after 2.0 s",
            "  records                               1,400      1,400\n",
            "  rows of shop.sales                    1,200      1,200      1,200\n",
            "  dropped by the plugin                   170        170\n",
            "  rejected                                 30         30         30\n",
            "  out/rows/shop/sales                       1,200 rows in 4 files\n",
            "  out/dead-letters.jsonl                    30 rejected records",
            "  adds up: 1,200 became rows + 170 dropped + 30 rejected = 1,400 read\n",
            "head -n 3 out/rows/shop/sales/*",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    #[test]
    fn a_record_that_is_missing_anywhere_is_told() {
        let faults: [fn(&mut PipelineSummary); 5] = [
            |pipeline| pipeline.figures.read -= 1,
            |pipeline| pipeline.figures.completed -= 1,
            |pipeline| pipeline.letters = Some(29),
            |pipeline| pipeline.files.clear(),
            |pipeline| pipeline.files = vec![(String::new(), TableFiles { files: 4, lines: 1_199 })],
        ];
        assert!(pipeline().adds_up());
        for fault in faults {
            let mut pipeline = pipeline();
            fault(&mut pipeline);
            assert!(!pipeline.adds_up(), "{pipeline:?}");
            assert!(text(pipeline).contains("does not add up"));
        }
    }
}
