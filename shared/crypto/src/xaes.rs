//! XAES-256-GCM (C2SP): AES-256-GCM with a nonce of 192 random bits, so that one key can seal any
//! number of messages.

use xaes_256_gcm::{
    Nonce, Tag, Xaes256Gcm,
    aead::{AeadInOut, KeyInit},
};
use zeroize::Zeroizing;

use crate::{
    MessageTooLong, NotAuthentic, RandomnessUnavailable,
    secret::{fill_random, on_wiped_stack},
};

/// Length of the nonce in bytes.
const NONCE_LEN: usize = 24;

/// Length of the tag in bytes.
const TAG_LEN: usize = 16;

/// How much longer a sealed message is than its plaintext, in bytes.
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// A key, expanded. Wiped on drop.
pub(crate) struct Xaes(Box<Xaes256Gcm>);

impl Xaes {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        on_wiped_stack(|| Self(Box::new(Xaes256Gcm::new(key.into()))))
    }

    /// Seals `plaintext` under a random nonce: nonce ‖ ciphertext ‖ tag.
    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce)?;
        self.seal_with(nonce, aad, plaintext)
    }

    fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let text = &mut sealed[NONCE_LEN..];
        let nonce = Nonce::from(nonce);
        let seal = || self.0.encrypt_inout_detached(&nonce, aad, text.into());
        let tag = on_wiped_stack(seal).map_err(|_| MessageTooLong)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) returned for the same additional data.
    pub(crate) fn open(
        &self,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        let (nonce, rest) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(NotAuthentic)?;
        let (text, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(NotAuthentic)?;
        let mut text = Zeroizing::new(text.to_vec());
        let (nonce, tag) = (Nonce::from(*nonce), Tag::from(*tag));
        let buffer = text.as_mut_slice().into();
        let open = || self.0.decrypt_inout_detached(&nonce, aad, buffer, &tag);
        on_wiped_stack(open).map_err(|_| NotAuthentic)?;
        Ok(text)
    }
}

/// Why something could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system's random number generator is not available.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
    /// The plaintext does not fit into one message.
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two vectors of the specification: one for each value of the subkey's first bit.
    #[test]
    fn vectors_of_c2sp() {
        for (key, aad, sealed) in [
            (
                [0x01; 32],
                "",
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            ),
            (
                [0x03; 32],
                "c2sp.org/XAES-256-GCM",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ] {
            let (xaes, nonce) = (Xaes::new(&key), *b"ABCDEFGHIJKLMNOPQRSTUVWX");
            let message = xaes
                .seal_with(nonce, aad.as_bytes(), b"XAES-256-GCM")
                .unwrap();
            assert_eq!(message[..NONCE_LEN], nonce);
            assert_eq!(hex::encode(&message[NONCE_LEN..]), sealed);
            let opened = xaes.open(aad.as_bytes(), &message).unwrap();
            assert_eq!(*opened, b"XAES-256-GCM");
        }
    }

    #[test]
    fn every_flip_cut_and_other_aad_is_refused() {
        let xaes = Xaes::new(&[7; 32]);
        let sealed = xaes.seal(b"aad", b"some text").unwrap();
        assert_eq!(sealed.len(), 9 + OVERHEAD);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(xaes.open(b"aad", &changed), Err(NotAuthentic), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(
                xaes.open(b"aad", &sealed[..len]),
                Err(NotAuthentic),
                "{len}"
            );
        }
        assert_eq!(xaes.open(b"AAD", &sealed), Err(NotAuthentic));
        assert_eq!(Xaes::new(&[8; 32]).open(b"aad", &sealed), Err(NotAuthentic));
    }

    #[test]
    fn nonces_do_not_repeat() {
        let xaes = Xaes::new(&[7; 32]);
        let nonces: std::collections::HashSet<_> = (0..10_000)
            .map(|_| xaes.seal(b"", b"").unwrap()[..NONCE_LEN].to_vec())
            .collect();
        assert_eq!(nonces.len(), 10_000);
    }
}
