//! Stored files.

use std::{fs, io::Write, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_client::{Client, DownloadError, Mode, ServiceError, Upload, UploadError};
use http::{Method, Uri};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use super::{
    CONTENT, FILE,
    form::{CONTENT_TYPE, throw_away},
    json,
    report::{Report, Trouble},
    text,
};
use crate::failure::Failure;

/// The length of the parts of an upload that is never sent.
const PART: u64 = 8 << 20;

/// How often, and how long between, to look whether a dropped file is sealed.
const LOOKS: (u32, Duration) = (120, Duration::from_millis(500));

/// A route with an id.
const BY_ID: &str = "/api/files/{id}";

pub(super) async fn check(client: &Client, report: &mut Report<'_>) -> Result<(), Failure> {
    // What could not be removed is not stored.
    let probe = client.request(Method::DELETE, &absent(), None).await;
    let removable = match probe {
        Err(ServiceError::Refused { status: 404, .. }) | Ok(_) => Ok(()),
        Err(error) => Err(Trouble::of(error, "DELETE", BY_ID)),
    };
    if removable.is_err() {
        report.step(&format!("DELETE {BY_ID}"), removable, |()| String::new())?;
        let why = "what is stored could not be removed".to_owned();
        report.step("storing files", Err::<(), _>(Trouble::Skipped(why)), |()| {
            String::new()
        })?;
        return Ok(());
    }
    let folder =
        tempfile::tempdir().map_err(|error| Failure::local("a temporary folder", &error))?;
    in_parts(client, report).await?;
    let mut stored = Vec::new();
    stored.extend(through_s3(client, report, &folder).await?);
    stored.extend(through_service(client, report).await?);
    stored.extend(through_inbox(client, report).await?);
    let purged = purge(client, stored).await;
    report.step(&format!("DELETE {BY_ID}"), purged, |count| {
        format!("{count} files purged")
    })?;
    Ok(())
}

/// The path of a file that is not there.
fn absent() -> String {
    let path = format!("00000000-0000-7000-8000-000000000000/{FILE}");
    format!("/api/files/{}", BASE64_URL_SAFE_NO_PAD.encode(path))
}

/// Begins an upload in parts and aborts it.
async fn in_parts(client: &Client, report: &mut Report<'_>) -> Result<(), Failure> {
    let request = json!({
        "name": FILE, "size": CONTENT.len(), "mode": "client", "part_size": PART,
    });
    let begun = post(client, "/api/uploads", request).await;
    let begun = begun.and_then(|response| text(&response, "upload"));
    let begun = report.step("POST /api/uploads", begun, |_| String::new())?;
    let Some(upload) = begun else { return Ok(()) };
    let parts = post(
        client,
        "/api/uploads/parts",
        json!({"upload": upload, "from": 1, "count": 1}),
    );
    let host = parts.await.and_then(|response| {
        let url = text(&response["parts"][0], "url")?.parse::<Uri>().ok();
        let authority = url.and_then(|url| url.authority().map(ToString::to_string));
        authority.ok_or_else(Trouble::not_caas)
    });
    report.step("POST /api/uploads/parts", host, |host| {
        format!("S3 is at {host}")
    })?;
    // Nothing was sent: to say so, the service must ask S3.
    let request = json!({"upload": upload, "parts": [{"number": 1, "etag": format!("\"{}\"", "0".repeat(32))}]});
    let completed = json(client, Method::POST, "/api/uploads/complete", Some(request)).await;
    let completed = match completed {
        Err(ServiceError::Refused { status: 409, .. }) => Ok(()),
        Ok(_) => Err(Trouble::not_caas()),
        Err(error) => Err(Trouble::of(error, "POST", "/api/uploads/complete")),
    };
    report.step("POST /api/uploads/complete", completed, |()| {
        "refuses what was not sent".to_owned()
    })?;
    let aborted = post(client, "/api/uploads/abort", json!({"upload": upload})).await;
    report.step("POST /api/uploads/abort", aborted, |_| String::new())?;
    Ok(())
}

/// Sends a file to S3 and fetches it there. Returns its id.
async fn through_s3(
    client: &Client,
    report: &mut Report<'_>,
    folder: &TempDir,
) -> Result<Option<String>, Failure> {
    let sent = upload(client, Mode::Client).await?;
    let id = report.step("file to S3", sent, |_| String::new())?;
    let Some(id) = id else { return Ok(None) };
    let route = format!("{BY_ID}/grant");
    let granted = json(
        client,
        Method::POST,
        &format!("/api/files/{id}/grant"),
        None,
    )
    .await;
    let granted = granted.map_err(|error| Trouble::of(error, "POST", &route));
    if report
        .step(&format!("POST {route}"), granted, |_| String::new())?
        .is_some()
    {
        let copy = folder.path().join("copy");
        let fetched = match client.download(&id, &copy, |_| {}).await {
            Ok(_) => match fs::read(&copy) {
                Ok(content) if content == CONTENT.as_bytes() => Ok(()),
                _ => Err(Trouble::not_caas()),
            },
            Err(error) => Err(from_download(error)),
        };
        report.step("file from S3", fetched, |()| String::new())?;
    }
    Ok(Some(id))
}

/// Stores a file through the service, under both names of the route, and reads it. Returns the ids.
async fn through_service(client: &Client, report: &mut Report<'_>) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    for path in ["/api/upload", "/api/upload/"] {
        let response = client
            .request(Method::POST, path, Some((CONTENT_TYPE, throw_away())))
            .await;
        let stored = response.map_err(|error| Trouble::of(error, "POST", path));
        let stored = stored.and_then(|response| {
            let response = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
            text(&response["file"], "id")
        });
        ids.extend(report.step(&format!("POST {path}"), stored, |_| String::new())?);
    }
    if let Some(id) = ids.first() {
        let path = format!("/api/files/{id}");
        for (method, expected) in [(Method::GET, CONTENT), (Method::HEAD, "")] {
            let read = match client.request(method.clone(), &path, None).await {
                Ok(response) if *response.body == expected.as_bytes() => Ok(()),
                Ok(_) => Err(Trouble::not_caas()),
                Err(error) => Err(Trouble::of(error, method.as_str(), BY_ID)),
            };
            report.step(&format!("{method} {BY_ID}"), read, |()| String::new())?;
        }
    }
    Ok(ids)
}

/// Drops a file in the inbox and waits until it is sealed. Returns its id.
async fn through_inbox(
    client: &Client,
    report: &mut Report<'_>,
) -> Result<Option<String>, Failure> {
    let sent = upload(client, Mode::Inbox).await?;
    let (sealed, id) = match sent {
        Err(trouble) => (Err(trouble), None),
        Ok(id) => (until_sealed(client, &id).await, Some(id)),
    };
    report.step("inbox", sealed, |()| "a dropped file is sealed".to_owned())?;
    Ok(id)
}

async fn until_sealed(client: &Client, id: &str) -> Result<(), Trouble> {
    let (times, interval) = LOOKS;
    for _ in 0..times {
        match client
            .request(Method::HEAD, &format!("/api/files/{id}"), None)
            .await
        {
            Ok(_) => return Ok(()),
            Err(ServiceError::Refused { status: 404, .. }) => tokio::time::sleep(interval).await,
            // A response to HEAD has no problem document.
            Err(ServiceError::Refused { status: 403, .. }) => {
                return Err(Trouble::Skipped("needs scope files:read".to_owned()));
            }
            Err(error) => return Err(Trouble::of(error, "HEAD", BY_ID)),
        }
    }
    Err(Trouble::failed(
        format!(
            "a dropped file is not sealed after {} s",
            (interval * times).as_secs()
        ),
        "look into the log of seal-object, at its dead-letter queue, and at the events of the inbox bucket",
    ))
}

/// Uploads a file in this mode. Returns its id.
async fn upload(client: &Client, mode: Mode) -> Result<Result<String, Trouble>, Failure> {
    let file = NamedTempFile::new().and_then(|mut file| {
        file.write_all(CONTENT.as_bytes())?;
        Ok(file)
    });
    let file = file.map_err(|error| Failure::local("a temporary file", &error))?;
    let upload = Upload::new(file.path(), mode).name(FILE);
    Ok(match client.upload(&upload, |_| {}).await {
        Ok(uploaded) => Ok(uploaded.id),
        Err(UploadError::Service(ServiceError::Refused {
            status: 400,
            detail,
            ..
        })) if mode == Mode::Inbox => Err(Trouble::Skipped(detail)),
        Err(UploadError::Service(error)) => Err(Trouble::of(error, "POST", "/api/uploads")),
        Err(UploadError::Unavailable) => Err(no_s3()),
        Err(error) => Err(refused_by_s3(error.to_string())),
    })
}

fn from_download(error: DownloadError) -> Trouble {
    match error {
        DownloadError::Service(error) => Trouble::of(error, "POST", "/api/files/{id}/grant"),
        DownloadError::Unavailable => no_s3(),
        error => refused_by_s3(error.to_string()),
    }
}

fn no_s3() -> Trouble {
    Trouble::failed(
        "S3 cannot be reached from here",
        "let this machine reach the host of S3 that is named above: files of any size go there directly",
    )
}

fn refused_by_s3(what: String) -> Trouble {
    Trouble::failed(
        what,
        "look at the permissions of upload-file, at the bucket's policy, and at the service's clock",
    )
}

/// Removes the files with all their versions. Returns how many.
async fn purge(client: &Client, ids: Vec<String>) -> Result<usize, Trouble> {
    for id in &ids {
        let path = format!("/api/files/{id}?purge=true");
        match json(client, Method::DELETE, &path, None).await {
            // A file that was dropped and is not sealed is not there yet.
            Ok(_) | Err(ServiceError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(Trouble::of(error, "DELETE", BY_ID)),
        }
    }
    Ok(ids.len())
}

async fn post(client: &Client, path: &str, request: Value) -> Result<Value, Trouble> {
    let response = json(client, Method::POST, path, Some(request)).await;
    response.map_err(|error| Trouble::of(error, "POST", path))
}
