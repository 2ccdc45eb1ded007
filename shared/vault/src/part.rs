//! The parts of a long file.

use bytes::Bytes;
use caas_crypto::stored::{self, MAX_PLAINTEXT_LEN};

/// Content of up to this many bytes is put in one request; longer content is put in parts of this
/// length. It is also the shortest length of parts from clients: 8,192 of them hold the longest
/// file, and S3 allows 10,000.
pub const PART_LEN: usize = 8 << 20;

/// The longest file that a client may put in one request, and the longest part: S3 accepts 5 GiB.
pub const MAX_PUT_BYTES: u64 = 5_000_000_000;

/// How a client divides a file into parts: all of one length, except that the last may be shorter.
/// The tag at the end is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartLayout {
    size: u64,
    part_size: u64,
}

impl PartLayout {
    /// The layout of a file of `size` bytes, in parts of [`PART_LEN`] unless another length is named.
    ///
    /// # Errors
    /// The file is longer than the format allows, or parts cannot have this length.
    pub fn new(size: u64, part_size: Option<u64>) -> Result<Self, InvalidLayout> {
        let part_size = part_size.unwrap_or(PART_LEN as u64);
        if size > MAX_PLAINTEXT_LEN {
            return Err(InvalidLayout::Size);
        }
        if !(PART_LEN as u64..=MAX_PUT_BYTES).contains(&part_size) {
            return Err(InvalidLayout::PartSize);
        }
        Ok(Self { size, part_size })
    }

    /// The length of the file in bytes.
    pub fn size(self) -> u64 {
        self.size
    }

    /// The length of every part but the last.
    pub fn part_size(self) -> u64 {
        self.part_size
    }

    /// The length of the stored object.
    pub fn stored_len(self) -> u64 {
        self.size + stored::OVERHEAD as u64
    }

    /// How many parts there are, 1 to 8,192.
    pub fn count(self) -> u16 {
        u16::try_from(self.stored_len().div_ceil(self.part_size)).unwrap_or(u16::MAX)
    }

    /// The numbers of the parts, from 1, and their lengths.
    pub fn parts(self) -> impl Iterator<Item = (u16, u64)> {
        (1..=self.count()).map(move |number| {
            let before = u64::from(number - 1) * self.part_size;
            (number, self.part_size.min(self.stored_len() - before))
        })
    }
}

/// Why a file cannot be sent in these parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLayout {
    /// It has more than 2^36 − 32 bytes.
    #[error("the file is longer than {MAX_PLAINTEXT_LEN} bytes")]
    Size,
    /// Parts must have 8 MiB to 5,000,000,000 bytes.
    #[error("parts must have {PART_LEN} to {MAX_PUT_BYTES} bytes")]
    PartSize,
}

/// The memory of sent parts, reused: the allocator would otherwise map megabytes again for every
/// part.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_but_the_last() {
        let eight = PART_LEN as u64;
        for (size, part_size, count, last) in [
            (0, None, 1, 16),
            (eight - 16, None, 1, eight),
            (eight - 15, None, 2, 1),
            (eight, None, 2, 16),
            (100, Some(MAX_PUT_BYTES), 1, 116),
            (MAX_PLAINTEXT_LEN, None, 8192, eight - 16),
            (MAX_PLAINTEXT_LEN, Some(MAX_PUT_BYTES), 14, 3_719_476_720),
        ] {
            let layout = PartLayout::new(size, part_size).unwrap();
            let parts: Vec<_> = layout.parts().collect();
            assert_eq!(layout.count(), count, "{size}");
            assert_eq!(parts.last(), Some(&(count, last)), "{size}");
            let full = &parts[..parts.len() - 1];
            assert!(full.iter().all(|(_, len)| *len == layout.part_size()));
            let sum: u64 = parts.iter().map(|(_, len)| len).sum();
            assert_eq!(sum, size + 16);
        }
        for (size, part_size, error) in [
            (MAX_PLAINTEXT_LEN + 1, None, InvalidLayout::Size),
            (u64::MAX, None, InvalidLayout::Size),
            (1, Some(0), InvalidLayout::PartSize),
            (1, Some(eight - 1), InvalidLayout::PartSize),
            (1, Some(MAX_PUT_BYTES + 1), InvalidLayout::PartSize),
        ] {
            assert_eq!(PartLayout::new(size, part_size), Err(error));
        }
    }
}
