//! Where the trail is.

use std::{env, fs, path::PathBuf};

use aws_config::BehaviorVersion;
use caas_aws::ClientsConfig;
use caas_keys::bucket_of_stack;
use caas_settings::Settings;
use clap::Args;
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use super::records::Records;
use crate::{
    commands::keys::failure,
    failure::{Exit, Failure, with_causes},
};

/// Where Firehose puts the trail, by the hour of its arrival.
const PREFIX: &str = "audit/";

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
        let from = since.and_then(|since| since.to_offset(UtcOffset::UTC).format(format).ok());
        let listing = s3.list_objects_v2().bucket(&bucket).prefix(PREFIX);
        let mut pages = listing
            .set_start_after(from.map(|hour| format!("{PREFIX}{hour}")))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable(&error.into_service_error()))?;
            for key in page.contents().iter().filter_map(|object| object.key()) {
                let object = s3.get_object().bucket(&bucket).key(key).send().await;
                let object = object.map_err(|error| unavailable(&error.into_service_error()))?;
                let content = object.body.collect().await;
                let content = content.map_err(|error| unavailable(&error))?;
                records.add_delivery(key, content.to_vec());
            }
        }
        Ok(())
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

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Exit::Network, with_causes(error)).next(
        "check the AWS credentials, the region, and that they may list and read the trail's bucket",
    )
}
