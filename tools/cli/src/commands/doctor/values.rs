//! Values and keys of one user.

use caas_client::{Client, ServiceError};
use http::Method;
use serde_json::{Value, json};

use super::{
    CONTENT, USER, json,
    report::{Report, Trouble},
    text,
};
use crate::failure::Failure;

/// What values are for.
const CONTEXT: &str = "caas doctor";

const CACHED: &str = "if caas doctor ran within the last minute, run it again in a minute: keys are \
                      cached for that long";

pub(super) async fn check(client: &Client, report: &mut Report<'_>) -> Result<(), Failure> {
    let digest = encrypt(client, json!({"userUUID": USER, "sensitiveData": CONTENT})).await;
    let digest = report.step("POST /encrypt (digest)", digest, |_| String::new())?;
    let request = json!({
        "userUUID": USER, "sensitiveData": CONTENT, "cipher": "aes-256-gcm", "context": CONTEXT,
    });
    let value = encrypt(client, request).await;
    let value = report.step("POST /encrypt (value)", value, |_| String::new())?;
    let verified = verify(client, digest).await;
    report.step("POST /verify", verified, |()| String::new())?;
    let decrypted = decrypt(client, value).await;
    report.step("POST /decrypt", decrypted, |()| String::new())?;
    let user = format!("/users/{USER}");
    for (method, path, route) in [
        (Method::GET, user.clone(), "/users/{uuid}"),
        (
            Method::POST,
            format!("{user}/rotate"),
            "/users/{uuid}/rotate",
        ),
        (Method::DELETE, user, "/users/{uuid}"),
    ] {
        let outcome = match json(client, method.clone(), &path, None).await {
            Ok(response) if method == Method::DELETE => receipt(&response),
            Ok(_) => Ok(String::new()),
            // Without values:encrypt the user has no keys.
            Err(ServiceError::Refused {
                status: 404, code, ..
            }) if code == "not-found" => Ok("the user has no keys".to_owned()),
            Err(error) => Err(Trouble::of(error, method.as_str(), route)),
        };
        report.step(&format!("{method} {route}"), outcome, String::clone)?;
    }
    Ok(())
}

/// What the receipt of an erasure says.
fn receipt(response: &Value) -> Result<String, Trouble> {
    let removed = response["versions_removed"].as_u64();
    let removed = removed.filter(|_| response["subject"].is_string());
    let removed = removed.ok_or_else(|| {
        Trouble::failed(
            "the response is no receipt",
            "deploy the current version of the service",
        )
    })?;
    Ok(format!("versions removed: {removed}"))
}

async fn encrypt(client: &Client, request: Value) -> Result<String, Trouble> {
    let response = json(client, Method::POST, "/encrypt", Some(request)).await;
    let response = response.map_err(|error| Trouble::of(error, "POST", "/encrypt"))?;
    text(&response, "encrypted_data")
}

/// Compares the digest; without one, something that is no digest.
async fn verify(client: &Client, digest: Option<String>) -> Result<(), Trouble> {
    let expected = digest.is_some();
    let request = json!({
        "userUUID": USER, "sensitiveData": CONTENT, "encryptedData": digest.unwrap_or_default(),
    });
    let response = json(client, Method::POST, "/verify", Some(request)).await;
    let response = response.map_err(|error| Trouble::of(error, "POST", "/verify"))?;
    match response["valid"] == expected {
        true => Ok(()),
        false => Err(Trouble::failed(
            "the digest and its datum do not match",
            CACHED,
        )),
    }
}

/// Decrypts the value; without one, something that is no value.
async fn decrypt(client: &Client, value: Option<String>) -> Result<(), Trouble> {
    let expected = value.is_some().then_some(CONTENT);
    let request = json!({
        "userUUID": USER, "encryptedData": [value.unwrap_or_default()], "context": CONTEXT,
    });
    let response = json(client, Method::POST, "/decrypt", Some(request)).await;
    let response = response.map_err(|error| Trouble::of(error, "POST", "/decrypt"))?;
    match response["sensitive_data"] == json!([expected]) {
        true => Ok(()),
        false => Err(Trouble::failed("the value does not open", CACHED)),
    }
}
