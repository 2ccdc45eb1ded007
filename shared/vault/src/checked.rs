//! Sealing that shows that what was sealed opens: before any of it is sent, the stream is opened
//! again with the key that its header unlocks.

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    MessageTooLong,
    stored::{BodyOpener, MAX_PLAINTEXT_LEN, OpeningKey, SealingKey, StreamSealer},
};
use crc_fast::{CrcAlgorithm, Digest};
use zeroize::Zeroizing;

use crate::PutError;

/// How much is sealed and opened at a time, so that it stays in the processor's cache.
const CHUNK_LEN: usize = 64 << 10;

/// Seals one object in place, and opens it again.
pub(crate) struct CheckedSealer {
    sealer: StreamSealer,
    content: Digest,
    opened: Opened,
}

impl CheckedSealer {
    /// Begins an object. `opening_key` is the one that its header unlocks.
    pub(crate) fn new(sealing_key: SealingKey, opening_key: &OpeningKey) -> Self {
        Self {
            sealer: sealing_key.into_sealer(),
            content: crc(),
            opened: Opened {
                opener: opening_key.opener(),
                chunk: Zeroizing::new(Vec::with_capacity(CHUNK_LEN)),
                content: crc(),
                body: crc(),
            },
        }
    }

    /// Seals the next part of the content.
    ///
    /// # Errors
    /// The content is too long.
    pub(crate) fn update(&mut self, part: &mut [u8]) -> Result<(), PutError> {
        for chunk in part.chunks_mut(CHUNK_LEN) {
            self.content.update(chunk);
            self.sealer.update(chunk).map_err(too_long)?;
            self.opened.update(chunk)?;
        }
        Ok(())
    }

    /// Ends the object: appends the tag to its last part, and returns S3's checksum of the whole
    /// body, CRC-64/NVME in base64.
    ///
    /// # Errors
    /// The body does not open, or to something else than the content.
    pub(crate) fn finish(self, part: &mut Vec<u8>) -> Result<String, PutError> {
        let Self {
            sealer,
            content,
            mut opened,
        } = self;
        let tag = sealer.finish();
        opened.update(&tag)?;
        part.extend_from_slice(&tag);
        let is_authentic = opened.opener.finish().is_ok();
        match is_authentic && opened.content.finalize() == content.finalize() {
            true => Ok(BASE64_STANDARD.encode(opened.body.finalize().to_be_bytes())),
            false => Err(PutError::DoesNotOpen),
        }
    }
}

/// What opens again.
struct Opened {
    opener: BodyOpener,
    chunk: Zeroizing<Vec<u8>>,
    content: Digest,
    body: Digest,
}

impl Opened {
    fn update(&mut self, body: &[u8]) -> Result<(), PutError> {
        self.body.update(body);
        self.chunk.clear();
        let opened = self.opener.update(body, &mut self.chunk);
        opened.map_err(|_| PutError::DoesNotOpen)?;
        self.content.update(&self.chunk);
        Ok(())
    }
}

fn crc() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Nvme)
}

fn too_long(MessageTooLong: MessageTooLong) -> PutError {
    PutError::TooLarge {
        limit: MAX_PLAINTEXT_LEN,
    }
}

#[cfg(test)]
mod tests {
    use caas_crypto::{
        DataKey,
        stored::{EncryptionContext, WrappedKey, begin},
    };
    use caas_testing::bytes;

    use super::*;

    fn keys() -> (SealingKey, OpeningKey) {
        let data_key = || DataKey::from([1; 32]);
        let wrapped_key = WrappedKey::try_from(vec![2]).unwrap();
        let context = EncryptionContext::for_object("acme/a");
        let (header, sealing_key) = begin(data_key(), wrapped_key, context).unwrap();
        (sealing_key, header.unlock(&data_key()).unwrap())
    }

    #[test]
    fn what_was_sealed_opens_and_has_its_checksum() {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, 3 * CHUNK_LEN + 5] {
            let (sealing_key, opening_key) = keys();
            let mut body = bytes(len);
            let mut sealer = CheckedSealer::new(sealing_key, &opening_key);
            sealer.update(&mut body).unwrap();
            let checksum = sealer.finish(&mut body).unwrap();
            let expected = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &body).to_be_bytes();
            assert_eq!(checksum, BASE64_STANDARD.encode(expected), "{len}");
            assert!(opening_key.open(body).unwrap() == bytes(len), "{len}");
        }
    }

    #[test]
    fn what_was_sealed_wrongly_is_not_sent() {
        let (sealing_key, opening_key) = keys();
        let mut another_key = CheckedSealer::new(sealing_key, &keys().1);
        another_key.update(&mut bytes(100)).unwrap();

        let mut another_body = CheckedSealer::new(keys().0, &opening_key);
        let (sealing_key, opening_key) = keys();
        another_body.sealer = sealing_key.into_sealer();
        another_body.opened.opener = opening_key.opener();
        another_body.update(&mut bytes(100)).unwrap();
        another_body.opened.update(b"one byte too many").unwrap();

        let (sealing_key, opening_key) = keys();
        let mut another_content = CheckedSealer::new(sealing_key, &opening_key);
        another_content.update(&mut bytes(100)).unwrap();
        another_content.content.update(b"lost on the way");

        for sealer in [another_key, another_body, another_content] {
            let end = sealer.finish(&mut Vec::new());
            assert!(matches!(end, Err(PutError::DoesNotOpen)), "{end:?}");
        }
    }
}
