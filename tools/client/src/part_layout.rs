//! How ciphertext and tag are divided into parts.

use caas_crypto::stored::OVERHEAD;

use crate::{ServiceError, response::Parts};

/// The length of the parts that are asked for, in bytes.
pub(crate) const PART_SIZE: u64 = 8 << 20;

/// What the parts in memory may occupy together, in bytes.
const MEMORY: u64 = 40 << 20;

/// The most parts in transfer at a time.
const CONNECTIONS: u64 = 4;

/// Parts of one length, except that the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartLayout {
    /// The length of the file.
    pub(crate) size: u64,
    pub(crate) part_size: u64,
    pub(crate) count: u16,
}

impl PartLayout {
    /// The layout that the service names for a file of `size` bytes.
    ///
    /// # Errors
    /// It does not fit the file, or two parts do not fit in memory.
    pub(crate) fn new(size: u64, parts: Parts) -> Result<Self, ServiceError> {
        let Parts { part_size, count } = parts;
        let layout = Self {
            size,
            part_size,
            count,
        };
        let fits = (1..=MEMORY / 2).contains(&part_size) && size < u64::MAX - OVERHEAD as u64;
        match fits && layout.stored_len().div_ceil(part_size) == u64::from(count) {
            true => Ok(layout),
            false => Err(ServiceError::Unexpected),
        }
    }

    /// The length of ciphertext and tag.
    pub(crate) fn stored_len(self) -> u64 {
        self.size + OVERHEAD as u64
    }

    /// The length of this part, from 1.
    pub(crate) fn len(self, number: u16) -> u64 {
        let before = u64::from(number - 1) * self.part_size;
        self.part_size.min(self.stored_len() - before)
    }

    /// How many parts are sent at a time. There is memory for one more, which is being sealed.
    pub(crate) fn connections(self) -> usize {
        (MEMORY / self.part_size - 1).min(CONNECTIONS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_fits_the_file_and_the_memory() {
        let layout = |size, part_size, count| PartLayout::new(size, Parts { part_size, count });
        for (size, part_size, count, last, connections) in [
            (100 << 20, PART_SIZE, 13, (4 << 20) + 16, 4),
            ((16 << 20) - 16, PART_SIZE, 2, PART_SIZE, 4),
            ((16 << 20) - 15, PART_SIZE, 3, 1, 4),
            ((1 << 36) - 32, PART_SIZE, 8192, PART_SIZE - 16, 4),
            (100, 20 << 20, 1, 116, 1),
            (0, 16, 1, 16, 4),
        ] {
            let layout = layout(size, part_size, count).unwrap();
            assert_eq!(layout.len(count), last, "{size}");
            let sum: u64 = (1..=count).map(|number| layout.len(number)).sum();
            assert_eq!(sum, size + 16);
            assert_eq!(layout.connections(), connections);
        }
        for (size, part_size, count) in [
            (100, 0, 1),
            (100, 116, 2),
            (100, 115, 1),
            (100, (20 << 20) + 1, 1),
            (100, u64::MAX, 1),
            (u64::MAX, PART_SIZE, u16::MAX),
        ] {
            assert_eq!(
                layout(size, part_size, count),
                Err(ServiceError::Unexpected)
            );
        }
    }
}
