//! `caas-upload:v1`: what a client returns to continue an upload in parts. The format is in
//! `docs/formats`.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_aws::ObjectKey;
use caas_crypto::stored::{EncryptionContext, Header};

use crate::{PartLayout, UploadKey};

const PREFIX: &str = "caas-upload:v1:";

/// The longest id of a multipart upload. AWS's have fewer than 200 bytes.
const MAX_UPLOAD_ID_LEN: usize = 1024;

/// Everything about an upload in parts that S3 does not return before it ends.
///
/// It is neither secret nor authenticated: whoever has it still needs the API key of the client in
/// its key, S3 knows whether the upload exists, and KMS unwraps the data key for this object only.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadToken {
    pub(crate) key: UploadKey,
    pub(crate) upload_id: String,
    pub(crate) layout: PartLayout,
    pub(crate) header: Header,
}

impl UploadToken {
    /// Parses a token. Each has one text: other encodings of the same bytes are refused.
    ///
    /// # Errors
    /// The text is not a token.
    pub fn parse(text: &str) -> Result<Self, InvalidUploadToken> {
        Self::read(text).ok_or(InvalidUploadToken)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?);
        let bytes = bytes.ok()?;
        let (size, rest) = bytes.split_first_chunk()?;
        let (part_size, mut rest) = rest.split_first_chunk()?;
        let mut part = || {
            let (len, from) = rest.split_first_chunk()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let (part, after) = from.split_at_checked(len)?;
            rest = after;
            Some(part)
        };
        let (key, upload_id, header) = (part()?, part()?, part()?);
        if !rest.is_empty() {
            return None;
        }
        let key = UploadKey::of(ObjectKey::parse(str::from_utf8(key).ok()?).ok()?)?;
        let context = EncryptionContext::for_object(key.object_key().as_str());
        Some(Self {
            upload_id: upload_id_of(upload_id)?,
            layout: PartLayout::new(
                u64::from_be_bytes(*size),
                Some(u64::from_be_bytes(*part_size)),
            )
            .ok()?,
            header: Header::from_bytes(header, context)?,
            key,
        })
    }

    /// The key of the file.
    pub fn key(&self) -> &ObjectKey {
        self.key.object_key()
    }

    /// Its length, and those of its parts.
    pub fn layout(&self) -> PartLayout {
        self.layout
    }
}

/// An id of 1 to 1,024 visible ASCII characters.
fn upload_id_of(bytes: &[u8]) -> Option<String> {
    let legal =
        (1..=MAX_UPLOAD_ID_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    legal.then(|| String::from_utf8_lossy(bytes).into_owned())
}

impl fmt::Display for UploadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header.to_bytes();
        let parts = [
            self.key().as_str().as_bytes(),
            self.upload_id.as_bytes(),
            &header,
        ];
        let mut bytes = self.layout.size().to_be_bytes().to_vec();
        bytes.extend(self.layout.part_size().to_be_bytes());
        for part in parts {
            // At most a few thousand bytes.
            let len = u32::try_from(part.len()).map_err(|_| fmt::Error)?;
            bytes.extend(len.to_be_bytes());
            bytes.extend(part);
        }
        write!(f, "{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Without the key, which contains a file name.
impl fmt::Debug for UploadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadToken")
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

/// The text is not an [`UploadToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an upload token")]
pub struct InvalidUploadToken;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        object_key: String,
        upload_id: String,
        size: u64,
        part_size: u64,
        part_lengths: Vec<u64>,
        metadata: BTreeMap<String, String>,
        token: String,
    }

    fn vectors() -> Vec<Vector> {
        #[derive(Deserialize)]
        struct Vectors {
            upload_tokens: Vec<Vector>,
        }
        let text = include_str!("../../../docs/formats/vectors.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        vectors.upload_tokens
    }

    #[test]
    fn the_published_vectors() {
        for vector in vectors() {
            let token = UploadToken::parse(&vector.token).unwrap();
            assert_eq!(token.key().as_str(), vector.object_key);
            assert_eq!(token.upload_id, vector.upload_id);
            let layout = token.layout();
            assert_eq!(
                (layout.size(), layout.part_size()),
                (vector.size, vector.part_size)
            );
            let lengths: Vec<_> = layout.parts().map(|(_, len)| len).collect();
            assert_eq!(lengths, vector.part_lengths);
            let metadata = token.header.to_metadata();
            assert!(
                metadata
                    .iter()
                    .all(|(name, value)| &vector.metadata[*name] == value)
            );
            assert_eq!(token.to_string(), vector.token);
        }
    }

    fn token() -> Vec<u8> {
        let token = &vectors()[0].token;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token[PREFIX.len()..]);
        bytes.unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let bytes = token();
        let good = text(&bytes);
        assert!(UploadToken::parse(&good).is_ok());
        let with = |place: usize, value: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[place..place + value.len()].copy_from_slice(value);
            text(&bytes)
        };
        let replaced = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len());
            let (from, to) = (from.as_bytes(), to.as_bytes());
            let place = bytes.windows(from.len()).position(|at| at == from);
            with(place.unwrap(), to)
        };
        let vector = &vectors()[0];
        let (key, id) = (&vector.object_key, &vector.upload_id);
        for (case, refused) in [
            ("empty", String::new()),
            ("the prefix", PREFIX.to_owned()),
            ("another prefix", good.replace(":v1:", ":v2:")),
            ("padding", format!("{good}=")),
            ("a space", format!(" {good}")),
            ("a newline", format!("{good}\n")),
            ("one more byte", text(&[&bytes[..], b"x"].concat())),
            ("too large", with(0, &(1_u64 << 36).to_be_bytes())),
            ("no part size", with(8, &0_u64.to_be_bytes())),
            ("small parts", with(8, &((8_u64 << 20) - 1).to_be_bytes())),
            ("large parts", with(8, &5_000_000_001_u64.to_be_bytes())),
            ("a long key", with(16, &u32::MAX.to_be_bytes())),
            ("a key's mark", replaced("-8caa-", "-8cab-")),
            ("no client", replaced("acme/", "ACME/")),
            ("another folder", replaced(key, &"a".repeat(key.len()))),
            ("an id with a space", replaced(id, &" ".repeat(id.len()))),
        ] {
            let parsed = UploadToken::parse(&refused);
            assert_eq!(parsed, Err(InvalidUploadToken), "{case}");
        }
        for len in 0..bytes.len() {
            let parsed = UploadToken::parse(&text(&bytes[..len]));
            assert_eq!(parsed, Err(InvalidUploadToken), "{len} bytes");
        }
    }

    #[test]
    fn debug_shows_no_name() {
        let token = UploadToken::parse(&vectors()[0].token).unwrap();
        let shown = format!("{token:?}");
        assert!(!shown.contains(token.key().file_name()), "{shown}");
    }

    proptest! {
        #[test]
        fn a_token_has_one_text(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
            cuts in any::<bool>(),
            more in "[A-Za-z0-9_=-]{0,3}",
        ) {
            let mut bytes = token();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            let text = text(&bytes) + &more;
            if let Ok(token) = UploadToken::parse(&text) {
                prop_assert_eq!(token.to_string(), text);
                prop_assert!((1..=8192).contains(&token.layout().count()));
                let lengths = token.layout().parts().map(|(_, len)| len);
                prop_assert_eq!(lengths.sum::<u64>(), token.layout().stored_len());
            }
        }
    }
}
