//! The pipelines' files, beside their plugins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::batch::{self, BatchLimits};
use super::confined;
use super::document::{Document, Draft};
use super::fault::ConfigFaults;
use super::limits::Limits;
use super::probation::{self, Probation};
use super::route::{self, Mode, Target};
use super::schedule::Schedule;
use super::section::Section;
use super::start::Start;

/// A pipeline's name: its tenant's folder and its file, without the ending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineName {
    /// `default` for files in the plugin directory itself.
    pub tenant: String,
    /// The file's name without `.toml`.
    pub pipeline: String,
}

/// What a pipeline file says.
#[derive(Clone, Debug)]
pub struct PipelineSettings {
    /// Where the file lies.
    pub name: PipelineName,
    /// At least one.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Where a group without an offset begins.
    pub start: Start,
    /// What the file wants to be promised of its records; as much as its sinks can without it.
    pub delivery: Option<Guarantee>,
    /// What becomes of a rejected record.
    pub on_reject: OnReject,
    /// When a range is closed.
    pub batch: BatchLimits,
    /// When records are taken; whenever there are some without it.
    pub schedule: Option<Schedule>,
    /// How a new version shows that it is no worse than the one before.
    pub probation: Probation,
    /// From the plugin's routes to tables.
    pub routes: BTreeMap<String, Target>,
    /// What becomes of the rows of a route in its table; new rows for a route that is not in here.
    pub modes: BTreeMap<String, Mode>,
    /// A JSON object for the plugin.
    pub settings: String,
    /// By the name that the plugin uses.
    pub lookups: BTreeMap<String, LookupSettings>,
    /// What the plugin may take.
    pub limits: Limits,
    /// What its instances keep.
    pub state: PluginState,
}

/// What is promised of the rows of every record. The more comes behind the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// They are where they belong, and after a crash some may be there twice.
    AtLeastOnce,
    /// They are where they belong, once.
    ExactlyOnce,
}

/// What becomes of a rejected record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnReject {
    /// It goes to this topic with its reason.
    DeadLetter(String),
    /// Its partition stops.
    Stop,
    /// It is counted and dropped.
    Drop,
}

/// How long the instance of a plugin that is not stateless lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PluginState {
    /// For one range. The same range gives the same rows, whenever it is replayed.
    #[default]
    Range,
    /// For all ranges of a partition, one after the other, as long as it is assigned.
    Kept,
}

/// A table that the plugin looks things up in.
#[derive(Clone, Debug)]
pub struct LookupSettings {
    /// A CSV file with a header.
    pub file: PathBuf,
    /// The column to look up by.
    pub key: String,
}

/// The tenant of files that lie in the plugin directory itself.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// All pipeline files of a plugin directory, `*.toml` and `TENANT/*.toml`, in the order of their names.
///
/// # Errors
/// Where the directory cannot be read.
pub fn discover(plugins: &Path) -> std::io::Result<Vec<(PipelineName, PathBuf)>> {
    let mut found = Vec::new();
    for path in entries(plugins)? {
        if path.is_dir() {
            let tenant = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let files = entries(&path)?;
            found.extend(files.into_iter().filter_map(|file| named(&tenant, file)));
        } else {
            found.extend(named(DEFAULT_TENANT, path));
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn entries(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let visible = |path: &PathBuf| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let paths: std::io::Result<Vec<_>> =
        std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
    Ok(paths?.into_iter().filter(visible).collect())
}

pub(crate) fn named(tenant: &str, file: PathBuf) -> Option<(PipelineName, PathBuf)> {
    let is_pipeline = file.is_file() && file.extension().is_some_and(|ending| ending == "toml");
    let pipeline = file.file_stem()?.to_string_lossy().into_owned();
    is_pipeline.then(|| (PipelineName { tenant: tenant.to_owned(), pipeline }, file))
}

impl PipelineSettings {
    /// What is read, as whom, from where on, when, and with what promise: what a membership of the group is begun with. For comparing.
    pub fn subscription(&self) -> String {
        let Self { topics, group, start, schedule, delivery, .. } = self;
        format!("{topics:?} {group} {start:?} {schedule:?} {delivery:?}")
    }

    /// Reads a pipeline file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// All faults of the file at once.
    pub fn read(name: &PipelineName, file: &Path) -> Result<Self, ConfigFaults> {
        Self::draft(name, file).complete()
    }

    /// Reads a pipeline file as far as it can be read.
    pub fn draft(name: &PipelineName, file: &Path) -> Draft<Self> {
        match Self::text(file) {
            Ok(text) => Self::draft_of(name, file, text),
            Err(problem) => Draft::unread(file, 1, format!("cannot be read: {problem}")),
        }
    }

    /// A pipeline file's text. It may be a link, as long as it stays in its folder: what is wrong with a file is shown, and what
    /// lies elsewhere is not its tenant's to see.
    ///
    /// # Errors
    /// Where it cannot be read, or leads out of its folder.
    pub fn text(file: &Path) -> std::io::Result<String> {
        /// Far beyond any pipeline file; all of it is in memory while it is read.
        const MOST_BYTES: u64 = 1 << 20;
        confined::read_text(file.parent().unwrap_or(Path::new("")), file, MOST_BYTES)
    }

    /// As [`Self::draft`], of a file that was read already.
    pub fn draft_of(name: &PipelineName, file: &Path, text: String) -> Draft<Self> {
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        Document::draft_of(file, text, |top| {
            let topics = topics(top);
            let group = group(top, name);
            let plugin = top.string("plugin").map_or_else(|| format!("{}.wasm", name.pipeline), str::to_owned);
            let start = Start::read(top, topics.as_deref().unwrap_or_default());
            let state = top.choice("state", &[("range", PluginState::Range), ("kept", PluginState::Kept)]);
            let delivery = top.choice(
                "delivery",
                &[("exactly-once", Guarantee::ExactlyOnce), ("at-least-once", Guarantee::AtLeastOnce)],
            );
            let on_reject = on_reject(top);
            if let (Some(topics), Some(OnReject::DeadLetter(dead_letter))) = (&topics, &on_reject)
                && topics.contains(dead_letter)
            {
                let problem =
                    "which the pipeline reads itself: its rejects would come back for ever; name another topic";
                top.fault("dead_letter", format!("is \"{dead_letter}\", {problem}"));
            }
            let batch = top.section("batch").map(|section| batch::read(&section));
            let (batch, schedule) = batch.unwrap_or((BatchLimits::DEFAULT, None));
            if batch.across_partitions && delivery == Some(Guarantee::AtLeastOnce) {
                top.fault(
                    "delivery",
                    "is \"at-least-once\" beside `batch.across_partitions`, which takes plans; expected \"exactly-once\", or the other without it",
                );
            }
            let probation = top.section("probation").map_or(Probation::DEFAULT, |section| probation::read(&section));
            let routes = match top.section("routes") {
                Some(section) => route::read(&section),
                None => {
                    top.fault("routes", "is missing; expected [routes] with lines such as sale = \"dwh:shop.sales\"");
                    None
                }
            };
            let settings =
                top.section("settings").map_or_else(|| "{}".to_owned(), |section| section.json().to_string());
            let lookups = top.section("lookups").map_or(Some(BTreeMap::new()), |section| lookups(&section, &base));
            let limits = top.section("limits");
            let limits = limits.map_or(Limits::DEFAULT, |section| Limits::read(&section, Limits::DEFAULT));
            let (routes, modes) = routes?;
            Some(Self {
                name: name.clone(),
                topics: topics?,
                group: group?,
                plugin: base.join(plugin),
                start: start?,
                delivery,
                on_reject: on_reject?,
                batch,
                schedule,
                probation,
                routes,
                modes,
                settings,
                lookups: lookups?,
                limits,
                state: state.unwrap_or_default(),
            })
        })
    }
}

fn topics(top: &Section<'_>) -> Option<Vec<String>> {
    if !top.has("topics") {
        top.fault("topics", "is missing; for example topics = [\"sales\"]");
    }
    let topics = top.strings("topics")?;
    if topics.is_empty() {
        top.fault("topics", "is empty; expected at least one topic");
    }
    for topic in &topics {
        check_topic(top, "topics", topic);
    }
    Some(topics.into_iter().map(str::to_owned).collect())
}

/// Kafka's own rule for names. A leading `^` would make librdkafka take the name for a pattern.
pub(super) fn check_topic(section: &Section<'_>, key: &'static str, topic: &str) {
    let right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || !topic.chars().all(right) {
        section.fault(key, format!("names the topic \"{topic}\"; a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens"));
    }
}

fn group(top: &Section<'_>, name: &PipelineName) -> Option<String> {
    let prefix = format!("tidegate.{}.", name.tenant);
    match top.string("group") {
        None => Some(format!("{prefix}{}", name.pipeline)),
        Some(group) if group.starts_with(&prefix) && group.len() > prefix.len() => Some(group.to_owned()),
        Some(group) => {
            top.fault("group", format!("is \"{group}\"; expected a name that begins with \"{prefix}\""));
            None
        }
    }
}

fn on_reject(top: &Section<'_>) -> Option<OnReject> {
    let dead_letter = top.string("dead_letter");
    let choice = top.choice("on_reject", &[("stop", OnRejectWord::Stop), ("drop", OnRejectWord::Drop)]);
    match (dead_letter, choice) {
        (Some(topic), None) => {
            check_topic(top, "dead_letter", topic);
            Some(OnReject::DeadLetter(topic.to_owned()))
        }
        (None, Some(OnRejectWord::Stop)) => Some(OnReject::Stop),
        (None, Some(OnRejectWord::Drop)) => Some(OnReject::Drop),
        (Some(_), Some(_)) => {
            top.fault("on_reject", "stands beside `dead_letter`; expected one of the two");
            None
        }
        (None, None) => {
            if !top.has("on_reject") && !top.has("dead_letter") {
                top.fault(
                    "dead_letter",
                    "is missing; expected dead_letter = \"TOPIC\", or on_reject = \"stop\" or \"drop\"",
                );
            }
            None
        }
    }
}

#[derive(Clone, Copy)]
enum OnRejectWord {
    Stop,
    Drop,
}

fn lookups(section: &Section<'_>, base: &Path) -> Option<BTreeMap<String, LookupSettings>> {
    let read = |(name, lookup): (&str, Section<'_>)| {
        let file = lookup.required_string("file", "\"products.csv\"");
        let key = lookup.required_string("key", "\"product_id\"");
        Some((name.to_owned(), LookupSettings { file: base.join(file?), key: key?.to_owned() }))
    };
    // All are read, also behind a faulty one: what nobody reads would be told as unknown.
    let read: Vec<_> = section.sections().into_iter().map(read).collect();
    read.into_iter().collect()
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.pipeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PipelineSettings, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sales.toml");
        std::fs::write(&file, text).unwrap();
        let name = PipelineName { tenant: "acme".into(), pipeline: "sales".into() };
        PipelineSettings::read(&name, &file).map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_least_file_gets_defaults() {
        let settings =
            read("topics = [\"sales\"]\non_reject = \"drop\"\n[routes]\nsale = \"ch:shop.sales\"\n").unwrap();
        assert_eq!(settings.group, "tidegate.acme.sales");
        assert!(settings.plugin.ends_with("sales.wasm"));
        assert_eq!(settings.batch, BatchLimits::DEFAULT);
        assert_eq!(settings.on_reject, OnReject::Drop);
        assert_eq!(settings.settings, "{}");
        assert_eq!(settings.routes["sale"].to_string(), "ch:shop.sales");
    }

    #[test]
    fn faults_say_what_would_be_right() {
        let faults = read("topics = [\"a b\"]\ngroup = \"mine\"\ndelivery = \"at-most-once\"\n[routes]\nsale = \"shop.sales\"\n[batch]\nlingr = \"1 s\"\nschedule = \"15 min\"\n").unwrap_err();
        for part in [
            "`topics`: names the topic \"a b\"",
            "`group`: is \"mine\"; expected a name that begins with \"tidegate.acme.\"",
            "`delivery`: is \"at-most-once\"; expected \"exactly-once\" or \"at-least-once\"; the nearest is \"at-least-once\"",
            "`dead_letter`: is missing; expected dead_letter = \"TOPIC\", or on_reject",
            "`routes.sale`: is \"shop.sales\"; expected a sink and a table",
            "`batch.lingr`: is not a known key; the nearest known one is `linger`",
            "`batch.schedule`: is \"15 min\"; expected \"every\" and a duration",
        ] {
            assert!(faults.contains(part), "{part} is not in:\n{faults}");
        }
    }

    #[test]
    fn dead_letters_never_go_where_records_come_from() {
        let faults = read("topics = [\"a\", \"d\"]\ndead_letter = \"d\"\n[routes]\nx = \"a:b\"\n").unwrap_err();
        assert!(faults.contains("2: `dead_letter`: is \"d\", which the pipeline reads itself"), "{faults}");
    }

    #[test]
    fn a_linger_beside_a_schedule_is_refused() {
        let text = "topics = [\"a\"]\non_reject = \"stop\"\n[routes]\nx = \"a:b\"\n[batch]\nschedule = \"0 3 * * *\"\n";
        assert_eq!(read(text).unwrap().schedule.map(|schedule| schedule.to_string()).as_deref(), Some("0 3 * * *"));
        let faults = read(&format!("{text}linger = \"1 s\"\n")).unwrap_err();
        assert!(faults.contains("`batch.linger`: stands beside `schedule`"), "{faults}");
    }

    #[test]
    fn what_goes_across_partitions_lingers_and_is_planned() {
        let text = "topics = [\"a\"]\non_reject = \"stop\"\n[routes]\nx = \"a:b\"\n[batch]\nacross_partitions = true\n";
        assert!(read(text).unwrap().batch.across_partitions);
        let faults = read(&format!("{text}schedule = \"0 3 * * *\"\n")).unwrap_err();
        assert!(faults.contains("`batch.across_partitions`: stands beside `schedule`"), "{faults}");
        let faults = read(&format!("delivery = \"at-least-once\"\n{text}")).unwrap_err();
        assert!(faults.contains("`delivery`: is \"at-least-once\" beside `batch.across_partitions`"), "{faults}");
    }

    #[test]
    fn both_ways_out_for_rejects_are_refused() {
        let faults =
            read("topics = [\"a\"]\ndead_letter = \"d\"\non_reject = \"stop\"\n[routes]\nx = \"a:b\"\n").unwrap_err();
        assert!(faults.contains("stands beside `dead_letter`"), "{faults}");
    }
}
