//! The header of a stored object: the user metadata that says how to open it.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Commitment, EncryptionContext, MessageId, context::SUITE_VALUE};

const SUITE: &str = "x-amz-c";
const WRAPPED_KEY: &str = "x-amz-3";
const WRAPPING: &str = "x-amz-w";
const CONTEXT: &str = "x-amz-t";
const COMMITMENT: &str = "x-amz-d";
const MESSAGE_ID: &str = "x-amz-i";

const FIELDS: [&str; 6] = [
    SUITE,
    WRAPPED_KEY,
    WRAPPING,
    CONTEXT,
    COMMITMENT,
    MESSAGE_ID,
];

/// `kms+context`, the only wrapping supported.
const WRAPPING_VALUE: &str = "12";

/// Metadata of versions 1 and 2 of the format. Neither commits to its key, and a reader that
/// accepts several versions can be downgraded to the weakest (CVE-2025-14760).
const OLDER_VERSIONS: [&str; 8] = [
    "x-amz-key",
    "x-amz-key-v2",
    "x-amz-iv",
    "x-amz-matdesc",
    "x-amz-wrap-alg",
    "x-amz-cek-alg",
    "x-amz-tag-len",
    "x-amz-crypto-instr-file",
];

/// The header of a stored object. None of it is secret.
///
/// Metadata names here are without S3's prefix `x-amz-meta-`:
///
/// | name | value |
/// |---|---|
/// | `x-amz-c` | `115`, the algorithm suite |
/// | `x-amz-3` | the wrapped data key |
/// | `x-amz-w` | `12`, wrapped by KMS with an encryption context |
/// | `x-amz-t` | the encryption context, a JSON object of strings |
/// | `x-amz-d` | the key commitment, 28 bytes |
/// | `x-amz-i` | the message id, 28 bytes |
///
/// Byte strings are standard base64 with padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) wrapped_key: WrappedKey,
    pub(super) encryption_context: EncryptionContext,
    pub(super) commitment: Commitment,
    pub(super) message_id: MessageId,
}

impl Header {
    /// Parses an object's user metadata. Refuses everything that is not exactly this format, for
    /// this object, before any KMS request.
    ///
    /// `expected` is the context that the object must have been sealed with. Names are
    /// case-insensitive, as in S3; unrelated metadata is ignored.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn parse<'a>(
        metadata: impl IntoIterator<Item = (&'a str, &'a str)>,
        expected: &EncryptionContext,
    ) -> Result<Self, HeaderError> {
        let fields = Fields::collect(metadata)?;

        if fields.value(SUITE)? != SUITE_VALUE {
            return Err(HeaderError::Unsupported(SUITE));
        }
        if fields.value(WRAPPING)? != WRAPPING_VALUE {
            return Err(HeaderError::Unsupported(WRAPPING));
        }
        let wrapped_key = fields.bytes(WRAPPED_KEY)?;
        let commitment = fields.bytes(COMMITMENT)?;
        let message_id = fields.bytes(MESSAGE_ID)?;
        let encryption_context = EncryptionContext::from_json(fields.value(CONTEXT)?)
            .ok_or(HeaderError::Malformed(CONTEXT))?;
        if !encryption_context.is_stored_form_of(expected) {
            return Err(HeaderError::WrongContext);
        }
        Ok(Self {
            wrapped_key,
            encryption_context,
            commitment,
            message_id,
        })
    }

    /// Whether any of this metadata is a header's: the object is in this format, or was.
    pub fn is_in<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
        let is_field = |name: &str| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
        names.into_iter().any(is_field)
    }

    /// The user metadata to store with the body.
    pub fn to_metadata(&self) -> [(&'static str, String); 6] {
        let wrapped_key = BASE64_STANDARD.encode(self.wrapped_key.as_bytes());
        [
            (SUITE, SUITE_VALUE.to_owned()),
            (WRAPPED_KEY, wrapped_key),
            (WRAPPING, WRAPPING_VALUE.to_owned()),
            (CONTEXT, self.encryption_context.to_json()),
            (COMMITMENT, BASE64_STANDARD.encode(self.commitment)),
            (MESSAGE_ID, BASE64_STANDARD.encode(self.message_id)),
        ]
    }

    /// What differs between the headers of objects: commitment (28) ‖ message id (28) ‖ wrapped key.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            &self.commitment[..],
            &self.message_id,
            self.wrapped_key.as_bytes(),
        ]
        .concat()
    }

    /// The header with these bytes, of an object with this context: the inverse of
    /// [`to_bytes`](Self::to_bytes). `None` if they are too few or too many.
    pub fn from_bytes(bytes: &[u8], encryption_context: EncryptionContext) -> Option<Self> {
        let (commitment, rest) = bytes.split_first_chunk()?;
        let (message_id, wrapped_key) = rest.split_first_chunk()?;
        Some(Self {
            wrapped_key: wrapped_key.to_vec().try_into().ok()?,
            encryption_context,
            commitment: *commitment,
            message_id: *message_id,
        })
    }

    /// The wrapped data key, for KMS to unwrap.
    pub fn wrapped_key(&self) -> &WrappedKey {
        &self.wrapped_key
    }

    /// The context as stored, for KMS to check.
    pub fn encryption_context(&self) -> &EncryptionContext {
        &self.encryption_context
    }
}

/// The values of the six fields, each at most once.
struct Fields<'a>([(&'static str, Option<&'a str>); 6]);

impl<'a> Fields<'a> {
    fn collect(
        metadata: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HeaderError> {
        let mut fields = FIELDS.map(|name| (name, None));
        for (name, value) in metadata {
            let is_it = |known: &str| known.eq_ignore_ascii_case(name);
            if OLDER_VERSIONS.into_iter().any(is_it) {
                return Err(HeaderError::OlderVersion);
            }
            let field = fields.iter_mut().find(|field| is_it(field.0));
            if let Some((name, slot)) = field
                && slot.replace(value).is_some()
            {
                return Err(HeaderError::Duplicate(name));
            }
        }
        Ok(Self(fields))
    }

    fn value(&self, name: &'static str) -> Result<&'a str, HeaderError> {
        let field = self.0.iter().find(|field| field.0 == name);
        let value = field.and_then(|field| field.1);
        value.ok_or(HeaderError::Missing(name))
    }

    /// Decodes base64 of a legal length.
    fn bytes<T: TryFrom<Vec<u8>>>(&self, name: &'static str) -> Result<T, HeaderError> {
        let bytes = BASE64_STANDARD.decode(self.value(name)?).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or(HeaderError::Malformed(name))
    }
}

/// A data key wrapped by KMS: a `CiphertextBlob` of 1 to 6,144 bytes. It is not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(Vec<u8>);

impl WrappedKey {
    /// The longest that KMS `Decrypt` accepts, in bytes.
    pub const MAX_LEN: usize = 6144;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for WrappedKey {
    type Error = InvalidWrappedKey;

    fn try_from(bytes: Vec<u8>) -> Result<Self, InvalidWrappedKey> {
        if (1..=Self::MAX_LEN).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(InvalidWrappedKey)
        }
    }
}

/// The bytes cannot be a [`WrappedKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a wrapped key must have 1 to 6144 bytes")]
pub struct InvalidWrappedKey;

/// Why an object's metadata is refused. The reason is for operators: a caller of the service learns
/// only that the object does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is metadata of an older version of the format, alone or next to this version's.
    #[error("metadata of version 1 or 2 of the format")]
    OlderVersion,
    /// A field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field is a duplicate.
    #[error("{0} is a duplicate")]
    Duplicate(&'static str),
    /// A field has a wrong encoding or length.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A field has an unsupported value.
    #[error("{0} has an unsupported value")]
    Unsupported(&'static str),
    /// The encryption context is not the expected one: another suite, or another object's.
    #[error("the encryption context is not this object's")]
    WrongContext,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "acme/report.pdf";

    fn header() -> Header {
        Header {
            wrapped_key: WrappedKey::try_from((0..184).collect::<Vec<u8>>()).unwrap(),
            encryption_context: EncryptionContext::for_object(KEY),
            commitment: [0xC0; 28],
            message_id: [0x1D; 28],
        }
    }

    fn parse(metadata: &[(String, String)]) -> Result<Header, HeaderError> {
        let pairs = metadata.iter();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        Header::parse(pairs, &EncryptionContext::for_object(KEY))
    }

    fn metadata() -> Vec<(String, String)> {
        let metadata = header().to_metadata();
        metadata
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// The metadata with one field set to something else, or taken out.
    fn with(name: &str, value: Option<&str>) -> Vec<(String, String)> {
        let mut metadata = metadata();
        metadata.retain(|field| field.0 != name);
        metadata.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        metadata
    }

    fn plus(name: &str, value: &str) -> Vec<(String, String)> {
        let mut metadata = metadata();
        metadata.push((name.to_owned(), value.to_owned()));
        metadata
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(parse(&metadata()), Ok(header()));
        let mut reversed = metadata();
        reversed.reverse();
        assert_eq!(parse(&reversed), Ok(header()));
    }

    #[test]
    fn bytes_lead_back_to_the_header() {
        let (bytes, context) = (header().to_bytes(), EncryptionContext::for_object(KEY));
        let read = Header::from_bytes(&bytes, context.clone());
        assert_eq!(read, Some(header()));
        let too_many = vec![0; 56 + WrappedKey::MAX_LEN + 1];
        for refused in [&[], &bytes[..55], &bytes[..56], &too_many] {
            let read = Header::from_bytes(refused, context.clone());
            assert_eq!(read, None, "{}", refused.len());
        }
    }

    #[test]
    fn metadata_without_a_bearing_is_tolerated() {
        for (name, value) in [
            ("x-amz-m", "{}"),
            ("x-amz-m", ""),
            ("x-amz-unencrypted-content-length", ""),
            ("X-Amz-Unencrypted-Content-Length", "13"),
            ("caas-source-version", "abc"),
            ("x-amz-kept", "1"),
            ("", ""),
        ] {
            assert_eq!(parse(&plus(name, value)), Ok(header()), "{name}");
        }
        let mut upper = metadata();
        upper
            .iter_mut()
            .for_each(|field| field.0.make_ascii_uppercase());
        assert_eq!(parse(&upper), Ok(header()));
    }

    #[test]
    fn one_field_shows_the_format() {
        for (name, _) in header().to_metadata() {
            assert!(Header::is_in(["a", name]) && Header::is_in([&*name.to_uppercase()]));
        }
        assert!(!Header::is_in(OLDER_VERSIONS) && !Header::is_in(["", "x-amz-m"]));
    }

    #[test]
    fn every_field_is_needed_once() {
        use HeaderError::Duplicate;

        for (name, value) in header().to_metadata() {
            assert_eq!(parse(&with(name, None)), Err(HeaderError::Missing(name)));
            for other in [value.as_str(), "", "115"] {
                assert_eq!(parse(&plus(name, other)), Err(Duplicate(name)));
                let upper = name.to_uppercase();
                assert_eq!(parse(&plus(&upper, other)), Err(Duplicate(name)));
            }
        }
        assert_eq!(parse(&[]), Err(HeaderError::Missing(SUITE)));
    }

    #[test]
    fn older_versions_are_refused_alone_and_beside_this_one() {
        for name in OLDER_VERSIONS {
            for name in [name.to_owned(), name.to_uppercase()] {
                let beside = plus(&name, "AA==");
                for metadata in [&beside, &beside[6..]] {
                    assert_eq!(parse(metadata), Err(HeaderError::OlderVersion), "{name}");
                }
            }
        }
    }

    #[test]
    fn other_values_are_refused() {
        use HeaderError::{Malformed, Unsupported};

        let (b28, b184) = ("A".repeat(37) + "A==", "A".repeat(246) + "==");
        assert!(BASE64_STANDARD.decode(&b184).is_ok());
        let short = BASE64_STANDARD.encode([0; 27]);
        let long = BASE64_STANDARD.encode([0; 29]);
        let unpadded = "A".repeat(38);
        let trailing_bits = "A".repeat(37) + "B==";
        let url_safe = "-".repeat(37) + "A==";
        let twice = format!("{b28},{b28}");
        let spaced = format!("{b28} ");
        let not_28 = [
            "",
            &short,
            &long,
            &unpadded,
            &trailing_bits,
            &url_safe,
            &twice,
            &spaced,
        ];
        let too_long = BASE64_STANDARD.encode([0; WrappedKey::MAX_LEN + 1]);
        let suites = ["", "0115", "114", "115 ", "115,115", "AES/GCM/NoPadding"];
        let wrappings = ["", "02", "22", "kms+context"];
        let wrapped_keys = ["", "AA", "AB==", "A A=", &too_long];
        for (name, values, error) in [
            (SUITE, &suites[..], Unsupported(SUITE)),
            (WRAPPING, &wrappings, Unsupported(WRAPPING)),
            (WRAPPED_KEY, &wrapped_keys, Malformed(WRAPPED_KEY)),
            (COMMITMENT, &not_28, Malformed(COMMITMENT)),
            (MESSAGE_ID, &not_28, Malformed(MESSAGE_ID)),
        ] {
            for value in values {
                let refused = parse(&with(name, Some(value)));
                assert_eq!(refused, Err(error), "{name}: {value:?}");
            }
        }
        for name in [COMMITMENT, MESSAGE_ID] {
            let same_length = parse(&with(name, Some(&b28)));
            assert!(same_length.is_ok(), "the cases are about something else");
        }
    }

    #[test]
    fn only_this_objects_context_is_accepted() {
        use HeaderError::{Malformed, WrongContext};

        let ours = EncryptionContext::for_object(KEY).to_json();
        let hash = &ours[ours.len() - 66..ours.len() - 2];
        let context = |text: String| parse(&with(CONTEXT, Some(&text))).map(|_| ());
        let suite = r#""aws:x-amz-cek-alg":"115""#;
        let plus = |pair: &str| ours.replace('}', &format!(",{pair}}}"));
        let other = EncryptionContext::for_object("acme/other.pdf");

        for accepted in [
            format!(r#"{{"caas:object":"{hash}",{suite}}}"#),
            format!(" {{ \"caas:object\" : \"{hash}\" ,\n{suite} }} "),
            format!(r#"{{"caas:object":"{hash}",{suite},"kms_cmk_id":"alias/any"}}"#),
        ] {
            assert_eq!(context(accepted.clone()), Ok(()), "{accepted}");
        }
        for (refused, error) in [
            ("{}".to_owned(), WrongContext),
            (format!("{{{suite}}}"), WrongContext),
            (format!(r#"{{"caas:object":"{hash}"}}"#), WrongContext),
            (ours.replace(r#""115""#, r#""114""#), WrongContext),
            (ours.replace(r#""115""#, "115"), Malformed(CONTEXT)),
            (ours.replace(hash, &hash.to_uppercase()), WrongContext),
            (ours.replace(hash, ""), WrongContext),
            (ours.replace("caas:object", "caas:Object"), WrongContext),
            (plus(r#""more":"x""#), WrongContext),
            (plus(r#""caas:object":"x""#), Malformed(CONTEXT)),
            (plus(suite), Malformed(CONTEXT)),
            (format!("{ours},{ours}"), Malformed(CONTEXT)),
            (String::new(), Malformed(CONTEXT)),
            (other.to_json(), WrongContext),
        ] {
            assert_eq!(context(refused.clone()), Err(error), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_metadata_never_panics(
            start in 0..=6usize,
            more in proptest::collection::vec(
                (prop_oneof!["(?i)x-amz-[c3wtdi]", "\\PC{0,12}"], prop_oneof![
                    "\\PC{0,40}", "[A-Za-z0-9+/]{36}[AQgw]==", r#"\{("[a-c]":"[a-c]",?){0,3}\}"#,
                ]),
                0..8,
            ),
        ) {
            let mut metadata = metadata().split_off(start);
            metadata.extend(more);
            if let Ok(header) = parse(&metadata) {
                let written = header.to_metadata().map(|(name, value)| (name.to_owned(), value));
                prop_assert_eq!(parse(&written), Ok(header));
            }
        }
    }
}
