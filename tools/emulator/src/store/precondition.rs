//! Conditions of writes and deletes.

use super::{
    StoreError,
    record::{Beginning, ObjectRecord, VersionRecord},
};

/// The condition of a write or a delete on the current version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    None,
    /// `If-None-Match: *`: there is no object.
    Absent,
    /// `If-Match: *`: there is an object.
    Present,
    /// `If-Match`: the object has this entity tag.
    Matches(String),
}

impl Precondition {
    pub(super) fn check(&self, current: Option<&ObjectRecord>) -> Result<(), StoreError> {
        match (self, current) {
            (Self::None, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Present | Self::Matches(_), None) => Err(StoreError::NoSuchKey),
            (Self::Matches(etag), Some(object)) if *etag == object.etag => Ok(()),
            (Self::Absent | Self::Matches(_), Some(_)) => Err(StoreError::PreconditionFailed),
        }
    }

    /// Whether the key changed since an upload began, so that a condition which holds now is not enough.
    pub(super) fn conflicts(&self, beginning: &Beginning, current: Option<&VersionRecord>) -> bool {
        match (self, current) {
            (Self::Absent, None) => beginning.existed,
            (Self::Matches(etag), Some(current)) => {
                let holds = current.object.as_ref().is_some_and(|o| o.etag == *etag);
                holds && beginning.sequence.is_some_and(|at| current.sequence > at)
            }
            _ => false,
        }
    }
}
