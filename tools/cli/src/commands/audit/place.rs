//! Where the trail is.

use std::{collections::HashMap, env, fs, path::PathBuf};

use aws_config::BehaviorVersion;
use aws_sdk_s3::{Client, primitives::DateTime};
use caas_aws::ClientsConfig;
use caas_keys::bucket_of_stack;
use caas_settings::Settings;
use clap::Args;
use time::{Duration, OffsetDateTime, UtcOffset, macros::format_description};

use super::records::Records;
use crate::{
    commands::keys::failure,
    failure::{Exit, Failure, with_causes},
};

/// Where Firehose puts the trail, by the hour in which the oldest line of a delivery arrived.
const PREFIX: &str = "audit/";

/// Longer than Firehose collects lines for a delivery.
const COLLECTED: Duration = Duration::HOUR;

/// Where the trail is.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// CloudFormation stack whose trail to read, with the AWS credentials of the environment
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,

    /// Bucket of the trail, instead of the stack's
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    bucket: Option<String>,

    /// Folder of the local service, without --stack and --bucket
    #[arg(long, default_value = ".caas", value_name = "FOLDER")]
    data_dir: PathBuf,
}

impl Place {
    /// Reads all records; with a time at least all of those since then.
    pub(super) async fn read(
        &self,
        since: Option<OffsetDateTime>,
        records: &mut Records,
    ) -> Result<(), Failure> {
        if self.stack.is_none() && self.bucket.is_none() {
            return self.read_local(records);
        }
        let bucket = match (&self.bucket, &self.stack) {
            (None, Some(stack)) => {
                let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
                bucket_of_stack(&aws, stack, "AuditBucket")
                    .await
                    .map_err(failure)?
            }
            (bucket, _) => bucket.clone().unwrap_or_default(),
        };
        let config = ClientsConfig::read(&Settings::new(|name| env::var(name).ok()));
        let config = config.map_err(|error| Failure::usage(error.to_string()))?;
        let s3 = config.connect().await.s3;
        let format = format_description!("[year]/[month]/[day]/[hour]");
        let from = since.and_then(|since| since.checked_sub(COLLECTED));
        let from = from.and_then(|from| from.to_offset(UtcOffset::UTC).format(format).ok());
        let after = from.map(|hour| format!("{PREFIX}{hour}"));
        read_bucket(&s3, &bucket, after, records).await
    }

    /// The files of caas-local.
    fn read_local(&self, records: &mut Records) -> Result<(), Failure> {
        let folder = self.data_dir.join("audit");
        let entries = fs::read_dir(&folder).map_err(|error| {
            Failure::file(&folder, &error).next(
                "name a deployment with --stack, or the local service's folder with --data-dir",
            )
        })?;
        for entry in entries {
            let path = entry
                .map_err(|error| Failure::file(&folder, &error))?
                .path();
            if path
                .extension()
                .is_none_or(|extension| extension != "jsonl")
            {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
            records.add_lines(&path.display().to_string(), &text);
        }
        Ok(())
    }
}

/// Reads every version of the deliveries after this key: a lock keeps versions, but lets anybody hide
/// them behind others or behind delete markers.
async fn read_bucket(
    s3: &Client,
    bucket: &str,
    after: Option<String>,
    records: &mut Records,
) -> Result<(), Failure> {
    let mut deliveries = Vec::new();
    let mut markers = HashMap::new();
    let mut next = (after, None);
    loop {
        let listing = s3.list_object_versions().bucket(bucket).prefix(PREFIX);
        let listing = listing.set_key_marker(next.0).set_version_id_marker(next.1);
        let page = listing.send().await;
        let page = page.map_err(|error| unavailable(&error.into_service_error()))?;
        deliveries.extend(page.versions.unwrap_or_default());
        // The newest first, so the oldest one of a key remains.
        for marker in page.delete_markers.unwrap_or_default() {
            markers.insert(marker.key.unwrap_or_default(), marker.last_modified);
        }
        next = (page.next_key_marker, page.next_version_id_marker);
        if page.is_truncated != Some(true) || next.0.is_none() {
            break;
        }
    }
    for delivery in deliveries {
        let key = delivery.key.unwrap_or_default();
        let object = s3.get_object().bucket(bucket).key(&key);
        let object = object.set_version_id(delivery.version_id).send().await;
        let object = object.map_err(|error| unavailable(&error.into_service_error()))?;
        let locked_until = object.object_lock_retain_until_date;
        if let Some(marked) = markers.get(&key)
            && !has_expired(*marked, locked_until)
        {
            records.add_deleted(&key);
        }
        let content = object.body.collect().await;
        let content = content.map_err(|error| unavailable(&error))?;
        records.add_delivery(&key, content.to_vec());
    }
    Ok(())
}

/// Whether a delivery was locked until its delete marker: the bucket's lifecycle adds one then.
fn has_expired(marked: Option<DateTime>, locked_until: Option<DateTime>) -> bool {
    locked_until.is_some_and(|until| marked.is_some_and(|marked| marked >= until))
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Exit::Network, with_causes(error)).next(
        "check the AWS credentials, the region, and that they may list and read the trail's bucket",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_delivery_that_was_locked_until_its_marker_has_expired() {
        let time = |seconds: Option<i64>| seconds.map(DateTime::from_secs);
        for (marked, locked_until, expected) in [
            (Some(9), Some(9), true),
            (Some(10), Some(9), true),
            (Some(8), Some(9), false),
            // No lock, or no permission to see it.
            (Some(8), None, false),
            (None, Some(9), false),
        ] {
            assert_eq!(has_expired(time(marked), time(locked_until)), expected);
        }
    }
}
