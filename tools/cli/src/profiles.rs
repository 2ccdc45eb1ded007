//! The services that this user has logged in to: `profiles.json` in the configuration folder.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use etcetera::{AppStrategy, AppStrategyArgs, choose_app_strategy};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The profile that is used unless another is named.
pub(crate) const DEFAULT: &str = "default";

/// A service and the API key for it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: String,
    pub(crate) api_key: Zeroizing<String>,
}

/// Omits the API key.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// All profiles, by name.
#[derive(Debug)]
pub(crate) struct Profiles {
    path: PathBuf,
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the file, if there is one.
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = folders()?.config_dir().join("profiles.json");
        let profiles = match fs::read(&path).map(Zeroizing::new) {
            Ok(text) => serde_json::from_slice(&text).map_err(|_| {
                Failure::local(path.display(), &"this file is damaged")
                    .next("remove it, and log in again")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Failure::file(&path, &error)),
        };
        Ok(Self { path, profiles })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// Adds or replaces a profile, and writes the file.
    pub(crate) fn set(&mut self, name: &str, profile: Profile) -> Result<(), Failure> {
        self.profiles.insert(name.to_owned(), profile);
        self.write()
    }

    /// Removes a profile, if there is one of this name, and writes the file.
    pub(crate) fn remove(&mut self, name: &str) -> Result<bool, Failure> {
        let removed = self.profiles.remove(name).is_some();
        if removed {
            self.write()?;
        }
        Ok(removed)
    }

    /// The file, readable by this user alone.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self) -> Result<(), Failure> {
        let write = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            // Temporary files are created with mode 0600.
            let file = NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&file, &self.profiles)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            io::Result::Ok(())
        };
        write().map_err(|error| Failure::file(&self.path, &error))
    }
}

/// The folder for journals of uploads, created if absent.
pub(crate) fn journals() -> Result<PathBuf, Failure> {
    let folders = folders()?;
    let folder = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    let folder = folder.join("uploads");
    fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    Ok(folder)
}

fn folders() -> Result<impl AppStrategy, Failure> {
    choose_app_strategy(AppStrategyArgs {
        top_level_domain: String::new(),
        author: String::new(),
        app_name: "caas".to_owned(),
    })
    .map_err(|error| Failure::local("there is no home folder", &error))
}
