//! The gateway's own folder: what it keeps from one start to the next. Compiled plugins are native code that is run without
//! looking, so nobody but the gateway's own user may write here.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// A folder that only the gateway's user may read and write.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the state folder `{path}`: {problem}")]
pub struct StateFault {
    path: PathBuf,
    problem: String,
}

impl StateFolder {
    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made, is another user's, or others may write to it.
    pub fn open(path: &Path) -> Result<Self, StateFault> {
        let fault = |problem: String| StateFault { path: path.to_owned(), problem };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|problem| fault(format!("cannot be made: {problem}; name another with `state`")))?;
        let metadata = std::fs::metadata(path).map_err(|problem| fault(problem.to_string()))?;
        let (owner, user) = (metadata.uid(), geteuid().as_raw());
        if owner != user {
            return Err(fault(format!("belongs to user {owner}, and the gateway runs as {user}; expected its own")));
        }
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o777;
            return Err(fault(format!("has the mode {mode:o}; expected 700, since what lies there is run: chmod 700")));
        }
        Ok(Self(path.to_owned()))
    }

    /// A folder within it, made where it is missing.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn folder(&self, name: &str) -> Result<Self, StateFault> {
        Self::open(&self.0.join(name))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_for_its_user_alone_and_refused_where_others_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/state");
        let state = StateFolder::open(&path).unwrap();
        let compiled = state.folder("compiled").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(state.path()), mode(compiled.path())), (0o700, 0o700));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o770)).unwrap();
        let fault = StateFolder::open(&path).unwrap_err().to_string();
        assert!(fault.contains("has the mode 770; expected 700"), "{fault}");
    }
}
