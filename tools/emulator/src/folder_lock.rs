//! One emulator at a time for one data folder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use crate::emulator::{StartError, data};

/// Held as long as anything may write to the data folder.
pub(crate) struct FolderLock(File);

impl FolderLock {
    /// Locks the folder.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, StartError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(dir.join("lock")).map_err(data)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse(dir.to_owned())),
            Err(TryLockError::Error(error)) => Err(data(error)),
        }
    }
}

/// Closing the file is not enough: a child that another thread is starting has inherited it, and
/// holds the lock until it runs its own program.
impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(cause = %error, "cannot unlock the data folder");
        }
    }
}
