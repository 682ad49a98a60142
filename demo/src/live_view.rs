//! What the demonstration shows while it runs. Pure: from figures to lines.

use std::time::Duration;

use tidegate::pipeline::Phase;

use crate::dead_letters::Letter;
use crate::text::{Line, Tone, clock, grouped, wrapped};
use crate::watch::PipelineFigures;

/// A moment of the demonstration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Since the program's start.
    pub elapsed: Duration,
    /// What it is at.
    pub act: Act,
    /// When the first rows were written.
    pub first_rows: Option<Duration>,
    /// Every pipeline.
    pub pipelines: Vec<PipelineFigures>,
    /// A table and its last row.
    pub last_row: Option<(String, String)>,
    /// The last dead letter.
    pub last_letter: Option<Letter>,
}

/// What the demonstration is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Records are written and read.
    Running,
    /// No more are written; what is under way is brought to its end.
    Draining,
}

/// What does not change while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// The embedded Kafka's address.
    pub brokers: String,
    /// Records a second that are written, of all topics.
    pub rate: u64,
    /// Where the plugins lie.
    pub plugins: String,
    /// Where the rows go.
    pub rows: String,
    /// Where metrics are served.
    pub http: String,
    /// Where the log goes.
    pub log: String,
}

/// Of a row and of a value: enough to see what it is; fewer where the terminal is low.
const SAMPLE_LINES: [usize; 4] = [3, 2, 1, 0];

/// The block, made to fit a terminal of so many columns and lines.
pub fn block(scene: &Scene, figures: &Figures, (width, height): (usize, usize)) -> Vec<Line> {
    let mut lines = Vec::new();
    for samples in SAMPLE_LINES {
        lines = block_with(scene, figures, width, samples);
        if lines.len() <= height {
            break;
        }
    }
    lines
}

fn block_with(scene: &Scene, figures: &Figures, width: usize, samples: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    head(scene, figures, &mut lines);
    for pipeline in &figures.pipelines {
        table(pipeline, &mut lines);
    }
    lines.push(Line::empty());
    problems(&figures.pipelines, width, &mut lines);
    if samples > 0 {
        show_samples(figures, width, samples, &mut lines);
    }
    foot(scene, figures.act, &mut lines);
    lines
}

/// A line for where there is no terminal.
pub fn line(figures: &Figures) -> String {
    let pipelines: Vec<_> = figures.pipelines.iter().map(piece).collect();
    format!("{}  {}", clock(figures.elapsed), pipelines.join("; "))
}

fn piece(pipeline: &PipelineFigures) -> String {
    let PipelineFigures { name, phase, read, dropped, rejected, rate, lag, routes, problems, .. } = pipeline;
    let rows: Vec<_> = routes.iter().map(|route| format!("{} {}", route.route, grouped(route.rows))).collect();
    let mut text = format!(
        "{name} {}: read {}, rows {}, dropped {}, rejected {}, {} records/s, lag {}",
        phase.name(),
        grouped(*read),
        rows.join(" "),
        grouped(*dropped),
        grouped(*rejected),
        grouped(*rate),
        grouped(*lag),
    );
    for problem in problems {
        text += &format!(", PROBLEM {}", problem.replace('\n', " "));
    }
    text
}

fn head(scene: &Scene, figures: &Figures, lines: &mut Vec<Line>) {
    let time = clock(figures.elapsed);
    let act = match (figures.act, figures.first_rows) {
        (Act::Draining, _) => "draining: no new records; those under way become rows".to_owned(),
        (Act::Running, None) => "starting: plugins are compiled, pipelines join Kafka".to_owned(),
        (Act::Running, Some(after)) => format!("running; the first rows came after {:.1} s", after.as_secs_f64()),
    };
    lines.push(Line::new(Tone::Title, format!("Tidegate  {time}  {act}")));
    lines.push(Line::empty());
    let Scene { brokers, rate, plugins, rows, .. } = scene;
    let shop = format!("a shop, {} records/s, one in fifty malformed → embedded Kafka {brokers}", grouped(*rate));
    lines.push(Line::new(Tone::Faint, shop));
    lines.push(Line::new(Tone::Faint, format!("→ {plugins}/*.wasm → {rows}, a batch a second")));
    lines.push(Line::empty());
    let columns = ["read", "rows", "dropped", "rejected", "records/s", "lag"];
    let [read, rows, dropped, rejected, rate, lag] = columns;
    let text = format!("{:<27}{read:>10}{rows:>10}{dropped:>8}{rejected:>9}{rate:>10}{lag:>6}", "pipeline");
    lines.push(Line::new(Tone::Title, text));
}

fn table(pipeline: &PipelineFigures, lines: &mut Vec<Line>) {
    let PipelineFigures { name, phase, read, dropped, rejected, rate, lag, routes, .. } = pipeline;
    let name = format!("{name}  {}", phase.name());
    let rows = routes.iter().map(|route| route.rows).sum();
    let text = format!(
        "{name:<27}{:>10}{:>10}{:>8}{:>9}{:>10}{:>6}",
        grouped(*read),
        grouped(rows),
        grouped(*dropped),
        grouped(*rejected),
        grouped(*rate),
        grouped(*lag),
    );
    lines.push(Line::new(tone(*phase), text));
    for route in routes {
        let text = format!("  {} → {}", route.route, route.table);
        lines.push(Line::new(Tone::Plain, format!("{text:<37}{:>10}", grouped(route.rows))));
    }
}

fn tone(phase: Phase) -> Tone {
    match phase {
        Phase::Running => Tone::Good,
        Phase::Refused | Phase::Paused => Tone::Bad,
        Phase::Starting | Phase::Stopped => Tone::Plain,
    }
}

fn problems(pipelines: &[PipelineFigures], width: usize, lines: &mut Vec<Line>) {
    let before = lines.len();
    for pipeline in pipelines {
        for problem in &pipeline.problems {
            for part in problem.lines() {
                let text = format!("{}: {part}", pipeline.name);
                lines.extend(wrapped(&text, width, 2).into_iter().map(|text| Line::new(Tone::Bad, text)));
            }
        }
    }
    if lines.len() == before {
        lines.push(Line::new(Tone::Faint, "no problems"));
    }
    lines.push(Line::empty());
}

fn show_samples(figures: &Figures, width: usize, height: usize, lines: &mut Vec<Line>) {
    if let Some((table, row)) = &figures.last_row {
        lines.push(Line::new(Tone::Title, format!("last row of {table}")));
        sample(row, width, height, lines);
    }
    if let Some(Letter { origin, reason, value }) = &figures.last_letter {
        lines.push(Line::new(Tone::Title, format!("last dead letter, from {origin}")));
        lines.extend(wrapped(reason, width.saturating_sub(2), 1).into_iter().map(|text| indented(Tone::Bad, &text)));
        sample(value.as_deref().unwrap_or("(null)"), width, height, lines);
    }
}

/// Of a height that does not depend on the text, so that what is below stays where it is.
fn sample(text: &str, width: usize, height: usize, lines: &mut Vec<Line>) {
    let end = lines.len() + height;
    let pieces = wrapped(text, width.saturating_sub(2), height);
    lines.extend(pieces.into_iter().map(|piece| indented(Tone::Plain, &piece)));
    lines.resize(end, Line::empty());
    lines.push(Line::empty());
}

fn indented(tone: Tone, text: &str) -> Line {
    Line::new(tone, format!("  {text}"))
}

fn foot(scene: &Scene, act: Act, lines: &mut Vec<Line>) {
    let Scene { http, log, .. } = scene;
    lines.push(Line::new(Tone::Faint, format!("metrics {http}/metrics   log {log}")));
    lines.push(Line::new(
        Tone::Title,
        match act {
            Act::Running => "Ctrl-C ends it and sums up",
            Act::Draining => "another Ctrl-C leaves at once",
        },
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::RouteFigures;

    fn sales() -> PipelineFigures {
        let route = RouteFigures { route: "sale".into(), table: "shop.sales".into(), rows: 24_718 };
        PipelineFigures {
            name: "default/sales".into(),
            phase: Phase::Running,
            read: 28_014,
            completed: 28_000,
            routes: vec![route],
            dropped: 2_744,
            rejected: 552,
            rate: 1_400,
            lag: 14,
            problems: Vec::new(),
        }
    }

    fn figures(pipeline: PipelineFigures) -> Figures {
        Figures {
            elapsed: Duration::from_secs(65),
            act: Act::Running,
            first_rows: Some(Duration::from_millis(2_340)),
            pipelines: vec![pipeline],
            last_row: Some(("shop.sales".into(), "{\"product\":\"Skis\"}".into())),
            last_letter: Some(Letter {
                origin: "sales/2/17".into(),
                reason: "`price` is a word".into(),
                value: Some("{\"price\":\"abc\"}".into()),
            }),
        }
    }

    fn text(figures: &Figures, size: (usize, usize)) -> String {
        let lines = block(&Scene::default(), figures, size);
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    #[test]
    fn a_block_shows_every_figure_and_a_sample_of_each_kind() {
        let text = text(&figures(sales()), (100, 50));
        for part in [
            "01:05  running; the first rows came after 2.3 s\n",
            "default/sales  running         28,014    24,718   2,744      552     1,400    14\n",
            "  sale → shop.sales                      24,718\n",
            "no problems\n",
            "last row of shop.sales\n  {\"product\":\"Skis\"}\n\n\n\nlast dead letter",
            "last dead letter, from sales/2/17\n  `price` is a word\n  {\"price\":\"abc\"}\n",
            "Ctrl-C ends it and sums up\n",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    #[test]
    fn a_block_shows_problems_in_their_own_lines_and_keeps_long_ones_in_width() {
        let problems = vec![format!("files: first\nsecond {}", "x".repeat(200))];
        let text = text(&figures(PipelineFigures { phase: Phase::Refused, problems, ..sales() }), (100, 50));
        assert!(text.contains("default/sales  refused"), "{text}");
        assert!(text.contains("\ndefault/sales: files: first\ndefault/sales: second xxx"), "{text}");
        assert!(!text.contains("no problems"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn a_low_terminal_shows_fewer_lines_of_samples_but_always_the_way_out() {
        for height in [14, 18, 23, 40] {
            let text = text(&figures(sales()), (100, height));
            assert!(text.lines().count() <= height, "{text}");
            assert!(text.ends_with("Ctrl-C ends it and sums up\n"), "{text}");
        }
    }

    #[test]
    fn without_a_terminal_a_moment_is_one_line() {
        let problems = vec!["files: first\nsecond".to_owned()];
        assert_eq!(
            line(&figures(PipelineFigures { problems, ..sales() })),
            "01:05  default/sales running: read 28,014, rows sale 24,718, dropped 2,744, rejected 552, \
             1,400 records/s, lag 14, PROBLEM files: first second"
        );
    }
}
