//! `caas s3 verify`.

use std::{collections::VecDeque, sync::Arc};

use aws_sdk_s3::types::EncodingType;
use caas_aws::{Unavailable, decode_key, length};
use caas_crypto::stored::{Header, HeaderError};
use caas_vault::{GetError, Vault};
use clap::Args;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{Expected, S3Url, connect, unavailable};
use crate::{
    failure::{Exit, Failure},
    output::Output,
    progress::Bars,
};

/// Objects that are read at the same time.
const CONCURRENCY: usize = 8;

const EXAMPLES: &str = "\
Examples:
  caas s3 verify s3://reports/2026/ --context department=sales
  caas s3 verify s3://my-vault";

/// Read and decrypt every object of a prefix, and say which of them are not authentic
///
/// Writes nothing. An object that has nothing of the format in its metadata is counted, but there is
/// nothing in it to verify.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// What the objects' names begin with, as s3://BUCKET/PREFIX
    url: S3Url,

    #[command(flatten)]
    expected: Expected,
}

/// What became of an object.
enum Verdict {
    Authentic(u64),
    NotAuthentic(String),
    /// It is in another format, or not encrypted.
    OtherFormat,
    Unreadable,
    Deleted,
}

#[derive(Default)]
struct Summary {
    authentic: u64,
    bytes: u64,
    not_authentic: u64,
    other_format: u64,
    unreadable: u64,
}

/// The objects under way, in the order of the listing.
type UnderWay = VecDeque<(String, u64, JoinHandle<Verdict>)>;

impl Verify {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        super::context(&self.expected.context)?;
        let clients = connect().await?;
        let vault = self.expected.vault(&clients, &self.url.bucket);
        let expected = Arc::new(self.expected);
        let url = self.url.to_string();
        let mut summary = Summary::default();
        let mut under_way = UnderWay::new();
        let bars = Bars::one(output);
        let (mut bar, mut listed, mut read) = (bars.bar(&url), 0, 0);
        let mut next = None;
        loop {
            let page = clients.s3.list_objects_v2();
            let page = page.bucket(&self.url.bucket).prefix(&self.url.key);
            let page = page
                .encoding_type(EncodingType::Url)
                .set_continuation_token(next);
            let page = page.send().await.map_err(|error| {
                unavailable(Unavailable::new("ListObjectsV2", &error)).about(&self.url)
            })?;
            let encoding = page.encoding_type();
            listed += page
                .contents()
                .iter()
                .map(|object| length(object.size()))
                .sum::<u64>();
            for object in page.contents() {
                let key = decode_key(object.key().unwrap_or_default(), encoding);
                let (vault, expected) = (vault.clone(), Arc::clone(&expected));
                let task = {
                    let key = key.clone();
                    async move { verdict(&vault, &expected, &key).await }
                };
                under_way.push_back((key, length(object.size()), tokio::spawn(task)));
                while under_way.len() >= CONCURRENCY {
                    read += summary.add(&mut under_way, output).await?;
                    bars.show(&mut bar, read, listed);
                }
            }
            next = page.next_continuation_token;
            if next.is_none() {
                break;
            }
        }
        while !under_way.is_empty() {
            read += summary.add(&mut under_way, output).await?;
            bars.show(&mut bar, read, listed);
        }
        drop(bar);
        summary.end(&url, output)
    }
}

impl Summary {
    /// Waits for the first object under way, and returns its length as stored.
    async fn add(&mut self, under_way: &mut UnderWay, output: &Output) -> Result<u64, Failure> {
        let Some((key, len, task)) = under_way.pop_front() else {
            return Ok(0);
        };
        let verdict = task.await.unwrap_or(Verdict::Unreadable);
        let reason = match verdict {
            Verdict::Authentic(bytes) => {
                self.authentic += 1;
                self.bytes += bytes;
                return Ok(len);
            }
            Verdict::OtherFormat => {
                self.other_format += 1;
                return Ok(len);
            }
            Verdict::Deleted => return Ok(len),
            Verdict::NotAuthentic(reason) => {
                self.not_authentic += 1;
                reason
            }
            Verdict::Unreadable => {
                self.unreadable += 1;
                "cannot be read".to_owned()
            }
        };
        let line = format!("{}: {reason}", key.escape_debug());
        output.result(&line, &json!({"key": key, "problem": reason}))?;
        Ok(len)
    }

    fn end(self, url: &str, output: &Output) -> Result<(), Failure> {
        let Self {
            authentic,
            bytes,
            not_authentic,
            other_format,
            unreadable,
        } = self;
        let line = format!(
            "{authentic} authentic ({bytes} bytes), {not_authentic} not authentic, {other_format} in \
             another format or not encrypted, {unreadable} unreadable"
        );
        let object = json!({
            "url": url,
            "authentic": authentic,
            "bytes": bytes,
            "not_authentic": not_authentic,
            "other_format": other_format,
            "unreadable": unreadable,
        });
        output.result(&line, &object)?;
        if not_authentic > 0 {
            let message = format!("objects that are not authentic: {not_authentic}");
            Err(Failure::new(Exit::NotAuthentic, message).about(url))
        } else if unreadable > 0 {
            let message = format!("objects that cannot be read: {unreadable}");
            Err(Failure::new(Exit::Network, message).about(url))
        } else if authentic + other_format == 0 {
            Err(Failure::new(Exit::Refused, "there is no object").about(url))
        } else {
            Ok(())
        }
    }
}

async fn verdict(vault: &Vault, expected: &Expected, key: &str) -> Verdict {
    let info = match vault.head_at(key).await {
        Ok(Some(info)) => info,
        Ok(None) => return Verdict::Deleted,
        Err(Unavailable) => return Verdict::Unreadable,
    };
    if !Header::is_in(info.metadata.keys().map(String::as_str)) {
        return Verdict::OtherFormat;
    }
    let address = match expected.address(key, &info) {
        Ok(address) => address,
        Err(HeaderError::WrongContext) => {
            return Verdict::NotAuthentic("has another encryption context".to_owned());
        }
        Err(error) => return Verdict::NotAuthentic(error.to_string()),
    };
    match vault.open_at(&address, tokio::io::sink()).await {
        Ok(info) => Verdict::Authentic(info.size()),
        Err(GetError::NotFound) => Verdict::Deleted,
        Err(GetError::NotAuthentic) => Verdict::NotAuthentic("does not open".to_owned()),
        Err(GetError::OtherContext) => {
            Verdict::NotAuthentic("has another encryption context".to_owned())
        }
        Err(GetError::TooLarge { .. } | GetError::Destination(_) | GetError::Unavailable) => {
            Verdict::Unreadable
        }
    }
}
