//! Starting and stopping S3 and KMS on one data folder.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use tokio::{net::TcpListener, sync::mpsc::UnboundedReceiver, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    calls::{Calls, Counter, KmsRequest},
    config::{BucketConfig, Config, Lifecycle, REGION},
    credentials::Credentials,
    disk,
    folder_lock::FolderLock,
    kms::Kms,
    s3,
    store::{
        ObjectCreated, Store, StoreError,
        record::{CorsRuleRecord, Versioning},
    },
};

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another emulator, in this process or another, is using the data folder.
    #[error("{}: another emulator is using this data folder", .0.display())]
    InUse(PathBuf),
    /// The address is not on loopback, which is required because requests are not encrypted.
    #[error("{0}: not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// S3 does not allow this bucket name.
    #[error("{0:?}: not a valid bucket name")]
    BucketName(String),
    /// KMS does not allow this alias.
    #[error("{0:?}: not a valid alias: it must begin with \"alias/\", and not with \"alias/aws/\"")]
    Alias(String),
    /// The data folder cannot be read or written, or a file in it is damaged.
    #[error("the data folder cannot be used")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// S3 and KMS, listening.
///
/// Dropping it closes the listeners and cuts connections; acknowledged writes are durable either way.
/// [`shutdown`](Self::shutdown) lets requests in progress finish and frees the folder for another
/// emulator.
pub struct Emulator {
    credentials: Credentials,
    s3_addr: SocketAddr,
    kms_addr: SocketAddr,
    store: Arc<Store>,
    kms: Arc<Kms>,
    calls: Arc<Counter>,
    stop: CancellationToken,
    servers: JoinSet<()>,
    _stop_on_drop: DropGuard,
}

impl Emulator {
    /// Opens the data folder, creates missing buckets and keys, and listens.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        for addr in [config.s3_addr, config.kms_addr] {
            if !addr.ip().is_loopback() {
                return Err(StartError::NotLoopback(addr));
            }
        }
        for bucket in &config.buckets {
            if !s3s::path::check_bucket_name(&bucket.name) {
                return Err(StartError::BucketName(bucket.name.clone()));
            }
        }
        let Config {
            data_dir,
            buckets,
            key_aliases,
            ..
        } = config;
        let rules = buckets.iter();
        let rules: Vec<_> = rules.map(|b| (b.name.clone(), b.lifecycle)).collect();
        let opened = tokio::task::spawn_blocking(move || open(&data_dir, &buckets, &key_aliases));
        let Opened {
            credentials,
            store,
            kms,
        } = opened.await.map_err(data)??;
        expire(&store, &rules).await;
        let (s3_listener, s3_addr) = listen(config.s3_addr).await?;
        let (kms_listener, kms_addr) = listen(config.kms_addr).await?;
        let calls = Arc::new(Counter::default());
        let stop = CancellationToken::new();
        let s3 = s3::service(
            Arc::clone(&store),
            Arc::clone(&calls),
            config.max_object_bytes,
            &credentials,
        );
        let cors_store = Arc::clone(&store);
        let s3 =
            service_fn(move |request| s3::respond(s3.clone(), Arc::clone(&cors_store), request));
        let (answering, counter) = (Arc::clone(&kms), Arc::clone(&calls));
        let credentials_of_kms = Arc::new(credentials.clone());
        let kms_service = service_fn(move |request: Request<Incoming>| {
            let (kms, calls) = (Arc::clone(&answering), Arc::clone(&counter));
            let credentials = Arc::clone(&credentials_of_kms);
            async move {
                Ok::<_, std::convert::Infallible>(kms.respond(request, &credentials, &calls).await)
            }
        });
        let mut servers = JoinSet::new();
        servers.spawn(caas_server::serve(s3_listener, s3, stop.clone()));
        servers.spawn(caas_server::serve(kms_listener, kms_service, stop.clone()));
        servers.spawn(expire_hourly(Arc::clone(&store), rules, stop.clone()));
        let _stop_on_drop = stop.clone().drop_guard();
        Ok(Self {
            credentials,
            s3_addr,
            kms_addr,
            store,
            kms,
            calls,
            stop,
            servers,
            _stop_on_drop,
        })
    }

    /// The endpoint of S3, such as `http://127.0.0.1:34567`.
    pub fn s3_url(&self) -> String {
        format!("http://{}", self.s3_addr)
    }

    /// The endpoint of KMS.
    pub fn kms_url(&self) -> String {
        format!("http://{}", self.kms_addr)
    }

    /// Where S3 listens.
    pub fn s3_addr(&self) -> SocketAddr {
        self.s3_addr
    }

    /// Where KMS listens.
    pub fn kms_addr(&self) -> SocketAddr {
        self.kms_addr
    }

    /// The region of everything.
    pub fn region(&self) -> &'static str {
        REGION
    }

    /// The access key id of the only identity.
    pub fn access_key_id(&self) -> &str {
        &self.credentials.access_key_id
    }

    /// Its secret, generated at the first start. Do not log it.
    pub fn secret_access_key(&self) -> &str {
        &self.credentials.secret_access_key
    }

    /// The ARN of the key that an alias names.
    pub fn key_arn(&self, alias: &str) -> Option<String> {
        self.kms.key_arn(alias)
    }

    /// The requests per operation since the start.
    pub fn calls(&self) -> Calls {
        self.calls.snapshot()
    }

    /// The last 1,000 requests to KMS, as CloudTrail records them.
    pub fn kms_requests(&self) -> Vec<KmsRequest> {
        self.calls.kms_requests()
    }

    /// Subscribes to new objects: put, copied or completed. Events are sent once the object is durable,
    /// and queue in memory; the channel closes with the emulator.
    pub fn object_created(&self) -> UnboundedReceiver<ObjectCreated> {
        self.store.object_created()
    }

    /// Stops listening, lets requests in progress finish for a few seconds, and frees the folder.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.servers.join_next().await.is_some() {}
        self.store.close().await;
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("s3", &self.s3_addr)
            .field("kms", &self.kms_addr)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// What is opened before anything listens.
struct Opened {
    credentials: Credentials,
    store: Arc<Store>,
    kms: Arc<Kms>,
}

fn open(dir: &Path, buckets: &[BucketConfig], aliases: &[String]) -> Result<Opened, StartError> {
    disk::create_private_dir(dir).map_err(data)?;
    let lock = Arc::new(FolderLock::acquire(dir)?);
    let credentials = Credentials::load_or_create(dir).map_err(data)?;
    let store = Store::open(dir.join("s3"), Arc::clone(&lock)).map_err(data)?;
    for bucket in buckets {
        match store.create_bucket(&bucket.name, bucket.versioned) {
            Err(StoreError::BucketExists) => {}
            created => created.map_err(data)?,
        }
        let existing = store.bucket(&bucket.name).map_err(data)?;
        if bucket.versioned && existing.versioning() != Versioning::Enabled {
            existing
                .change_settings(|settings| settings.versioning = Versioning::Enabled)
                .map_err(data)?;
        }
        if let Some(origins) = &bucket.allowed_origins {
            let rules = cors_rules(origins);
            if existing.settings().cors != rules {
                existing
                    .change_settings(|settings| settings.cors = rules)
                    .map_err(data)?;
            }
        }
    }
    let kms = Kms::open(&dir.join("kms"), lock).map_err(data)?;
    for alias in aliases {
        kms.ensure_alias(alias)
            .map_err(data)?
            .ok_or_else(|| StartError::Alias(alias.clone()))?;
    }
    Ok(Opened {
        credentials,
        store: Arc::new(store),
        kms: Arc::new(kms),
    })
}

async fn expire_hourly(
    store: Arc<Store>,
    rules: Vec<(String, Lifecycle)>,
    stop: CancellationToken,
) {
    let hour = Duration::from_secs(60 * 60);
    while stop
        .run_until_cancelled(tokio::time::sleep(hour))
        .await
        .is_some()
    {
        expire(&store, &rules).await;
    }
}

/// Applies the lifecycle rules of each bucket. What fails is tried again an hour later.
async fn expire(store: &Arc<Store>, rules: &[(String, Lifecycle)]) {
    for (name, rules) in rules {
        // A client may have deleted the bucket.
        let Ok(bucket) = store.bucket(name) else {
            continue;
        };
        if let Err(error) = store.expire(&bucket, *rules).await {
            tracing::error!(cause = ?error, "lifecycle rules could not be applied");
        }
    }
}

/// Rules that let pages of these origins send presigned requests.
fn cors_rules(origins: &[String]) -> Vec<CorsRuleRecord> {
    let rule = || CorsRuleRecord {
        id: None,
        allowed_origins: origins.to_vec(),
        allowed_methods: ["GET", "HEAD", "PUT"].map(str::to_owned).into(),
        allowed_headers: vec!["*".to_owned()],
        expose_headers: ["Content-Range", "ETag"].map(str::to_owned).into(),
        max_age_seconds: Some(300),
    };
    if origins.is_empty() {
        Vec::new()
    } else {
        vec![rule()]
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

pub(crate) fn data(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Data(Box::new(error))
}
