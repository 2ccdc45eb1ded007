//! The parts of a long file.

use bytes::Bytes;
use caas_crypto::stored;

/// Content of up to this many bytes is put in one request; longer content is put in parts of this
/// length.
pub const PART_LEN: usize = 8 << 20;

/// The longest file that a client may put in one request: S3 accepts 5 GiB.
pub const MAX_PUT_BYTES: u64 = 5_000_000_000;

/// The memory of sent parts, reused for the next ones: the allocator would otherwise map megabytes
/// again for every part.
#[derive(Default)]
pub(crate) struct PartBuffers(Vec<Vec<u8>>);

impl PartBuffers {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(PART_LEN + stored::OVERHEAD))
    }

    pub(crate) fn give_back(&mut self, part: Bytes) {
        if part.is_unique() {
            let mut part = Vec::from(part);
            part.clear();
            self.0.push(part);
        }
    }
}
