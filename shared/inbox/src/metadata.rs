//! User metadata that the protocol reads and writes.

/// On a sealed object: the inbox version it was sealed from.
pub(crate) const SOURCE_VERSION: &str = "caas-source-version";

/// On a sealed object: the newest delete marker in the vault when its sealing began.
pub(crate) const AFTER_DELETE: &str = "caas-after-delete";

/// The value of [`AFTER_DELETE`] where there was none.
pub(crate) const NO_DELETE: &str = "none";

/// On an object in the inbox: it must be the first of its key, because its presigned request is
/// valid for one file. Once that file is sealed or deleted, S3's own condition admits a second one.
pub const SINGLE_USE: &str = "caas-single-use";
