//! The operations, each from JSON to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::ciphertext::{self, EncryptionContext};
use super::error::KmsError;
use super::keys::{self, ACCOUNT, Key, KeyState, KeyStore};

/// The most that Encrypt takes.
const MAX_PLAINTEXT: usize = 4096;
/// The most that Decrypt takes.
const MAX_CIPHERTEXT: usize = 6144;
/// The most that GenerateDataKey gives.
const MAX_DATA_KEY: usize = 1024;

type Operation = fn(&KeyStore, &[u8]) -> Result<Vec<u8>, KmsError>;

const OPERATIONS: [(&str, Operation); 16] = [
    ("CancelKeyDeletion", cancel_key_deletion),
    ("CreateAlias", create_alias),
    ("CreateKey", create_key),
    ("Decrypt", decrypt),
    ("DeleteAlias", delete_alias),
    ("DescribeKey", describe_key),
    ("DisableKey", disable_key),
    ("EnableKey", enable_key),
    ("Encrypt", encrypt),
    ("GenerateDataKey", generate_data_key),
    (
        "GenerateDataKeyWithoutPlaintext",
        generate_data_key_without_plaintext,
    ),
    ("GenerateRandom", generate_random),
    ("ListAliases", list_aliases),
    ("ListKeys", list_keys),
    ("ReEncrypt", re_encrypt),
    ("ScheduleKeyDeletion", schedule_key_deletion),
];

/// Whether there is such an operation.
pub(super) fn is_known(name: &str) -> bool {
    OPERATIONS.iter().any(|(known, _)| *known == name)
}

/// Runs an operation by its name. Blocking.
pub(super) fn run(keys: &KeyStore, name: &str, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let found = OPERATIONS.iter().find(|(known, _)| *known == name);
    let (_, operation) = found.ok_or(KmsError::UnknownOperation)?;
    operation(keys, body)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyRequest {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptRequest {
    key_id: String,
    plaintext: Blob,
    #[serde(default)]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptRequest {
    key_id: Option<String>,
    ciphertext_blob: Blob,
    #[serde(default)]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<String>,
    #[serde(default)]
    dry_run: bool,
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
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataKeyRequest {
    key_id: String,
    key_spec: Option<String>,
    number_of_bytes: Option<i64>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKeyRequest {
    #[serde(default)]
    description: String,
    key_usage: Option<String>,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasRequest {
    alias_name: String,
    target_key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeletionRequest {
    key_id: String,
    pending_window_in_days: Option<i64>,
}

/// An answer with a secret in it: serialised straight from memory that is wiped.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<String>,
    plaintext: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
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
    check_length("plaintext", request.plaintext.0.len(), MAX_PLAINTEXT)?;
    check_algorithm(request.encryption_algorithm.as_deref())?;
    let key = keys.find(&request.key_id)?;
    let material = key.usable()?;
    refuse_dry_run(request.dry_run)?;
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
    check_algorithm(request.encryption_algorithm.as_deref())?;
    let context = &request.encryption_context;
    let (key, plaintext) = open(
        keys,
        &request.ciphertext_blob,
        request.key_id.as_deref(),
        context,
    )?;
    refuse_dry_run(request.dry_run)?;
    let plaintext = Zeroizing::new(STANDARD.encode(plaintext.as_slice()));
    to_bytes(&SecretAnswer {
        ciphertext_blob: None,
        plaintext: &plaintext,
        key_id: Some(&key.arn),
        encryption_algorithm: Some(SYMMETRIC),
    })
}

fn re_encrypt(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: ReEncryptRequest = parse(body)?;
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
    to_bytes(&SecretAnswer {
        ciphertext_blob: Some(STANDARD.encode(made.sealed)),
        plaintext: &plaintext,
        key_id: Some(&made.key.arn),
        encryption_algorithm: None,
    })
}

fn generate_data_key_without_plaintext(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let made = new_data_key(keys, body)?;
    to_bytes(&json!({ "CiphertextBlob": STANDARD.encode(made.sealed), "KeyId": made.key.arn }))
}

fn generate_random(_: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: Value = parse(body)?;
    let length = request.get("NumberOfBytes").and_then(Value::as_i64);
    let random = random_bytes(data_key_length(None, length)?)?;
    let plaintext = Zeroizing::new(STANDARD.encode(random.as_slice()));
    to_bytes(&SecretAnswer {
        ciphertext_blob: None,
        plaintext: &plaintext,
        key_id: None,
        encryption_algorithm: None,
    })
}

fn create_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: CreateKeyRequest = parse(body)?;
    let spec = request.key_spec.or(request.customer_master_key_spec);
    if spec.is_some_and(|spec| spec != SYMMETRIC)
        || request
            .key_usage
            .is_some_and(|usage| usage != "ENCRYPT_DECRYPT")
    {
        return Err(KmsError::UnsupportedOperation(
            "Only symmetric encryption keys are emulated",
        ));
    }
    to_bytes(&json!({ "KeyMetadata": metadata(&keys.create(&request.description)?) }))
}

fn describe_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: KeyRequest = parse(body)?;
    to_bytes(&json!({ "KeyMetadata": metadata(&keys.find(&request.key_id)?) }))
}

fn disable_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    set_enabled(keys, body, KeyState::Disabled)
}

fn enable_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    set_enabled(keys, body, KeyState::Enabled)
}

fn schedule_key_deletion(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: DeletionRequest = parse(body)?;
    let days = request.pending_window_in_days.unwrap_or(30);
    let window = u64::try_from(days)
        .ok()
        .filter(|days| (7..=30).contains(days));
    let window = window.ok_or_else(|| {
        KmsError::Validation("PendingWindowInDays must be between 7 and 30.".to_owned())
    })?;
    let at = keys::deletion_after(window);
    let key = keys.set_state(&request.key_id, |state| match state {
        KeyState::PendingDeletion(_) => Err(KmsError::InvalidState("pending deletion")),
        KeyState::Enabled | KeyState::Disabled => Ok(KeyState::PendingDeletion(at)),
    })?;
    to_bytes(&json!({
        "KeyId": key.arn,
        "DeletionDate": seconds(at),
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": window,
    }))
}

fn cancel_key_deletion(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: KeyRequest = parse(body)?;
    let key = keys.set_state(&request.key_id, |state| match state {
        // The key has to be enabled by itself, as in AWS.
        KeyState::PendingDeletion(_) => Ok(KeyState::Disabled),
        KeyState::Enabled | KeyState::Disabled => {
            Err(KmsError::InvalidState("not pending deletion"))
        }
    })?;
    to_bytes(&json!({ "KeyId": key.arn }))
}

fn create_alias(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: AliasRequest = parse(body)?;
    let target = request.target_key_id.ok_or_else(KmsError::serialization)?;
    keys.create_alias(&request.alias_name, &target)?;
    to_bytes(&json!({}))
}

fn delete_alias(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: AliasRequest = parse(body)?;
    keys.delete_alias(&request.alias_name)?;
    to_bytes(&json!({}))
}

fn list_aliases(keys: &KeyStore, _: &[u8]) -> Result<Vec<u8>, KmsError> {
    let entry = |(alias, id): (String, uuid::Uuid)| {
        let arn = keys.arn_of(&alias);
        json!({ "AliasName": alias, "AliasArn": arn, "TargetKeyId": id })
    };
    let aliases: Vec<_> = keys.aliases().into_iter().map(entry).collect();
    to_bytes(&json!({ "Aliases": aliases, "Truncated": false }))
}

fn list_keys(keys: &KeyStore, _: &[u8]) -> Result<Vec<u8>, KmsError> {
    let entry = |key: Key| json!({ "KeyId": key.id, "KeyArn": key.arn });
    let all: Vec<_> = keys.all().into_iter().map(entry).collect();
    to_bytes(&json!({ "Keys": all, "Truncated": false }))
}

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// Opens a ciphertext of ours with the key that it names, which must be the one asked for.
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

/// A data key, in the clear and under its master key.
struct DataKey {
    key: Key,
    plaintext: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
}

fn new_data_key(keys: &KeyStore, body: &[u8]) -> Result<DataKey, KmsError> {
    let request: DataKeyRequest = parse(body)?;
    let length = data_key_length(request.key_spec.as_deref(), request.number_of_bytes)?;
    let key = keys.find(&request.key_id)?;
    let material = key.usable()?;
    refuse_dry_run(request.dry_run)?;
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

fn set_enabled(keys: &KeyStore, body: &[u8], next: KeyState) -> Result<Vec<u8>, KmsError> {
    let request: KeyRequest = parse(body)?;
    keys.set_state(&request.key_id, |state| match state {
        KeyState::PendingDeletion(_) => Err(KmsError::InvalidState("pending deletion")),
        KeyState::Enabled | KeyState::Disabled => Ok(next),
    })?;
    to_bytes(&json!({}))
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

fn check_algorithm(algorithm: Option<&str>) -> Result<(), KmsError> {
    match algorithm {
        None | Some(SYMMETRIC) => Ok(()),
        Some(_) => Err(KmsError::Validation(
            "The algorithm does not fit the key.".to_owned(),
        )),
    }
}

fn refuse_dry_run(dry_run: bool) -> Result<(), KmsError> {
    if dry_run {
        Err(KmsError::DryRun)
    } else {
        Ok(())
    }
}

fn metadata(key: &Key) -> Value {
    let (state, deletion) = match key.state {
        KeyState::Enabled => ("Enabled", None),
        KeyState::Disabled => ("Disabled", None),
        KeyState::PendingDeletion(at) => ("PendingDeletion", Some(seconds(at))),
    };
    let mut metadata = json!({
        "AWSAccountId": ACCOUNT,
        "Arn": key.arn,
        "CreationDate": seconds(key.created_ms),
        "CustomerMasterKeySpec": SYMMETRIC,
        "Description": key.description,
        "Enabled": key.state == KeyState::Enabled,
        "EncryptionAlgorithms": [SYMMETRIC],
        "KeyId": key.id,
        "KeyManager": "CUSTOMER",
        "KeySpec": SYMMETRIC,
        "KeyState": state,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": false,
        "Origin": "AWS_KMS",
    });
    if let (Some(deletion), Some(fields)) = (deletion, metadata.as_object_mut()) {
        fields.insert("DeletionDate".to_owned(), json!(deletion));
    }
    metadata
}

fn seconds(ms: u64) -> u64 {
    ms / 1000
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, KmsError> {
    // serde's own words would repeat values of the request.
    serde_json::from_slice(body).map_err(|_| KmsError::serialization())
}

fn to_bytes<T: Serialize>(answer: &T) -> Result<Vec<u8>, KmsError> {
    serde_json::to_vec(answer).map_err(|error| std::io::Error::other(error).into())
}
