//! Operations on keys and aliases.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    error::KmsError,
    json::{parse, to_bytes},
    keys::{self, Key, KeyState, KeyStore, SYMMETRIC},
};
use crate::config::ACCOUNT;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKeyRequest {
    #[serde(default)]
    description: String,
    key_usage: Option<String>,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
    origin: Option<String>,
    multi_region: Option<bool>,
    policy: Option<IgnoredAny>,
    tags: Option<Vec<IgnoredAny>>,
    custom_key_store_id: Option<IgnoredAny>,
    xks_key_id: Option<IgnoredAny>,
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyRequest {
    key_id: String,
}

pub(super) fn create_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
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
    if request.origin.is_some_and(|origin| origin != "AWS_KMS")
        || request.multi_region == Some(true)
        || request.policy.is_some()
        || request.tags.is_some_and(|tags| !tags.is_empty())
        || request.custom_key_store_id.is_some()
        || request.xks_key_id.is_some()
    {
        return Err(KmsError::UNSUPPORTED_MEMBER);
    }
    to_bytes(&json!({ "KeyMetadata": metadata(&keys.create(&request.description)?) }))
}

pub(super) fn describe_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: KeyRequest = parse(body)?;
    to_bytes(&json!({ "KeyMetadata": metadata(&keys.find(&request.key_id)?) }))
}

pub(super) fn disable_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    set_enabled(keys, body, KeyState::Disabled)
}

pub(super) fn enable_key(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    set_enabled(keys, body, KeyState::Enabled)
}

pub(super) fn schedule_key_deletion(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
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

pub(super) fn cancel_key_deletion(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: KeyRequest = parse(body)?;
    let key = keys.set_state(&request.key_id, |state| match state {
        // As in AWS, enabling the key is a separate request.
        KeyState::PendingDeletion(_) => Ok(KeyState::Disabled),
        KeyState::Enabled | KeyState::Disabled => {
            Err(KmsError::InvalidState("not pending deletion"))
        }
    })?;
    to_bytes(&json!({ "KeyId": key.arn }))
}

pub(super) fn create_alias(keys: &KeyStore, body: &[u8]) -> Result<Vec<u8>, KmsError> {
    let request: AliasRequest = parse(body)?;
    let target = request.target_key_id.ok_or_else(KmsError::serialization)?;
    keys.create_alias(&request.alias_name, &target)?;
    to_bytes(&json!({}))
}

pub(super) fn list_aliases(keys: &KeyStore, _: &[u8]) -> Result<Vec<u8>, KmsError> {
    let entry = |(alias, id): (String, uuid::Uuid)| {
        let arn = keys::arn_of(&alias);
        json!({ "AliasName": alias, "AliasArn": arn, "TargetKeyId": id })
    };
    let aliases: Vec<_> = keys.aliases().into_iter().map(entry).collect();
    to_bytes(&json!({ "Aliases": aliases, "Truncated": false }))
}

pub(super) fn list_keys(keys: &KeyStore, _: &[u8]) -> Result<Vec<u8>, KmsError> {
    let entry = |key: Key| json!({ "KeyId": key.id, "KeyArn": key.arn });
    let all: Vec<_> = keys.all().into_iter().map(entry).collect();
    to_bytes(&json!({ "Keys": all, "Truncated": false }))
}

fn set_enabled(keys: &KeyStore, body: &[u8], next: KeyState) -> Result<Vec<u8>, KmsError> {
    let request: KeyRequest = parse(body)?;
    keys.set_state(&request.key_id, |state| match state {
        KeyState::PendingDeletion(_) => Err(KmsError::InvalidState("pending deletion")),
        KeyState::Enabled | KeyState::Disabled => Ok(next),
    })?;
    to_bytes(&json!({}))
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
