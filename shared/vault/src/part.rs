//! The parts of a long file.

use bytes::Bytes;
use caas_crypto::stored;

/// Content up to this many bytes is put in one request; longer content in parts of this length.
pub const PART_LEN: usize = 8 << 20;

/// The longest file that is put in one request, by whomever: S3 takes 5 GiB.
pub const MAX_PUT_BYTES: u64 = 5_000_000_000;

/// Memory of parts that have been sent, for the next ones: megabytes that the allocator would
/// otherwise map anew for every part.
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
