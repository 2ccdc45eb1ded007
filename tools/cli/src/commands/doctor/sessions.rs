//! Session files.

use caas_client::Client;
use http::Method;

use super::{
    CONTENT,
    form::{CONTENT_TYPE, form, throw_away},
    report::{Report, Trouble},
};
use crate::failure::Failure;

pub(super) async fn check(client: &Client, report: &mut Report<'_>) -> Result<(), Failure> {
    let content = Some((CONTENT_TYPE, throw_away()));
    let encrypted = client.request(Method::POST, "/encrypt_file", content).await;
    let encrypted = encrypted.map_err(|error| Trouble::of(error, "POST", "/encrypt_file"));
    let encrypted = encrypted.and_then(|response| {
        let key = response.headers.get("encryption-key");
        let key = key.and_then(|key| key.to_str().ok()).map(str::to_owned);
        Ok((key.ok_or_else(Trouble::not_caas)?, response.body))
    });
    let encrypted = report.step("POST /encrypt_file", encrypted, |_| String::new())?;
    let decrypted = match encrypted {
        None => Err(Trouble::Skipped("there is no encrypted file".to_owned())),
        Some((key, sealed)) => {
            let content = Some((CONTENT_TYPE, form(&sealed, Some(&key))));
            let response = client.request(Method::POST, "/decrypt_file", content).await;
            match response {
                Ok(response) if *response.body == CONTENT.as_bytes() => Ok(()),
                Ok(_) => Err(Trouble::not_caas()),
                Err(error) => Err(Trouble::of(error, "POST", "/decrypt_file")),
            }
        }
    };
    report.step("POST /decrypt_file", decrypted, |()| String::new())?;
    Ok(())
}
