//! KMS keys: in memory, and in one file that only this user can read.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::KmsError;
use crate::{
    config::{ACCOUNT, REGION},
    disk, random,
    store::now_ms,
};

/// The only key spec here, which is also the name of its algorithm.
pub(super) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

const FILE: &str = "keys.json";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A 256-bit key.
#[derive(Clone)]
pub(super) struct KeyMaterial(Zeroizing<[u8; 32]>);

impl KeyMaterial {
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(redacted)")
    }
}

impl Serialize for KeyMaterial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for KeyMaterial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Base64 needs no escapes, so this borrows from the file's bytes, which are wiped.
        let text = <&str>::deserialize(deserializer)?;
        let mut material = Zeroizing::new([0; 32]);
        match STANDARD.decode_slice(text, material.as_mut_slice()) {
            Ok(32) => Ok(Self(material)),
            // An error must not repeat the value.
            _ => Err(serde::de::Error::custom("not 32 bytes in base64")),
        }
    }
}

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyState {
    Enabled,
    Disabled,
    /// Unusable, and deleted at this time (milliseconds since 1970).
    PendingDeletion(u64),
}

/// A key as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredKey {
    created_ms: u64,
    description: String,
    state: KeyState,
    material: KeyMaterial,
}

/// A key as operations see it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: Uuid,
    pub(super) arn: String,
    pub(super) created_ms: u64,
    pub(super) description: String,
    pub(super) state: KeyState,
    pub(super) material: KeyMaterial,
}

impl Key {
    /// The key material, if the key is enabled.
    pub(super) fn usable(&self) -> Result<&[u8; 32], KmsError> {
        match self.state {
            KeyState::Enabled => Ok(self.material.expose()),
            KeyState::Disabled => Err(KmsError::Disabled),
            KeyState::PendingDeletion(_) => Err(KmsError::InvalidState("pending deletion")),
        }
    }
}

/// The file's content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Contents {
    keys: BTreeMap<Uuid, StoredKey>,
    /// `alias/…` to key.
    aliases: BTreeMap<String, Uuid>,
}

/// The keys of one data folder.
pub(super) struct KeyStore {
    dir: PathBuf,
    contents: RwLock<Contents>,
}

impl KeyStore {
    /// Reads the file, if there is one, and erases keys whose deletion is due. Blocking.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        disk::create_private_dir(dir)?;
        let mut contents = match disk::read_json(&dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Contents::default(),
            read => read?,
        };
        let before = contents.keys.len();
        contents.keys.retain(|_, key| !is_deleted(key.state));
        contents
            .aliases
            .retain(|_, id| contents.keys.contains_key(id));
        let store = Self {
            dir: dir.to_owned(),
            contents: RwLock::default(),
        };
        if contents.keys.len() != before {
            store.save(&contents)?;
        }
        *store
            .contents
            .write()
            .unwrap_or_else(PoisonError::into_inner) = contents;
        Ok(store)
    }

    /// Finds a key by id, ARN, alias or alias ARN.
    pub(super) fn find(&self, name: &str) -> Result<Key, KmsError> {
        let contents = self.contents.read().unwrap_or_else(PoisonError::into_inner);
        let id = self.resolve(&contents, name)?;
        self.key(&contents, id).ok_or_else(|| not_found(name))
    }

    /// Finds a key by its id.
    pub(super) fn by_id(&self, id: Uuid) -> Option<Key> {
        self.key(
            &self.contents.read().unwrap_or_else(PoisonError::into_inner),
            id,
        )
    }

    /// Creates a key. Blocking.
    pub(super) fn create(&self, description: &str) -> io::Result<Key> {
        self.change(|contents| {
            let id = insert_new(contents, description)?;
            self.key(contents, id)
                .ok_or_else(|| io::Error::other("the new key is missing"))
        })
    }

    /// Creates a key with an alias. Blocking.
    pub(super) fn create_with_alias(&self, alias: &str) -> io::Result<()> {
        self.change(|contents| {
            let id = insert_new(contents, "")?;
            contents.aliases.insert(alias.to_owned(), id);
            Ok(())
        })
    }

    /// Gives a key an alias. Blocking.
    pub(super) fn create_alias(&self, alias: &str, key: &str) -> Result<(), KmsError> {
        if !is_alias(alias) {
            return Err(KmsError::InvalidAliasName);
        }
        self.change(|contents| {
            let id = self.resolve(contents, key)?;
            if contents.aliases.contains_key(alias) {
                return Err(KmsError::AlreadyExists);
            }
            contents.aliases.insert(alias.to_owned(), id);
            Ok(())
        })
    }

    /// All aliases with their keys.
    pub(super) fn aliases(&self) -> Vec<(String, Uuid)> {
        let contents = self.contents.read().unwrap_or_else(PoisonError::into_inner);
        contents
            .aliases
            .iter()
            .map(|(alias, id)| (alias.clone(), *id))
            .collect()
    }

    /// All keys.
    pub(super) fn all(&self) -> Vec<Key> {
        let contents = self.contents.read().unwrap_or_else(PoisonError::into_inner);
        contents
            .keys
            .keys()
            .filter_map(|id| self.key(&contents, *id))
            .collect()
    }

    /// Changes the state to `next` of the current one. Blocking.
    pub(super) fn set_state(
        &self,
        name: &str,
        next: impl FnOnce(KeyState) -> Result<KeyState, KmsError>,
    ) -> Result<Key, KmsError> {
        self.change(|contents| {
            let id = self.resolve(contents, name)?;
            let key = contents.keys.get_mut(&id).ok_or_else(|| not_found(name))?;
            key.state = next(key.state)?;
            self.key(contents, id).ok_or_else(|| not_found(name))
        })
    }

    fn key(&self, contents: &Contents, id: Uuid) -> Option<Key> {
        let stored = contents
            .keys
            .get(&id)
            .filter(|key| !is_deleted(key.state))?;
        Some(Key {
            id,
            arn: arn_of(&format!("key/{id}")),
            created_ms: stored.created_ms,
            description: stored.description.clone(),
            state: stored.state,
            material: stored.material.clone(),
        })
    }

    fn resolve(&self, contents: &Contents, name: &str) -> Result<Uuid, KmsError> {
        let prefix = arn_of("");
        let local = match name.strip_prefix(&prefix) {
            Some(resource) => resource.strip_prefix("key/").unwrap_or(resource),
            None => name,
        };
        let id = if local.starts_with("alias/") {
            contents.aliases.get(local).copied()
        } else {
            Uuid::try_parse(local).ok()
        };
        let id = id.filter(|id| {
            contents
                .keys
                .get(id)
                .is_some_and(|key| !is_deleted(key.state))
        });
        id.ok_or_else(|| not_found(name))
    }

    /// Changes a copy and publishes it once it is on disk.
    fn change<T, E: From<io::Error>>(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut contents = self
            .contents
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut changed = contents.clone();
        let result = change(&mut changed)?;
        self.save(&changed)?;
        *contents = changed;
        Ok(result)
    }

    fn save(&self, contents: &Contents) -> io::Result<()> {
        // A buffer that grew would leave copies of keys behind.
        let size = 1024 + contents.keys.len() * 4096 + contents.aliases.len() * 1024;
        let mut json = Zeroizing::new(Vec::with_capacity(size));
        serde_json::to_writer_pretty(&mut *json, contents)?;
        disk::replace_file(&self.dir.join(FILE), &json)?;
        disk::sync_dir(&self.dir)
    }
}

pub(super) fn arn_of(resource: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:{resource}")
}

/// Whether KMS allows this alias.
pub(super) fn is_alias(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    name.strip_prefix("alias/").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with("aws/")
            && name.len() <= 256
            && rest.bytes().all(legal)
    })
}

/// When a key whose deletion is scheduled now will be deleted.
pub(super) fn deletion_after(days: u64) -> u64 {
    now_ms() + days * DAY_MS
}

fn insert_new(contents: &mut Contents, description: &str) -> io::Result<Uuid> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid();
    let key = StoredKey {
        created_ms: now_ms(),
        description: description.to_owned(),
        state: KeyState::Enabled,
        material: KeyMaterial(random::secret()?),
    };
    contents.keys.insert(id, key);
    Ok(id)
}

fn is_deleted(state: KeyState) -> bool {
    matches!(state, KeyState::PendingDeletion(at) if at <= now_ms())
}

fn not_found(name: &str) -> KmsError {
    KmsError::NotFound(name.to_owned())
}
