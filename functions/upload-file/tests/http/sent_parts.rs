//! A client that sends a file in parts.

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_emulator::Calls;
use caas_testing::{API_KEY, TestResponse, VAULT, bytes};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::{
    presigned::{self, seal},
    support::{App, path_of},
};

/// The length of a part.
pub(crate) const PART: u64 = 8 << 20;

/// An upload, and what the client keeps of it.
pub(crate) struct SentUpload {
    pub(crate) begun: Value,
    pub(crate) content: Vec<u8>,
    sealed: Vec<u8>,
    pub(crate) e_tags: Vec<String>,
}

impl SentUpload {
    pub(crate) async fn begin(app: &App, len: usize) -> Self {
        Self::begin_with(app, bytes(len)).await
    }

    pub(crate) async fn begin_with(app: &App, content: Vec<u8>) -> Self {
        let answer = ask(app, API_KEY, content.len() as u64, Some(PART)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let location = answer.header("location").to_owned();
        let upload = Self::of(answer.json(), content);
        assert_eq!(location, format!("/api/files/{}", upload.id()));
        upload
    }

    /// The upload of this response.
    pub(crate) fn of(begun: Value, content: Vec<u8>) -> Self {
        let sealed = seal(&begun, &content);
        let parts = sealed.len().div_ceil(PART as usize);
        Self {
            begun,
            content,
            sealed,
            e_tags: vec![String::new(); parts],
        }
    }

    pub(crate) fn id(&self) -> &str {
        self.begun["id"].as_str().unwrap()
    }

    pub(crate) fn token(&self) -> &str {
        self.begun["upload"].as_str().unwrap()
    }

    /// The bytes of a part.
    pub(crate) fn part(&self, number: usize) -> Vec<u8> {
        let mut parts = self.sealed.chunks(PART as usize);
        parts.nth(number - 1).unwrap().to_vec()
    }

    pub(crate) fn md5(&self, number: usize) -> String {
        BASE64_STANDARD.encode(Md5::digest(self.part(number)))
    }

    /// Asks for parts.
    pub(crate) async fn ask_parts(&self, app: &App, mut fields: Value) -> TestResponse {
        fields["upload"] = self.token().into();
        app.post(API_KEY, "/api/uploads/parts", &fields).await
    }

    /// Where to send these parts.
    pub(crate) async fn parts(&self, app: &App, from: u64, count: u64) -> Value {
        let answer = self.ask_parts(app, json!({"from": from, "count": count}));
        answer.await.ok()
    }

    /// Sends a part, and keeps its ETag.
    pub(crate) async fn send(&mut self, app: &App, number: usize) {
        let part = self.parts(app, number as u64, 1).await["parts"][0].clone();
        let (status, e_tag) = put(&part, self.part(number)).await;
        assert_eq!(status, 200);
        self.e_tags[number - 1] = e_tag;
    }

    pub(crate) async fn send_all(&mut self, app: &App) {
        for number in 1..=self.e_tags.len() {
            self.send(app, number).await;
        }
    }

    /// Sends a part as somebody with access to the bucket, and returns its ETag.
    pub(crate) async fn send_directly(&self, app: &App, number: i32, body: Vec<u8>) -> String {
        let key = format!("acme/{}", path_of(self.id()));
        let uploads = app.clients.s3.list_multipart_uploads().bucket(VAULT);
        let uploads = uploads.prefix(&key).send().await.unwrap();
        let upload_id = uploads.uploads()[0].upload_id().unwrap();
        let part = app.clients.s3.upload_part().bucket(VAULT).key(key);
        let part = part.upload_id(upload_id).part_number(number);
        let sent = part.body(body.into()).send().await.unwrap();
        sent.e_tag.unwrap()
    }

    /// The requests that go on with the upload or end it; the last aborts it.
    pub(crate) fn requests(&self) -> [(&'static str, Value); 3] {
        let token = self.token();
        let parts = (1..).zip(&self.e_tags);
        let parts: Vec<_> = parts
            .map(|(number, etag)| json!({"number": number, "etag": etag}))
            .collect();
        let resume = json!({"upload": token, "from": 1, "count": 1, "resume": true});
        [
            ("/api/uploads/parts", resume),
            (
                "/api/uploads/complete",
                json!({"upload": token, "parts": parts}),
            ),
            ("/api/uploads/abort", json!({"upload": token})),
        ]
    }

    pub(crate) async fn complete(&self, app: &App) -> TestResponse {
        let [_, (path, body), _] = self.requests();
        app.post(API_KEY, path, &body).await
    }

    pub(crate) async fn abort(&self, app: &App) -> TestResponse {
        let [.., (path, body)] = self.requests();
        app.post(API_KEY, path, &body).await
    }
}

/// Asks for an upload in mode `client`.
pub(crate) async fn ask(app: &App, key: &str, size: u64, part_size: Option<u64>) -> TestResponse {
    let mut body = json!({
        "name": "ä b.txt", "size": size, "content_type": "text/x-notes", "mode": "client",
    });
    if let Some(part_size) = part_size {
        body["part_size"] = part_size.into();
    }
    app.post(key, "/api/uploads", &body).await
}

/// Sends a part: status and ETag.
pub(crate) async fn put(part: &Value, body: Vec<u8>) -> (u16, String) {
    try_put(part, body).await.unwrap()
}

pub(crate) async fn try_put(part: &Value, body: Vec<u8>) -> reqwest::Result<(u16, String)> {
    let url = part["url"].as_str().unwrap();
    let response = presigned::put(part, url, body).send().await?;
    let e_tag = response.headers().get("etag");
    let e_tag = e_tag.map_or("", |e_tag| e_tag.to_str().unwrap());
    Ok((response.status().as_u16(), e_tag.to_owned()))
}

/// The requests that reached S3 and KMS.
pub(crate) fn names(calls: &Calls) -> Vec<(&str, u64)> {
    calls.iter().collect()
}
