//! User metadata that the protocol reads and writes.

/// On a sealed object: the inbox version it was sealed from.
pub(crate) const SOURCE_VERSION: &str = "caas-source-version";

/// On a sealed object: when that version was dropped, in seconds since 1970.
pub(crate) const SOURCE_DATE: &str = "caas-source-date";

/// On an object in the vault: the newest delete marker there when its sealing began, or when its
/// presigned PUT was signed. If the newest marker is another one, the file was deleted meanwhile.
pub const AFTER_DELETE: &str = "caas-after-delete";

/// The value of [`AFTER_DELETE`] where there was none.
pub const NO_DELETE: &str = "none";

/// On an object in the inbox: it must be the first of its key, because its presigned request is
/// valid for one file. Once that file is sealed or deleted, S3's own condition admits a second one.
pub const SINGLE_USE: &str = "caas-single-use";
