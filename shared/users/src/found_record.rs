//! A user's record as it was read, or its absence.

use crate::{
    aged_cache::{Aged, Evicted},
    record::KeyVersion,
    record_store::Stored,
};

/// What was found, and when the read began.
pub(crate) type FoundRecord = Aged<Option<Stored>>;

impl FoundRecord {
    /// The versions of the user's key; none without a record or in a tombstone.
    pub(crate) fn versions(&self) -> &[KeyVersion] {
        let stored = self.value.as_ref();
        stored.map_or(&[], |stored| stored.record.versions())
    }

    /// The highest version number ever used; 0 without a record.
    pub(crate) fn highest(&self) -> u32 {
        let stored = self.value.as_ref();
        stored.map_or(0, |stored| stored.record.highest())
    }
}

/// A record contains no secret.
impl Evicted for Option<Stored> {
    fn evicted(&self) {}

    fn weight(&self) -> u32 {
        let versions = self
            .as_ref()
            .map_or(0, |stored| stored.record.versions().len());
        u32::try_from(versions).unwrap_or(u32::MAX).max(1)
    }
}
