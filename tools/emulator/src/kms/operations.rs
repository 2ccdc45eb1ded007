//! All operations by name, and those that encrypt, decrypt and generate.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    administration,
    ciphertext::{self, EncryptionContext},
    error::KmsError,
    json::{parse, to_bytes},
    keys::{Key, KeyStore, SYMMETRIC},
};

/// The longest plaintext that Encrypt takes.
const MAX_PLAINTEXT: usize = 4096;
/// The longest ciphertext that Decrypt takes.
const MAX_CIPHERTEXT: usize = 6144;
/// The longest data key.
const MAX_DATA_KEY: usize = 1024;

type Operation = fn(&KeyStore, &[u8]) -> Result<Vec<u8>, KmsError>;

const OPERATIONS: [(&str, Operation); 14] = [
    ("CancelKeyDeletion", administration::cancel_key_deletion),
    ("CreateAlias", administration::create_alias),
    ("CreateKey", administration::create_key),
    ("Decrypt", decrypt),
    ("DescribeKey", administration::describe_key),
    ("DisableKey", administration::disable_key),
    ("EnableKey", administration::enable_key),
    ("Encrypt", encrypt),
    ("GenerateDataKey", generate_data_key),
    (
        "GenerateDataKeyWithoutPlaintext",
        generate_data_key_without_plaintext,
    ),
    ("ListAliases", administration::list_aliases),
    ("ListKeys", administration::list_keys),
    ("ReEncrypt", re_encrypt),
    ("ScheduleKeyDeletion", administration::schedule_key_deletion),
];

/// Whether this operation exists.
pub(super) fn is_known(name: &str) -> bool {
    OPERATIONS.iter().any(|(known, _)| *known == name)
}

/// Runs an operation. Blocking.
pub(super) fn run(keys: &KeyStore, name: &str, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let found = OPERATIONS.iter().find(|(known, _)| *known == name);
    let (_, operation) = found.ok_or(KmsError::UnknownOperation)?;
    operation(keys, body)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptRequest {
    key_id: String,
    plaintext: Blob,
    #[serde(default)]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptRequest {
    key_id: Option<String>,
    ciphertext_blob: Blob,
    #[serde(default)]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<String>,
    recipient: Option<IgnoredAny>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReEncryptRequest {
    ciphertext_blob: Blob,
    source_key_id: Option<String>,
    #[serde(default)]
    source_encryption_context: EncryptionContext,
    destination_key_id: String,
    #[serde(default)]
    destination_encryption_context: EncryptionContext,
    source_encryption_algorithm: Option<String>,
    destination_encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataKeyRequest {
    key_id: String,
    key_spec: Option<String>,
    number_of_bytes: Option<i64>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    recipient: Option<IgnoredAny>,
    dry_run: Option<bool>,
}

/// A response with a secret, serialised straight from memory that is wiped.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<String>,
    plaintext: &'a str,
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'a str>,
}

/// Base64 in JSON, wiped when dropped.
struct Blob(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = STANDARD.decode(text.as_bytes());
        bytes
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .map_err(|_| serde::de::Error::custom("base64"))
    }
}

fn encrypt(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: EncryptRequest = parse(body)?;
    refuse_unsupported(request.dry_run, None)?;
    check_length("plaintext", request.plaintext.0.len(), MAX_PLAINTEXT)?;
    check_algorithm(request.encryption_algorithm.as_deref())?;
    let key = keys.find(&request.key_id)?;
    let material = key.usable()?;
    let context = &request.encryption_context;
    let sealed = ciphertext::seal(key.id, material, context, &request.plaintext.0)?;
    to_bytes(&json!({
        "CiphertextBlob": STANDARD.encode(sealed),
        "EncryptionAlgorithm": SYMMETRIC,
        "KeyId": key.arn,
    }))
}

fn decrypt(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: DecryptRequest = parse(body)?;
    refuse_unsupported(request.dry_run, request.recipient)?;
    check_algorithm(request.encryption_algorithm.as_deref())?;
    let context = &request.encryption_context;
    let (key, plaintext) = open(
        keys,
        &request.ciphertext_blob,
        request.key_id.as_deref(),
        context,
    )?;
    let plaintext = Zeroizing::new(STANDARD.encode(plaintext.as_slice()));
    to_bytes(&SecretResponse {
        ciphertext_blob: None,
        plaintext: &plaintext,
        key_id: &key.arn,
        encryption_algorithm: Some(SYMMETRIC),
    })
}

fn re_encrypt(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: ReEncryptRequest = parse(body)?;
    refuse_unsupported(request.dry_run, None)?;
    check_algorithm(request.source_encryption_algorithm.as_deref())?;
    check_algorithm(request.destination_encryption_algorithm.as_deref())?;
    let source = request.source_key_id.as_deref();
    let context = &request.source_encryption_context;
    let (old, plaintext) = open(keys, &request.ciphertext_blob, source, context)?;
    let new = keys.find(&request.destination_key_id)?;
    let context = &request.destination_encryption_context;
    let sealed = ciphertext::seal(new.id, new.usable()?, context, &plaintext)?;
    to_bytes(&json!({
        "CiphertextBlob": STANDARD.encode(sealed),
        "KeyId": new.arn,
        "SourceKeyId": old.arn,
        "SourceEncryptionAlgorithm": SYMMETRIC,
        "DestinationEncryptionAlgorithm": SYMMETRIC,
    }))
}

fn generate_data_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let made = new_data_key(keys, body)?;
    let plaintext = Zeroizing::new(STANDARD.encode(made.plaintext.as_slice()));
    to_bytes(&SecretResponse {
        ciphertext_blob: Some(STANDARD.encode(made.sealed)),
        plaintext: &plaintext,
        key_id: &made.key.arn,
        encryption_algorithm: None,
    })
}

fn generate_data_key_without_plaintext(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let made = new_data_key(keys, body)?;
    to_bytes(&json!({ "CiphertextBlob": STANDARD.encode(made.sealed), "KeyId": made.key.arn }))
}

/// Decrypts with the key that the ciphertext names, which must be `key_id` if that is given.
fn open(
    keys: &KeyStore,
    blob: &Blob,
    key_id: Option<&str>,
    context: &EncryptionContext,
) -> Result<(Key, Zeroizing<Vec<u8>>), KmsError> {
    check_length("ciphertextBlob", blob.0.len(), MAX_CIPHERTEXT)?;
    let asked = key_id.map(|name| keys.find(name)).transpose()?;
    let named = ciphertext::key_id(&blob.0).ok_or(KmsError::InvalidCiphertext)?;
    if asked.is_some_and(|asked| asked.id != named) {
        return Err(KmsError::IncorrectKey);
    }
    let key = keys.by_id(named).ok_or(KmsError::InvalidCiphertext)?;
    let plaintext = ciphertext::open(key.usable()?, context, &blob.0)?;
    Ok((key, plaintext))
}

/// A data key, plain and encrypted under its KMS key.
struct DataKey {
    key: Key,
    plaintext: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
}

fn new_data_key(keys: &KeyStore, body: &[u8]) -> Result<DataKey, KmsError> {
    let request: DataKeyRequest = parse(body)?;
    refuse_unsupported(request.dry_run, request.recipient)?;
    let length = data_key_length(request.key_spec.as_deref(), request.number_of_bytes)?;
    let key = keys.find(&request.key_id)?;
    let material = key.usable()?;
    let plaintext = random_bytes(length)?;
    let sealed = ciphertext::seal(key.id, material, &request.encryption_context, &plaintext)?;
    Ok(DataKey {
        key,
        plaintext,
        sealed,
    })
}

fn data_key_length(spec: Option<&str>, bytes: Option<i64>) -> Result<usize, KmsError> {
    let length = match (spec, bytes) {
        (Some("AES_256"), None) => Some(32),
        (Some("AES_128"), None) => Some(16),
        (None, Some(bytes)) => usize::try_from(bytes).ok(),
        _ => None,
    };
    length
        .filter(|length| (1..=MAX_DATA_KEY).contains(length))
        .ok_or_else(|| {
            KmsError::Validation(
                "Please specify either a known key spec or a number of bytes from 1 to 1024."
                    .to_owned(),
            )
        })
}

fn random_bytes(length: usize) -> Result<Zeroizing<Vec<u8>>, KmsError> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

fn check_length(what: &str, length: usize, limit: usize) -> Result<(), KmsError> {
    if (1..=limit).contains(&length) {
        return Ok(());
    }
    Err(KmsError::Validation(format!(
        "1 validation error detected: Value at '{what}' failed to satisfy constraint: Member must \
         have length between 1 and {limit}"
    )))
}

/// A dry run must do nothing, and a recipient (an enclave) must be the only one to see the plaintext.
fn refuse_unsupported(
    dry_run: Option<bool>,
    recipient: Option<IgnoredAny>,
) -> Result<(), KmsError> {
    if dry_run == Some(true) || recipient.is_some() {
        return Err(KmsError::UNSUPPORTED_MEMBER);
    }
    Ok(())
}

fn check_algorithm(algorithm: Option<&str>) -> Result<(), KmsError> {
    match algorithm {
        None | Some(SYMMETRIC) => Ok(()),
        Some(_) => Err(KmsError::Validation(
            "The algorithm does not fit the key.".to_owned(),
        )),
    }
}
