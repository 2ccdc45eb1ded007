//! The embedded emulator of S3 and KMS, with the buckets and keys of `template.yaml`.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use anyhow::Context;
use caas_aws::ClientsConfig;
use caas_emulator::{BucketConfig, Config, Emulator, Lifecycle, ObjectCreated, StartError};
use tokio::sync::mpsc::UnboundedReceiver;
use upload_file::DEFAULT_UPLOAD_DAYS;

const VAULT_BUCKET: &str = "caas-vault";
const INBOX_BUCKET: &str = "caas-inbox";
const USER_KEYS_BUCKET: &str = "caas-user-keys";
/// The bucket of the registry of clients.
const CLIENTS_BUCKET: &str = "caas-clients";

/// How long a deleted or replaced file can be recovered: the template's default.
const DELETED_FILE_DAYS: u32 = 30;

const FILE_KEY: &str = "alias/caas-file";
const USER_KEY: &str = "alias/caas-user";

/// S3 and KMS on loopback.
pub(crate) struct Cloud {
    emulator: Emulator,
}

impl Cloud {
    /// Starts both on these ports (0: any free port), with their data in `data_dir`.
    pub(crate) async fn start(
        data_dir: &Path,
        s3_port: u16,
        kms_port: u16,
    ) -> anyhow::Result<Self> {
        let mut config = Config::new(data_dir.join("aws"));
        config.s3_addr = (Ipv4Addr::LOCALHOST, s3_port).into();
        config.kms_addr = (Ipv4Addr::LOCALHOST, kms_port).into();
        let any_origin = || ["*".to_owned()];
        config.buckets = vec![
            BucketConfig::versioned(VAULT_BUCKET)
                .with_allowed_origins(any_origin())
                .with_lifecycle(Lifecycle {
                    upload_days: Some(DEFAULT_UPLOAD_DAYS),
                    ..lifecycle(DELETED_FILE_DAYS, true)
                }),
            BucketConfig::versioned(INBOX_BUCKET)
                .with_allowed_origins(any_origin())
                // The sweep removes delete markers once they are no longer needed.
                .with_lifecycle(lifecycle(1, false)),
            BucketConfig::versioned(USER_KEYS_BUCKET).with_lifecycle(lifecycle(1, true)),
            BucketConfig::versioned(CLIENTS_BUCKET).with_lifecycle(lifecycle(365, true)),
        ];
        config.key_aliases = [FILE_KEY, USER_KEY].map(str::to_owned).into();
        let s3_addr = config.s3_addr;
        let emulator = Emulator::start(config)
            .await
            .map_err(|error| explain(error, s3_addr, data_dir))?;
        Ok(Self { emulator })
    }

    /// The environment of a program that uses the same S3 and KMS: the AWS SDKs' variables and our
    /// own.
    pub(crate) fn variables(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let emulator = &self.emulator;
        let key = |alias| emulator.key_arn(alias).context("a KMS key is missing");
        let (id, secret) = self.credentials();
        Ok(vec![
            ("AWS_ENDPOINT_URL_S3", emulator.s3_url()),
            ("AWS_ENDPOINT_URL_KMS", emulator.kms_url()),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", emulator.region().to_owned()),
            ("VAULT_BUCKET", VAULT_BUCKET.to_owned()),
            ("INBOX_BUCKET", INBOX_BUCKET.to_owned()),
            ("USER_KEYS_BUCKET", USER_KEYS_BUCKET.to_owned()),
            ("CLIENTS_BUCKET", CLIENTS_BUCKET.to_owned()),
            ("FILE_KEY_ID", key(FILE_KEY)?),
            ("USER_KEY_ID", key(USER_KEY)?),
        ])
    }

    /// The connection settings of both.
    pub(crate) fn connections(&self) -> ClientsConfig {
        ClientsConfig {
            s3_endpoint: Some(self.emulator.s3_url()),
            kms_endpoint: Some(self.emulator.kms_url()),
            region: Some(self.emulator.region().to_owned()),
            credentials: Some(self.credentials()),
            ..ClientsConfig::default()
        }
    }

    /// An access key and its secret.
    fn credentials(&self) -> (String, String) {
        let emulator = &self.emulator;
        let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
        (id.to_owned(), secret.to_owned())
    }

    /// Subscribes to objects put from now on.
    pub(crate) fn object_created(&self) -> UnboundedReceiver<ObjectCreated> {
        self.emulator.object_created()
    }

    /// Finishes the requests in flight and stops.
    pub(crate) async fn shutdown(self) {
        self.emulator.shutdown().await;
    }
}

/// The rules of one bucket in `template.yaml`.
fn lifecycle(noncurrent_days: u32, expired_markers: bool) -> Lifecycle {
    Lifecycle {
        noncurrent_days: Some(noncurrent_days),
        expired_markers,
        upload_days: Some(1),
    }
}

/// Names the option that helps.
fn explain(error: StartError, s3_addr: SocketAddr, data_dir: &Path) -> anyhow::Error {
    match error {
        StartError::Listen { addr, source } if source.kind() == ErrorKind::AddrInUse => {
            let option = if addr == s3_addr {
                "--s3-port"
            } else {
                "--kms-port"
            };
            anyhow::anyhow!(
                "port {} is in use by another process; choose another with {option}, or any free \
                 port with {option} 0",
                addr.port()
            )
        }
        StartError::InUse(_) => anyhow::anyhow!(
            "another caas-local is using the data folder {}; stop it, or choose another folder \
             with --data-dir",
            data_dir.display()
        ),
        other => anyhow::Error::new(other).context("cannot start S3 and KMS"),
    }
}
