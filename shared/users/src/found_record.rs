//! A user's record as it was read, or its absence.

use caas_aws::{Aged, Evicted};
use caas_crypto::RecordContent;

use crate::record_store::Stored;

/// What was found, and when the read began.
pub(crate) type FoundRecord = Aged<Option<Stored>>;

/// Whether the user has keys: there is a record, and it is not a tombstone.
pub(crate) fn is_live(found: &FoundRecord) -> bool {
    let stored = found.value.as_ref();
    stored.is_some_and(|stored| matches!(stored.record.content, RecordContent::Body(_)))
}

/// A record contains no secret that is not wrapped.
impl Evicted for Stored {
    fn evicted(&self) {}
}
