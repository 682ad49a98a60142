//! What no two pipeline files may claim at once: a name, and a consumer group on a topic. None of those that do runs: which one
//! is meant is not ours to guess.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{Draft, Places};
use super::fault::Fault;
use super::pipeline::{PipelineName, PipelineSettings};
use super::tenants::Grants;

/// What is wrong with files for what others claim, by file.
#[derive(Debug, Default)]
pub struct Claims(BTreeMap<PathBuf, Vec<Fault>>);

/// A pipeline file, and what it says as far as it could be read.
#[derive(Clone, Copy)]
pub struct Claimant<'a> {
    /// The pipeline's name.
    pub name: &'a PipelineName,
    /// Its file.
    pub file: &'a Path,
    /// What it says.
    pub draft: &'a Draft<PipelineSettings>,
}

impl Claims {
    /// Of all pipeline files of a gateway. Files that cannot be read claim no more than their name, and one of the pipelines
    /// that their tenant may have.
    pub fn of(found: &[(PipelineName, PathBuf)], grants: &Grants) -> Self {
        let drafts: Vec<_> = found.iter().map(|(name, file)| PipelineSettings::draft(name, file)).collect();
        let claimants = found.iter().zip(&drafts).map(|((name, file), draft)| Claimant { name, file, draft });
        Self::among(&claimants.collect::<Vec<_>>(), grants)
    }

    /// As [`Self::of`], of files that were read already.
    pub fn among(claimants: &[Claimant<'_>], grants: &Grants) -> Self {
        let mut claims = Self::default();
        claims.names(claimants);
        claims.groups(claimants);
        let found: Vec<_> = claimants.iter().map(|claimant| (claimant.name, claimant.file)).collect();
        grants.too_many(&found).into_iter().for_each(|(file, fault)| claims.add(file, fault));
        claims
    }

    /// What is wrong with this file; nothing for most.
    pub fn faults(&self, file: &Path) -> &[Fault] {
        self.0.get(file).map_or(&[], Vec::as_slice)
    }

    /// `sales.toml` and `default/sales.toml` are both `default/sales`.
    fn names(&mut self, claimants: &[Claimant<'_>]) {
        let mut files = BTreeMap::<_, Vec<_>>::new();
        for Claimant { name, file, .. } in claimants {
            files.entry(name).or_default().push(file);
        }
        for (name, files) in files.into_iter().filter(|(_, files)| files.len() > 1) {
            let all: Vec<_> = files.iter().map(|file| format!("`{}`", file.display())).collect();
            let problem = format!("{} claim the name {name}; expected one file of a name", all.join(" and "));
            for file in files {
                self.add(file, Places::default().fault("", problem.clone()));
            }
        }
    }

    /// Two pipelines of one group would share a topic's partitions, and each would miss what the other got.
    fn groups(&mut self, claimants: &[Claimant<'_>]) {
        let mut members = BTreeMap::<_, BTreeMap<&Path, (&PipelineName, &Places)>>::new();
        for Claimant { name, file, draft } in claimants {
            let Some(settings) = &draft.value else { continue };
            for topic in &settings.topics {
                members.entry((&settings.group, topic)).or_default().insert(file, (name, &draft.places));
            }
        }
        for ((group, topic), of_topic) in members {
            for (file, (name, places)) in &of_topic {
                let others: Vec<_> =
                    of_topic.values().filter(|(other, _)| other != name).map(|(other, _)| other.to_string()).collect();
                if others.is_empty() {
                    continue;
                }
                let others = others.join(" and ");
                let problem = format!(
                    "is \"{group}\", in which {others} reads topic \"{topic}\" too, so that each would miss what the other got; \
                     expected a group for each pipeline"
                );
                self.add(file, places.fault("group", problem));
            }
        }
    }

    fn add(&mut self, file: &Path, fault: Fault) {
        self.0.entry(file.to_owned()).or_default().push(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::discover;

    fn claims(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found = discover(folder.path()).unwrap();
        let claims = Claims::of(&found, &Grants::default());
        found.iter().flat_map(|(_, file)| claims.faults(file).iter().map(|fault| fault.problem.clone())).collect()
    }

    const REST: &str = "on_reject = \"drop\"\n[routes]\nx = \"a:b\"\n";

    #[test]
    fn a_name_belongs_to_one_file() {
        let text = format!("topics = [\"t\"]\n{REST}");
        let faults = claims(&[("a.toml", &text), ("default/a.toml", &text), ("b.toml", &text)]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("claim the name default/a; expected one file of a name"), "{faults:?}");
    }

    #[test]
    fn a_group_reads_a_topic_for_one_pipeline_only() {
        let file = |topics: &str| format!("topics = {topics}\ngroup = \"tidegate.default.g\"\n{REST}");
        let faults = claims(&[("a.toml", &file("[\"t\", \"u\"]")), ("b.toml", &file("[\"u\"]"))]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].starts_with("is \"tidegate.default.g\", in which default/b reads topic \"u\" too"),
            "{faults:?}"
        );
        assert_eq!(claims(&[("a.toml", &file("[\"t\"]")), ("b.toml", &file("[\"u\"]"))]), [""; 0]);
    }
}
