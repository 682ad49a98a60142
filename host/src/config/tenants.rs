//! What each tenant may do: the sections `[tenants.NAME]` of the gateway's file, and what a pipeline file asks for beyond them.
//! A file without such sections grants everything: all tenants trust each other then.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::document::Places;
use super::fault::Fault;
use super::limits::{Exceeding, Limits};
use super::pipeline::{OnReject, PipelineName, PipelineSettings};
use super::route::Target;
use super::section::Section;
use super::sink::SinkSettings;
use super::units::ByteSize;

/// What tenants may do.
#[derive(Clone, Debug, Default)]
pub struct Grants(Option<BTreeMap<String, Grant>>);

/// What one tenant may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Topics that its pipelines may consume.
    pub read: Vec<Pattern>,
    /// Topics that its rejected records may be written to.
    pub dead_letters: Vec<Pattern>,
    /// Tables that its rows may be written to, each with its sink.
    pub tables: Vec<TablePattern>,
    /// What its pipelines may hold together: bytes in flight and the memory of instances; no bound where there is none.
    pub memory: Option<ByteSize>,
    /// Its weight where CPU time is short.
    pub cpu: u32,
    /// How many pipelines it may have; no bound where there is none.
    pub pipelines: Option<usize>,
    /// What the limits of each pipeline may be.
    pub limits: Limits,
}

/// Names, by one in full or by how they begin: `orders`, `acme.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// Tables of a sink: `dwh:shop.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern {
    sink: String,
    table: Pattern,
}

type Sinks = BTreeMap<String, SinkSettings>;

/// The section for tenants without one of their own.
const OTHERS: &str = "*";

/// The weight of a tenant whose section names none.
const USUAL_WEIGHT: u32 = 1;

impl Grant {
    /// What everybody may do where nothing is said of tenants.
    fn everything() -> Self {
        let any = || Pattern("*".to_owned());
        Self {
            read: vec![any()],
            dead_letters: vec![any()],
            tables: vec![TablePattern { sink: "*".to_owned(), table: any() }],
            memory: None,
            cpu: USUAL_WEIGHT,
            pipelines: None,
            limits: Limits::MOST,
        }
    }

    fn nothing() -> Self {
        Self { read: Vec::new(), dead_letters: Vec::new(), tables: Vec::new(), ..Self::everything() }
    }
}

impl Grants {
    /// Reads `[tenants]`. Sinks are those of the same file, where they could be read.
    pub(super) fn read(section: &Section<'_>, sinks: Option<&Sinks>) -> Option<Self> {
        // All are read, also behind a faulty one: what nobody reads would be told as unknown.
        let read: Vec<_> = section.sections().into_iter().map(|(name, tenant)| (name, grant(&tenant, sinks))).collect();
        for (name, _) in &read {
            if *name != OTHERS && !is_tenant(name) {
                section.fault(name, format!("names the tenant \"{name}\"; {TENANT_NAMES}"));
            }
        }
        let grants: Option<BTreeMap<_, _>> =
            read.into_iter().map(|(name, grant)| Some((name.to_owned(), grant?))).collect();
        Some(Self(Some(grants?)))
    }

    /// Whether the gateway's file says nothing of tenants, so that each may do everything.
    pub fn are_unlimited(&self) -> bool {
        self.0.is_none()
    }

    /// What a tenant may do.
    pub fn of(&self, tenant: &str) -> Grant {
        match &self.0 {
            None => Grant::everything(),
            Some(grants) => grants.get(tenant).or_else(|| grants.get(OTHERS)).cloned().unwrap_or_else(Grant::nothing),
        }
    }

    /// The section that says so, for messages.
    fn section(&self, tenant: &str) -> String {
        match &self.0 {
            Some(grants) if grants.contains_key(tenant) => format!("[tenants.{tenant}]"),
            Some(grants) if grants.contains_key(OTHERS) => format!("[tenants.\"{OTHERS}\"]"),
            _ => format!("neither [tenants.{tenant}] nor [tenants.\"{OTHERS}\"]"),
        }
    }

    /// What a pipeline file asks for and its tenant may not have.
    pub fn faults(&self, name: &PipelineName, settings: &PipelineSettings, places: &Places) -> Vec<Fault> {
        if self.are_unlimited() {
            return Vec::new();
        }
        let PipelineName { tenant, .. } = name;
        if !is_tenant(tenant) {
            // `tidegate.a.b.c` would be a group of the tenants `a` and `a.b`.
            return vec![places.fault("", format!("belongs to the tenant \"{tenant}\"; {TENANT_NAMES}"))];
        }
        let (grant, section) = (self.of(tenant), self.section(tenant));
        let refused = |asked: String, verb: &str, granted: String| {
            format!(
                "names {asked}, which tenant `{tenant}` may not {verb}; {section} of the gateway's file grants {granted}"
            )
        };
        let mut faults = Vec::new();
        for topic in settings.topics.iter().filter(|topic| !any_matches(&grant.read, topic)) {
            faults.push(places.fault("topics", refused(format!("the topic \"{topic}\""), "read", list(&grant.read))));
        }
        if let OnReject::DeadLetter(topic) = &settings.on_reject
            && !any_matches(&grant.dead_letters, topic)
        {
            let problem = refused(format!("the topic \"{topic}\""), "write dead letters to", list(&grant.dead_letters));
            faults.push(places.fault("dead_letter", problem));
        }
        for (route, target) in &settings.routes {
            if !grant.tables.iter().any(|pattern| pattern.matches(target)) {
                let problem = refused(format!("the table \"{target}\""), "write to", list(&grant.tables));
                faults.push(places.fault(&format!("routes.{route}"), problem));
            }
        }
        for Exceeding { key, wanted, ceiling } in settings.limits.exceeding(&grant.limits) {
            // What the file does not ask for is as much as there is.
            if !places.has(&format!("limits.{key}")) {
                continue;
            }
            let problem = format!(
                "is \"{wanted}\"; {section} of the gateway's file grants tenant `{tenant}` at most \"{ceiling}\" (`limits.{key}`)"
            );
            faults.push(places.fault(&format!("limits.{key}"), problem));
        }
        faults
    }

    /// The files of pipelines that are more than their tenants may have, with what is wrong: those that come last by name.
    pub(super) fn too_many<'f>(&self, found: &[(&'f PipelineName, &'f Path)]) -> Vec<(&'f Path, Fault)> {
        let mut by_tenant = BTreeMap::<&str, Vec<_>>::new();
        for pipeline in found {
            by_tenant.entry(&pipeline.0.tenant).or_default().push(pipeline);
        }
        let mut faults = Vec::new();
        for (tenant, pipelines) in by_tenant {
            let Some(most) = self.of(tenant).pipelines else { continue };
            for (_, file) in pipelines.iter().skip(most) {
                let problem = format!(
                    "is one of {} pipelines of tenant `{tenant}`; {} of the gateway's file grants {most} (`pipelines`), \
                     and others have them",
                    pipelines.len(),
                    self.section(tenant)
                );
                faults.push((*file, Places::default().fault("", problem)));
            }
        }
        faults
    }
}

const TENANT_NAMES: &str = "where [tenants] stands, a tenant's name has letters, digits, hyphens and underscores only, \
                            so that no consumer group can belong to two";

fn is_tenant(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn grant(section: &Section<'_>, sinks: Option<&Sinks>) -> Option<Grant> {
    let nothing = Grant::nothing();
    let read = patterns(section, "read");
    let dead_letters = patterns(section, "dead_letters");
    let tables = tables(section, sinks);
    let memory = section.size("memory", ByteSize::mib(1));
    let cpu = section.integer("cpu", 1..=1_000).and_then(|cpu| u32::try_from(cpu).ok());
    let pipelines = section.integer("pipelines", 0..=100_000);
    let limits = section.section("limits").map_or(nothing.limits, |section| Limits::read(&section, Limits::MOST));
    Some(Grant {
        read: read?,
        dead_letters: dead_letters?,
        tables: tables?,
        memory,
        cpu: cpu.unwrap_or(nothing.cpu),
        pipelines,
        limits,
    })
}

fn patterns(section: &Section<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    if !section.has(key) {
        return Some(Vec::new());
    }
    let texts = section.strings(key)?;
    let right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut patterns = Vec::new();
    for text in texts {
        match Pattern::new(text, right) {
            Some(pattern) => patterns.push(pattern),
            None => section.fault(
                key,
                format!(
                    "holds \"{text}\"; expected a topic, or how topics begin and a `*` behind it, such as \"acme.*\""
                ),
            ),
        }
    }
    Some(patterns)
}

fn tables(section: &Section<'_>, sinks: Option<&Sinks>) -> Option<Vec<TablePattern>> {
    if !section.has("tables") {
        return Some(Vec::new());
    }
    let mut patterns = Vec::new();
    for text in section.strings("tables")? {
        let read = text.split_once(':').and_then(|(sink, table)| {
            let table = Pattern::new(table, |c| c != '*')?;
            (!sink.is_empty()).then(|| TablePattern { sink: sink.to_owned(), table })
        });
        match read {
            Some(pattern) => {
                if let Some(sinks) = sinks.filter(|sinks| pattern.sink != "*" && !sinks.contains_key(&pattern.sink)) {
                    let names: Vec<_> = sinks.keys().map(String::as_str).collect();
                    let (sink, names) = (&pattern.sink, names.join("\", \""));
                    section.fault("tables", format!("holds \"{text}\", and there is no sink \"{sink}\"; there is \"{names}\""));
                }
                patterns.push(pattern);
            }
            None => section.fault(
                "tables",
                format!("holds \"{text}\"; expected a sink and a table, or how tables begin and a `*` behind it, such as \"dwh:acme.*\""),
            ),
        }
    }
    Some(patterns)
}

fn any_matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

fn list<T: fmt::Display>(patterns: &[T]) -> String {
    match patterns {
        [] => "none".to_owned(),
        patterns => patterns.iter().map(|pattern| format!("\"{pattern}\"")).collect::<Vec<_>>().join(", "),
    }
}

impl Pattern {
    fn new(text: &str, right: impl Fn(char) -> bool) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        (!text.is_empty() && name.chars().all(right)).then(|| Self(text.to_owned()))
    }

    fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => self.0 == name,
        }
    }
}

impl TablePattern {
    fn matches(&self, target: &Target) -> bool {
        (self.sink == "*" || self.sink == target.sink) && self.table.matches(&target.table)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sink, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Claims, GatewaySettings, discover};

    fn gateway(tenants: &str) -> Result<GatewaySettings, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let text = format!(
            "[kafka]\nbootstrap.servers = \"b:1\"\n[sinks.dwh]\ntype = \"stdout\"\n[sinks.files]\ntype = \"file\"\npath = \"out\"\n{tenants}"
        );
        std::fs::write(&file, text).unwrap();
        GatewaySettings::read(&file).map_err(|faults| faults.to_string().replace(&file.display().to_string(), "g"))
    }

    fn faults(grants: &Grants, tenant: &str, text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        std::fs::write(&file, text).unwrap();
        let name = PipelineName { tenant: tenant.to_owned(), pipeline: "p".to_owned() };
        let draft = PipelineSettings::draft(&name, &file);
        let settings = draft.value.unwrap();
        let faults = grants.faults(&name, &settings, &draft.places);
        faults.into_iter().map(|fault| format!("{}: `{}`: {}", fault.line, fault.key, fault.problem)).collect()
    }

    const ACME: &str = "[tenants.acme]\nread = [\"acme.*\", \"orders\"]\ndead_letters = [\"acme.dead\"]\n\
                        tables = [\"dwh:acme.*\", \"files:a.b\"]\n[tenants.acme.limits]\nmemory = \"64 MiB\"\n";

    const ASKS: &str = "topics = [\"acme.sales\", \"orders\", \"orders2\", \"beta.x\"]\ndead_letter = \"beta.in\"\n[routes]\n\
                        a = \"dwh:acme.sales\"\nb = \"files:acme.sales\"\nc = \"dwh:acmes.sales\"\nd = \"files:a.b\"\n[limits]\nmemory = \"256 MiB\"\n";

    #[test]
    fn without_tenants_everything_is_granted() {
        let grants = gateway("").unwrap().tenants;
        assert!(grants.are_unlimited());
        assert_eq!(faults(&grants, "acme", ASKS), [""; 0]);
        assert_eq!(faults(&grants, "a.b", ASKS), [""; 0]);
    }

    #[test]
    fn what_is_asked_for_beyond_a_grant_is_told_with_what_is_granted() {
        let grants = gateway(ACME).unwrap().tenants;
        assert_eq!(
            faults(&grants, "acme", ASKS),
            [
                "1: `topics`: names the topic \"orders2\", which tenant `acme` may not read; [tenants.acme] of the gateway's file grants \"acme.*\", \"orders\"",
                "1: `topics`: names the topic \"beta.x\", which tenant `acme` may not read; [tenants.acme] of the gateway's file grants \"acme.*\", \"orders\"",
                "2: `dead_letter`: names the topic \"beta.in\", which tenant `acme` may not write dead letters to; [tenants.acme] of the gateway's file grants \"acme.dead\"",
                "5: `routes.b`: names the table \"files:acme.sales\", which tenant `acme` may not write to; [tenants.acme] of the gateway's file grants \"dwh:acme.*\", \"files:a.b\"",
                "6: `routes.c`: names the table \"dwh:acmes.sales\", which tenant `acme` may not write to; [tenants.acme] of the gateway's file grants \"dwh:acme.*\", \"files:a.b\"",
                "9: `limits.memory`: is \"256 MiB\"; [tenants.acme] of the gateway's file grants tenant `acme` at most \"64 MiB\" (`limits.memory`)",
            ]
        );
    }

    #[test]
    fn who_has_no_section_gets_that_of_the_others_or_nothing() {
        let text = "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\na = \"dwh:x\"\n";
        let refused = faults(&gateway(ACME).unwrap().tenants, "beta", text);
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(
            refused[0].ends_with("neither [tenants.beta] nor [tenants.\"*\"] of the gateway's file grants none"),
            "{refused:?}"
        );
        let shared = format!("{ACME}[tenants.\"*\"]\nread = [\"t\"]\ntables = [\"*:x\"]\ncpu = 3\n");
        let grants = gateway(&shared).unwrap().tenants;
        assert_eq!(faults(&grants, "beta", text), [""; 0]);
        assert_eq!((grants.of("beta").cpu, grants.of("acme").cpu), (3, 1));
        assert_eq!(faults(&grants, "acme", text).len(), 2, "its own section stands alone");
    }

    #[test]
    fn a_tenant_that_could_take_another_ones_groups_is_refused() {
        let grants = gateway("[tenants.\"*\"]\nread = [\"*\"]\ntables = [\"*:*\"]\n").unwrap().tenants;
        let text = "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\na = \"dwh:x\"\n";
        assert_eq!(faults(&grants, "a", text), [""; 0]);
        assert!(faults(&grants, "a.b", text)[0].contains("belongs to the tenant \"a.b\"; where [tenants] stands"));
    }

    #[test]
    fn faults_of_the_sections_say_what_would_be_right() {
        let faults = gateway(
            "[tenants.\"a.b\"]\nread = [\"a*b\"]\n[tenants.acme]\nreads = [\"x\"]\ntables = [\"shop.*\", \"dhw:x\"]\ncpu = 0\nmemory = \"1 B\"\n",
        )
        .unwrap_err();
        for part in [
            "`tenants.a.b`: names the tenant \"a.b\"; where [tenants] stands",
            "`tenants.a.b.read`: holds \"a*b\"; expected a topic, or how topics begin",
            "`tenants.acme.reads`: is not a known key; the nearest known one is `read`",
            "`tenants.acme.tables`: holds \"shop.*\"; expected a sink and a table",
            "`tenants.acme.tables`: holds \"dhw:x\", and there is no sink \"dhw\"; there is \"dwh\", \"files\"",
            "`tenants.acme.cpu`: is 0; expected a whole number from 1 to 1000",
            "`tenants.acme.memory`: is \"1 B\"; expected at least \"1 MiB\"",
        ] {
            assert!(faults.contains(part), "{part} is not in:\n{faults}");
        }
    }

    #[test]
    fn pipelines_beyond_the_number_granted_are_refused() {
        let grants = gateway("[tenants.acme]\npipelines = 1\n[tenants.\"*\"]\n").unwrap().tenants;
        let folder = tempfile::tempdir().unwrap();
        for file in ["acme/a.toml", "acme/b.toml", "beta/a.toml", "beta/b.toml"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\na = \"dwh:x\"\n").unwrap();
        }
        let found = discover(folder.path()).unwrap();
        let claims = Claims::of(&found, &grants);
        let told: Vec<_> = found
            .iter()
            .flat_map(|(name, file)| {
                claims.faults(file).iter().map(move |fault| (name.to_string(), fault.problem.clone()))
            })
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].0 == "acme/b"
                && told[0].1.starts_with(
                    "is one of 2 pipelines of tenant `acme`; [tenants.acme] of the gateway's file grants 1"
                ),
            "{told:?}"
        );
    }
}
