//! The gateway's own file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::document::{Document, Draft};
use super::fault::ConfigFaults;
use super::kafka::{KafkaValue, kafka};
use super::pipeline::check_topic;
use super::section::Section;
use super::sink::SinkSettings;
use super::tenants::Grants;
use super::units::{ByteSize, parse_duration};

/// What `gateway.toml` says.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// The file itself.
    pub file: PathBuf,
    /// The topic that holds what planned ranges are processed with.
    pub bundles: String,
    /// librdkafka's settings, `bootstrap.servers` among them.
    pub kafka: BTreeMap<String, KafkaValue>,
    /// By the name that pipelines use.
    pub sinks: BTreeMap<String, SinkSettings>,
    /// The directory of plugins and pipeline files.
    pub plugins: PathBuf,
    /// The gateway's own folder: what it keeps from one start to the next. Nobody else may write there.
    pub state: PathBuf,
    /// For how long the files of a pipeline must not have changed to count as whole.
    pub settle: Duration,
    /// Where metrics and health are served; nowhere without it.
    pub http: Option<HttpSettings>,
    /// How long records under way may take after a signal to stop.
    pub drain: Duration,
    /// Threads that run guests.
    pub workers: usize,
    /// Bytes of records that a pipeline may hold at once, between fetching and completing.
    pub in_flight: ByteSize,
    /// How long a pipeline has nothing to do before it leaves its group until there is something; it stays without it.
    pub park_after: Option<Duration>,
    /// What each tenant may do.
    pub tenants: Grants,
}

/// The listener for whoever watches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether records are shown there; without it, on loopback only.
    pub tap: Option<bool>,
}

/// Long enough that a pipeline with a record now and then stays in its group, where that record waits for nothing.
const PARK_AFTER: Duration = Duration::from_secs(60);

/// Joining a group takes up to some seconds, and moves the partitions of others.
const LEAST_PARK_AFTER: Duration = Duration::from_secs(1);

impl GatewaySettings {
    /// Reads the file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// All faults of the file at once.
    pub fn read(file: &Path) -> Result<Self, ConfigFaults> {
        Document::read(file, |top| Self::of(top, file, plugins(top, folder(file))))
    }

    /// Reads the file as far as it can be read; the plugin directory nearly always.
    pub fn draft(file: &Path) -> Draft<(PathBuf, Option<Self>)> {
        Document::draft(file, |top| {
            let plugins = plugins(top, folder(file));
            Some((plugins.clone(), Self::of(top, file, plugins)))
        })
    }

    fn of(top: &Section<'_>, file: &Path, plugins: PathBuf) -> Option<Self> {
        let base = folder(file);
        let kafka = match top.section("kafka") {
            Some(section) => kafka(&section, base),
            None => {
                top.fault("kafka", "is missing; expected a section [kafka] with \"bootstrap.servers\"");
                None
            }
        };
        let sinks = match top.section("sinks") {
            Some(section) => sinks(&section, base),
            None => {
                top.fault("sinks", "is missing; expected at least one section [sinks.NAME]");
                None
            }
        };
        let tenants = match top.section("tenants") {
            Some(section) => Grants::read(&section, sinks.as_ref()),
            None => Some(Grants::default()),
        };
        let http = top.section("http").and_then(|http| HttpSettings::of(&http));
        let drain = top.duration("drain").unwrap_or(Duration::from_secs(30));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = top.integer("workers", 1..=1024).unwrap_or(cores);
        let in_flight = top.size("in_flight", ByteSize::mib(1)).unwrap_or(ByteSize::mib(64));
        let settle = top.duration("settle").unwrap_or(Duration::from_millis(200));
        let park_after = park_after(top);
        let bundles = top.string("bundles").unwrap_or(crate::bundles::TOPIC).to_owned();
        check_topic(top, "bundles", &bundles);
        let state = base.join(top.string("state").unwrap_or("state"));
        if lies_within(&state, &plugins) {
            let (state, plugins) = (state.display(), plugins.display());
            top.fault("state", format!("is \"{state}\", within the plugin directory \"{plugins}\", where others write; expected a folder of the gateway's own"));
        }
        Some(Self {
            file: file.to_owned(),
            bundles,
            kafka: kafka?,
            sinks: sinks?,
            plugins,
            state,
            settle,
            http,
            drain,
            workers,
            in_flight,
            park_after,
            tenants: tenants?,
        })
    }
}

/// By their names; neither need exist.
fn lies_within(path: &Path, folder: &Path) -> bool {
    let plain = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    plain(path).starts_with(plain(folder))
}

/// Where a file lies, and what it names by relative paths.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn plugins(top: &Section<'_>, base: &Path) -> PathBuf {
    base.join(top.string("plugins").unwrap_or("plugins"))
}

fn park_after(top: &Section<'_>) -> Option<Duration> {
    let Some(text) = top.string("park_after") else { return Some(PARK_AFTER) };
    let after = parse_duration(text).ok().filter(|after| *after >= LEAST_PARK_AFTER);
    if after.is_none() && text != "off" {
        let right = "expected a duration of at least 1 s, such as \"1 min\", or \"off\"";
        top.fault("park_after", format!("is \"{text}\"; {right}"));
    }
    after
}

impl HttpSettings {
    /// Reads the section `[http]` of a gateway's file and passes over all else: whoever looks at a gateway need not know its secrets.
    ///
    /// # Errors
    /// All faults of the section; none where the file has no such section.
    pub fn read(file: &Path) -> Result<Option<Self>, ConfigFaults> {
        Document::read(file, |top| {
            top.pass_over_others();
            Some(match top.section("http") {
                Some(section) => Some(Self::of(&section)?),
                None => None,
            })
        })
    }

    fn of(section: &Section<'_>) -> Option<Self> {
        let tap = section.flag("tap");
        let text = section.required_string("listen", "\"127.0.0.1:9464\"")?;
        let Ok(listen) = text.parse() else {
            let right = "expected an address and a port, such as \"127.0.0.1:9464\" or \"0.0.0.0:9464\"";
            section.fault("listen", format!("is \"{text}\"; {right}"));
            return None;
        };
        Some(Self { listen, tap })
    }
}

fn sinks(section: &Section<'_>, base: &Path) -> Option<BTreeMap<String, SinkSettings>> {
    let named = section.sections();
    if named.is_empty() {
        section.fault("", "is empty; expected at least one section [sinks.NAME]");
    }
    // All are read, also behind a faulty one: what nobody reads would be told as unknown.
    let read: Vec<_> = named.into_iter().map(|(name, sink)| (name, SinkSettings::read(&sink, base))).collect();
    read.into_iter().map(|(name, sink)| Some((name.to_owned(), sink?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parking_is_after_a_while_or_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let read = |line: &str| {
            let rest = "[kafka]\nbootstrap.servers = \"127.0.0.1:1\"\n[sinks.out]\ntype = \"stdout\"\n";
            std::fs::write(&file, format!("{line}\n{rest}")).unwrap();
            GatewaySettings::read(&file).map(|settings| settings.park_after)
        };
        assert_eq!(read("").unwrap(), Some(Duration::from_secs(60)));
        assert_eq!(read("park_after = \"90 s\"").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(read("park_after = \"off\"").unwrap(), None);
        for wrong in ["10 ms", "never", ""] {
            let fault = read(&format!("park_after = \"{wrong}\"")).unwrap_err().to_string();
            let right = "expected a duration of at least 1 s, such as \"1 min\", or \"off\"";
            assert!(fault.contains(&format!("`park_after`: is \"{wrong}\"; {right}")), "{fault}");
        }
    }

    #[test]
    fn the_state_folder_is_none_of_the_plugin_directorys() {
        for (state, plugins, within) in [
            ("/etc/tidegate/state", "/etc/tidegate/plugins", false),
            ("/etc/tidegate/./state", "/etc/tidegate/.", true),
            ("state", ".", true),
            ("plugins", "plugins", true),
            ("plugins-state", "plugins", false),
        ] {
            assert_eq!(lies_within(Path::new(state), Path::new(plugins)), within, "{state} {plugins}");
        }
    }
}
