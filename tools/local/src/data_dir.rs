//! The folder that persists all data across restarts.

use std::{
    fmt::Write as _,
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use tempfile::NamedTempFile;
use uuid::Uuid;
use zeroize::Zeroizing;

/// An API key's text.
#[derive(Clone)]
pub(crate) struct ApiKey(Arc<Zeroizing<String>>);

impl ApiKey {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").finish_non_exhaustive()
    }
}

/// Accepts an API key, which fits into a header and into single quotes of a shell.
pub(crate) fn parse_api_key(text: &str) -> Result<ApiKey, &'static str> {
    if caas_clients::is_api_key(text.as_bytes()) {
        Ok(ApiKey(Arc::new(Zeroizing::new(text.to_owned()))))
    } else {
        Err("not an API key, or a mistyped one; `caas-local keygen CLIENT` makes one")
    }
}

/// The data folder.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Opens the folder. The first start creates it, accessible to this user only.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| {
            format!(
                "cannot create the data folder {}; choose another with --data-dir",
                path.display()
            )
        })?;
        Ok(Self(path))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The API key: `given`, the one stored by an earlier start, or a new one.
    pub(crate) fn api_key(&self, given: Option<ApiKey>) -> anyhow::Result<ApiKey> {
        let path = self.0.join("api-key");
        if let Some(key) = given {
            return Ok(key);
        }
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => parse_api_key(text.trim_end())
                .map_err(anyhow::Error::msg)
                .with_context(|| {
                    let path = path.display();
                    format!("{path} has no API key of this version; delete it, and the next start makes one")
                }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = caas_clients::generate_api_key()?;
                self.replace(&path, &key)?;
                Ok(ApiKey(Arc::new(key)))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the file to `source` and returns its path.
    pub(crate) fn write_env(&self, variables: &[(&str, String)]) -> anyhow::Result<PathBuf> {
        let path = self.0.join("env");
        let mut text = String::new();
        for (name, value) in variables {
            writeln!(text, "export {name}='{value}'")?;
        }
        self.replace(&path, &text)?;
        Ok(path)
    }

    /// Stores an event that could not be handled and returns the file's path.
    pub(crate) fn add_dead_letter(&self, text: &str) -> anyhow::Result<PathBuf> {
        let folder = self.0.join("dead-letters");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let path = folder.join(format!("{}.json", Uuid::now_v7()));
        self.replace(&path, text)?;
        Ok(path)
    }

    /// The folder of the audit trail, accessible to this user only.
    pub(crate) fn audit(&self) -> anyhow::Result<PathBuf> {
        let folder = Self::open(self.0.join("audit"))?;
        Ok(folder.0)
    }

    /// Replaces a file atomically, readable by this user only.
    fn replace(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        let write = || {
            let mut file = NamedTempFile::new_in(&self.0)?; // mode 0600 on Unix
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            std::io::Result::Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}
