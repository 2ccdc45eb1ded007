//! [`caas_crypto`] for browsers: seals and opens files of any length, in memory that JavaScript uses again.

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    ContentKey,
    session::{self, BodyOpener, StreamSealer},
    stored::{Grant, TAG_LEN},
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

/// Seals one file.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Sealer {
    sealer: StreamSealer,
    session: Option<(ContentKey, [u8; session::NONCE_LEN])>,
}

#[wasm_bindgen]
impl Sealer {
    /// Begins a session file under a new key. The file is nonce, chunks and tag.
    ///
    /// # Errors
    /// No randomness is available.
    pub fn session() -> Result<Sealer, JsError> {
        let (key, nonce, sealer) = session::begin()?;
        let session = Some((key, nonce));
        Ok(Self { sealer, session })
    }

    /// Begins the body of a stored object, with the parameters of an upload, in base64. The body is
    /// chunks and tag.
    ///
    /// # Errors
    /// They are not those of this format.
    pub fn stored(key: &str, iv: &str, aad: &str, tag_length: usize) -> Result<Sealer, JsError> {
        let sealer = grant(key, iv, aad, tag_length)?.into_sealer();
        let session = None;
        Ok(Self { sealer, session })
    }

    /// The key of a session file, base64url without padding.
    pub fn key(&self) -> Option<String> {
        let (key, _) = self.session.as_ref()?;
        Some(key.to_base64url().to_string())
    }

    /// The nonce of a session file, 12 bytes.
    pub fn nonce(&self) -> Option<Vec<u8>> {
        let (_, nonce) = self.session.as_ref()?;
        Some(nonce.to_vec())
    }

    /// Encrypts the next chunk in place.
    ///
    /// # Errors
    /// The file would exceed 2^36 − 32 bytes.
    pub fn update(&mut self, chunk: &mut [u8]) -> Result<(), JsError> {
        Ok(self.sealer.update(chunk)?)
    }

    /// Ends the file, and returns its tag, 16 bytes.
    pub fn finish(self) -> Vec<u8> {
        self.sealer.finish().to_vec()
    }
}

/// Opens one file. What it returns is not verified before [`finish`](Self::finish).
#[wasm_bindgen]
#[derive(Debug)]
pub struct Opener {
    opener: BodyOpener,
    plaintext: Vec<u8>,
}

#[wasm_bindgen]
impl Opener {
    /// Opens a session file with its key, base64url without padding. `nonce` is the file's first 12
    /// bytes; the chunks are what follows.
    ///
    /// # Errors
    /// Key or nonce have another form.
    pub fn session(key: &str, nonce: &[u8]) -> Result<Opener, JsError> {
        Ok(Self::new(session::opener(&key.parse()?, nonce.try_into()?)))
    }

    /// Opens the body of a stored object, with the parameters of a grant, in base64.
    ///
    /// # Errors
    /// They are not those of this format.
    pub fn stored(key: &str, iv: &str, aad: &str, tag_length: usize) -> Result<Opener, JsError> {
        Ok(Self::new(grant(key, iv, aad, tag_length)?.opener()))
    }

    /// Decrypts the next chunk, and returns how much plaintext there is at its beginning.
    ///
    /// # Errors
    /// The file is too long.
    pub fn update(&mut self, chunk: &mut [u8]) -> Result<usize, JsError> {
        self.plaintext.clear();
        self.opener.update(chunk, &mut self.plaintext)?;
        // The opener holds the last bytes back, so this is never longer than the chunk.
        let len = self.plaintext.len();
        chunk[..len].copy_from_slice(&self.plaintext);
        Ok(len)
    }

    /// Whether the file is authentic. If not, discard all of it.
    pub fn finish(self) -> bool {
        self.opener.finish().is_ok()
    }

    fn new(opener: BodyOpener) -> Self {
        let plaintext = Vec::new();
        Self { opener, plaintext }
    }
}

fn grant(key: &str, iv: &str, aad: &str, tag_length: usize) -> Result<Grant, JsError> {
    if tag_length != TAG_LEN {
        return Err(JsError::new("the tag has another length"));
    }
    let key = Zeroizing::new(BASE64_STANDARD.decode(key)?);
    let key = ContentKey::try_from(key.as_slice())?;
    let (iv, aad) = (BASE64_STANDARD.decode(iv)?, BASE64_STANDARD.decode(aad)?);
    Ok(Grant::received(key, &iv, &aad)?)
}
