//! [`caas_crypto`] for browsers.
//!
//! WebCrypto encrypts and decrypts with AES-CTR, which is several times faster than AES in
//! WebAssembly, but its AES-GCM cannot stream. So this module knows the formats, makes keys, and
//! authenticates the ciphertext chunk by chunk: together they are one AES-256-GCM message.

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    ContentKey,
    session::{self, NONCE_LEN, StreamAuthenticator},
    stored::{Grant, TAG_LEN},
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

/// One message: the key and the first counter block for AES-CTR, and the tag.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Message {
    key: ContentKey,
    nonce: [u8; NONCE_LEN],
    authenticator: StreamAuthenticator,
}

#[wasm_bindgen]
impl Message {
    /// Begins a session file under a new key. It is to be encrypted once.
    ///
    /// # Errors
    /// No randomness is available.
    #[wasm_bindgen(js_name = newSession)]
    pub fn new_session() -> Result<Message, JsError> {
        let (key, nonce) = session::generate()?;
        Ok(Self::session(key, nonce))
    }

    /// Opens a session file with its key, base64url without padding. `nonce` is its first 12 bytes.
    ///
    /// # Errors
    /// Key or nonce have another form.
    #[wasm_bindgen(js_name = openSession)]
    pub fn open_session(key: &str, nonce: &[u8]) -> Result<Message, JsError> {
        Ok(Self::session(key.parse()?, nonce.try_into()?))
    }

    /// The body of a stored object, with the parameters of an upload or a grant, in base64.
    ///
    /// # Errors
    /// They are not those of this format.
    pub fn stored(key: &str, iv: &str, aad: &str, tag_length: usize) -> Result<Message, JsError> {
        let key = Zeroizing::new(BASE64_STANDARD.decode(key)?);
        let (iv, aad) = (BASE64_STANDARD.decode(iv)?, BASE64_STANDARD.decode(aad)?);
        let key = || ContentKey::try_from(key.as_slice());
        if tag_length != TAG_LEN {
            return Err(JsError::new("the tag has another length"));
        }
        let grant = Grant::received(key()?, &iv, &aad)?;
        Ok(Self {
            key: key()?,
            nonce: *grant.iv(),
            authenticator: grant.authenticator(),
        })
    }

    /// The key of a session file, base64url without padding.
    #[wasm_bindgen(js_name = keyText)]
    pub fn key_text(&self) -> String {
        self.key.to_base64url().to_string()
    }

    /// The key, 32 bytes, for WebCrypto. The caller wipes it.
    pub fn key(&self) -> Vec<u8> {
        self.key.expose().to_vec()
    }

    /// The nonce, 12 bytes.
    pub fn nonce(&self) -> Vec<u8> {
        self.nonce.to_vec()
    }

    /// Adds the next chunk of ciphertext.
    ///
    /// # Errors
    /// The message would exceed 2^36 − 32 bytes.
    pub fn update(&mut self, ciphertext: &[u8]) -> Result<(), JsError> {
        Ok(self.authenticator.update(ciphertext)?)
    }

    /// Ends a message that was encrypted, and returns its tag, 16 bytes.
    pub fn finish(self) -> Vec<u8> {
        self.authenticator.finish().to_vec()
    }

    /// Ends a message that was decrypted: whether it is authentic. If not, discard all of it.
    pub fn verify(self, tag: &[u8]) -> bool {
        tag.try_into()
            .is_ok_and(|tag| self.authenticator.verify(tag).is_ok())
    }

    fn session(key: ContentKey, nonce: [u8; NONCE_LEN]) -> Self {
        let authenticator = session::authenticator(&key, &nonce);
        Self {
            key,
            nonce,
            authenticator,
        }
    }
}
