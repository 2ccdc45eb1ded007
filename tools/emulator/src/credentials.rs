//! The emulator's one identity.

use std::{fmt, io, path::Path};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{disk, random};

const FILE: &str = "credentials.json";

/// An access key that may do everything in this emulator.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl Credentials {
    /// Reads them, or generates them at the first start. Only this user can read the file.
    pub(crate) fn load_or_create(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FILE);
        match disk::read_json(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let secret = random::secret::<20>()?;
        let credentials = Self {
            access_key_id: format!("CAAS{}", random::hex::<8>()?.to_ascii_uppercase()),
            secret_access_key: hex::encode(secret.as_slice()),
        };
        let json = Zeroizing::new(serde_json::to_vec_pretty(&credentials)?);
        disk::replace_file(&path, &json)?;
        disk::sync_dir(dir)?;
        Ok(credentials)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
