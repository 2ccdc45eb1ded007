//! The body of a stored object: the keys that seal and open it, and the grant that passes one on.

use super::SUITE;
use crate::{
    ContentKey, MessageTooLong, NotAuthentic,
    gcm::{self, BodyOpener, NONCE_LEN, Nonce, StreamSealer, TAG_LEN, Tag},
};

/// The fixed initialisation vector of every body: no content key seals two of them.
pub const IV: Nonce = [0x01; NONCE_LEN];

/// The additional data of every body: the algorithm suite.
pub const AAD: [u8; 2] = SUITE;

/// The overhead over the plaintext, in bytes.
pub const OVERHEAD: usize = TAG_LEN;

/// Seals the body of one new object, once.
#[derive(Debug)]
pub struct SealingKey(pub(super) ContentKey);

impl SealingKey {
    /// Seals the body as a stream: the chunks after [`StreamSealer::update`], then the tag.
    pub fn into_sealer(self) -> StreamSealer {
        StreamSealer::new(&self.0, &IV, &AAD)
    }

    /// Seals the body in one piece.
    ///
    /// # Errors
    /// `plaintext` is longer than [`MAX_PLAINTEXT_LEN`](super::MAX_PLAINTEXT_LEN).
    pub fn seal(self, mut plaintext: Vec<u8>) -> Result<Vec<u8>, MessageTooLong> {
        let tag = gcm::seal(&self.0, &IV, &AAD, &mut plaintext)?;
        plaintext.extend_from_slice(&tag);
        Ok(plaintext)
    }

    /// Hands the key to a client. By sealing twice, the client can break this object, but no other.
    pub fn into_grant(self) -> Grant {
        Grant(self.0)
    }
}

/// Opens the body of one object. Only [`Header::unlock`](super::Header::unlock) returns one, after
/// checking the commitment.
#[derive(Debug)]
pub struct OpeningKey(pub(super) ContentKey);

impl OpeningKey {
    /// Opens the body as a stream.
    pub fn opener(&self) -> BodyOpener {
        BodyOpener::new(&self.0, &IV, &AAD)
    }

    /// Opens the body in one piece, in place.
    ///
    /// # Errors
    /// The body is not the one that was sealed with this header.
    pub fn open(&self, mut body: Vec<u8>) -> Result<Vec<u8>, NotAuthentic> {
        let (_, tag) = body.split_last_chunk::<TAG_LEN>().ok_or(NotAuthentic)?;
        let tag: Tag = *tag;
        body.truncate(body.len() - TAG_LEN);
        gcm::open(&self.0, &IV, &AAD, &mut body, &tag)?;
        Ok(body)
    }

    /// Hands the key to a client, which can then read this object permanently.
    pub fn into_grant(self) -> Grant {
        Grant(self.0)
    }
}

/// What a client needs to seal or open one body itself, with any AES-256-GCM library: the key,
/// [`IV`] and [`AAD`]. The body ends with the 16-byte tag.
#[derive(Debug)]
pub struct Grant(ContentKey);

impl Grant {
    /// Restores the grant that was sent as these values.
    ///
    /// # Errors
    /// The IV or the additional data are not those of this format.
    pub fn received(key: ContentKey, iv: &[u8], aad: &[u8]) -> Result<Self, ForeignGrant> {
        if iv == IV && aad == AAD {
            Ok(Self(key))
        } else {
            Err(ForeignGrant)
        }
    }

    /// Seals the body as a stream, once: the chunks after [`StreamSealer::update`], then the tag.
    pub fn into_sealer(self) -> StreamSealer {
        StreamSealer::new(&self.0, &IV, &AAD)
    }

    /// Opens the body as a stream.
    pub fn opener(&self) -> BodyOpener {
        BodyOpener::new(&self.0, &IV, &AAD)
    }

    /// The content key, as secret as the object.
    pub fn key(&self) -> &ContentKey {
        &self.0
    }

    /// The initialisation vector.
    pub fn iv(&self) -> &'static Nonce {
        &IV
    }

    /// The additional data.
    pub fn aad(&self) -> &'static [u8] {
        &AAD
    }
}

/// The values of a grant are not those of this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a grant of this format")]
pub struct ForeignGrant;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealing_key() -> SealingKey {
        SealingKey(ContentKey::from([3; 32]))
    }

    fn opening_key() -> OpeningKey {
        OpeningKey(ContentKey::from([3; 32]))
    }

    fn open_in_chunks(body: &[u8], chunk_len: usize) -> Result<Vec<u8>, NotAuthentic> {
        let mut opener = opening_key().opener();
        let mut plaintext = Vec::new();
        for chunk in body.chunks(chunk_len) {
            opener.update(chunk, &mut plaintext)?;
        }
        opener.finish().map(|()| plaintext)
    }

    #[test]
    fn every_length_round_trips_in_one_piece_and_as_a_stream() {
        for len in (0..70).chain([4096, 100_000]) {
            let plaintext: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let body = sealing_key().seal(plaintext.clone()).unwrap();
            assert_eq!(body.len(), len + OVERHEAD);
            assert_eq!(opening_key().open(body.clone()).as_ref(), Ok(&plaintext));

            let mut streamed = plaintext.clone();
            let mut sealer = sealing_key().into_sealer();
            for chunk in streamed.chunks_mut(33) {
                sealer.update(chunk).unwrap();
            }
            streamed.extend(sealer.finish());
            assert_eq!(streamed, body);

            for chunk_len in [1, 15, 16, 17, 32, 1000] {
                let opened = open_in_chunks(&body, chunk_len);
                assert_eq!(opened.as_ref(), Ok(&plaintext), "{len} in {chunk_len}");
            }
        }
    }

    #[test]
    fn every_flip_truncation_and_extension_is_refused() {
        let body = sealing_key().seal((0..100).collect()).unwrap();
        let refused = |body: Vec<u8>, what: &str| {
            for chunk_len in [7, body.len().max(1)] {
                let opened = open_in_chunks(&body, chunk_len);
                assert_eq!(opened, Err(NotAuthentic), "{what}");
            }
            assert_eq!(opening_key().open(body), Err(NotAuthentic), "{what}");
        };
        for bit in 0..body.len() * 8 {
            let mut changed = body.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            refused(changed, &format!("bit {bit}"));
        }
        for len in 0..body.len() {
            refused(body[..len].to_vec(), &format!("cut to {len}"));
        }
        refused([body.as_slice(), &[0]].concat(), "one byte more");
        refused([body.as_slice(), &body].concat(), "twice");
        refused(body[1..].to_vec(), "one byte less in front");
    }

    #[test]
    fn the_public_parameters_are_those_of_the_format() {
        let (sealing, opening) = (sealing_key().into_grant(), opening_key().into_grant());
        assert_eq!(sealing.key(), opening.key());
        assert_eq!(opening.iv(), &[1; 12]);
        assert_eq!(opening.aad(), [0x00, 0x73]);
    }

    #[test]
    fn a_grant_that_was_handed_on_seals_and_opens() {
        let receive = |iv: &[u8], aad: &[u8]| Grant::received(ContentKey::from([3; 32]), iv, aad);
        let mut body = b"some text".to_vec();
        let mut sealer = receive(&IV, &AAD).unwrap().into_sealer();
        sealer.update(&mut body).unwrap();
        body.extend(sealer.finish());
        let mut opener = receive(&IV, &AAD).unwrap().opener();
        let mut plaintext = Vec::new();
        opener.update(&body, &mut plaintext).unwrap();
        assert_eq!(opener.finish(), Ok(()));
        assert_eq!(plaintext, b"some text");
        assert_eq!(opening_key().open(body), Ok(plaintext));
        for (iv, aad) in [(&[2; 12][..], &AAD[..]), (&[1; 11], &AAD), (&IV, b"")] {
            assert_eq!(receive(iv, aad).err(), Some(ForeignGrant));
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let (sealing, opening) = (sealing_key(), opening_key());
        let shown = format!("{sealing:?} {opening:?} {:?}", sealing_key().into_grant());
        let expected =
            "SealingKey(ContentKey { .. }) OpeningKey(ContentKey { .. }) Grant(ContentKey { .. })";
        assert_eq!(shown, expected);
    }

    proptest! {
        #[test]
        fn every_chunking_opens_and_never_releases_the_tag(
            plaintext in proptest::collection::vec(any::<u8>(), 0..3000),
            cuts in proptest::collection::vec(0..3100usize, 0..40),
        ) {
            let body = sealing_key().seal(plaintext.clone()).unwrap();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();

            let mut opener = opening_key().opener();
            let mut opened = vec![0xEE]; // what is already there stays
            for cut in cuts.windows(2) {
                opener.update(&body[cut[0]..cut[1]], &mut opened).unwrap();
                prop_assert_eq!(opened.len() - 1, cut[1].saturating_sub(TAG_LEN));
            }
            prop_assert_eq!(opener.finish(), Ok(()));
            prop_assert_eq!(&opened[1..], plaintext);
        }
    }
}
