//! S3 requests for others to send, signed in their URL.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::SdkError,
    presigning::{PresignedRequest as Signed, PresigningConfig},
};

use crate::{ObjectKey, PutOptions, Unavailable};

/// The longest lifetime of a presigned request.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The shortest lifetime, and the unit of S3's `X-Amz-Expires`.
const SECOND: Duration = Duration::from_secs(1);

/// Signs requests for others to send, with the credentials of one S3 client. It sends nothing
/// itself.
///
/// A request is valid for five minutes, or until the credentials expire if their expiry is known.
/// (Lambda's is not; S3 still refuses a request once the session that signed it has expired.)
#[derive(Clone)]
pub struct Presigner {
    client: Client,
    session: Session,
}

/// An S3 request that anybody who has it can send until it expires.
///
/// It is a bearer token: its URL stays out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedRequest {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// Where to send it; the signature is part of it.
    pub url: String,
    /// The exact headers to send, with names in lower case. `host`, which is also signed, follows
    /// from the URL.
    pub headers: BTreeMap<String, String>,
    /// When S3 starts to refuse it, in whole seconds.
    pub expires_at: SystemTime,
}

impl Presigner {
    pub(crate) fn new(client: Client, session: Session) -> Self {
        Self { client, session }
    }

    /// A PUT of a body of exactly `len` bytes, with this metadata, and the content type and
    /// condition of `options`. Length and headers are signed: S3 refuses a request that deviates
    /// from them or has another `x-amz-*` header.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn put(
        &self,
        bucket: &str,
        key: &ObjectKey,
        len: u64,
        options: &PutOptions,
        metadata: HashMap<String, String>,
    ) -> Result<PresignedRequest, Unavailable> {
        self.signed("PUT", "PutObject", |config| {
            let put = self.client.put_object().bucket(bucket).key(key.as_str());
            put.content_length(i64::try_from(len).unwrap_or(i64::MAX))
                .set_content_type(options.content_type_header())
                .set_metadata(Some(metadata.clone()))
                .set_if_match(options.if_match_header())
                .set_if_none_match(options.if_none_match_header())
                .presigned(config)
        })
        .await
    }

    /// A PUT of one part of exactly `len` bytes of a multipart upload, with this MD5 (in base64) if
    /// given. Both are signed; S3 refuses a part that deviates from them.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn part(
        &self,
        bucket: &str,
        key: &ObjectKey,
        (upload_id, number): (&str, u16),
        len: u64,
        content_md5: Option<&str>,
    ) -> Result<PresignedRequest, Unavailable> {
        self.signed("PUT", "UploadPart", |config| {
            let part = self.client.upload_part().bucket(bucket).key(key.as_str());
            part.upload_id(upload_id)
                .part_number(number.into())
                .content_length(i64::try_from(len).unwrap_or(i64::MAX))
                .set_content_md5(content_md5.map(str::to_owned))
                .presigned(config)
        })
        .await
    }

    /// A GET of one version of an object.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn get(
        &self,
        bucket: &str,
        key: &ObjectKey,
        version_id: Option<&str>,
    ) -> Result<PresignedRequest, Unavailable> {
        self.signed("GET", "GetObject", |config| {
            let get = self.client.get_object().bucket(bucket).key(key.as_str());
            let get = get.set_version_id(version_id.map(str::to_owned));
            get.presigned(config)
        })
        .await
    }

    /// Signs, and signs again for a shorter time if the credentials expire sooner: they may have
    /// been fetched while signing.
    async fn signed<E, F>(
        &self,
        method: &'static str,
        operation: &'static str,
        sign: impl Fn(PresigningConfig) -> F,
    ) -> Result<PresignedRequest, Unavailable>
    where
        F: Future<Output = Result<Signed, SdkError<E, HttpResponse>>>,
    {
        let mut lifetime = LIFETIME;
        loop {
            let now = whole_seconds(SystemTime::now());
            let config = PresigningConfig::builder()
                .start_time(now)
                .expires_in(lifetime)
                .build()
                .map_err(|_| Unavailable)?;
            let signed = sign(config)
                .await
                .map_err(|error| Unavailable::new(operation, &error))?;
            let left = self.session.left(now);
            if left < SECOND {
                tracing::warn!(operation, "the credentials have expired");
                return Err(Unavailable);
            }
            if lifetime <= left {
                let headers = signed.headers();
                let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
                return Ok(PresignedRequest {
                    method,
                    url: signed.uri().to_owned(),
                    headers: headers.collect(),
                    expires_at: now + lifetime,
                });
            }
            lifetime = Duration::from_secs(left.as_secs());
        }
    }
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.unwrap_or_default().as_secs())
}

impl fmt::Debug for Presigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigner").finish_non_exhaustive()
    }
}

/// Without URL and headers.
impl fmt::Debug for PresignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresignedRequest")
            .field("method", &self.method)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// When the credentials that were provided last expire, if known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session(Arc<Mutex<Option<SystemTime>>>);

impl Session {
    /// The same credentials, with their expiry recorded.
    pub(crate) fn watch(&self, provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Watched {
            provider,
            session: self.clone(),
        })
    }

    /// How long the credentials are still valid.
    fn left(&self, now: SystemTime) -> Duration {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.map_or(Duration::MAX, |end| {
            end.duration_since(now).unwrap_or_default()
        })
    }
}

/// Records the expiry when credentials are fetched, because the SDK's clients do not expose it.
#[derive(Debug)]
struct Watched {
    provider: SharedCredentialsProvider,
    session: Session,
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(async {
            let credentials = self.provider.provide_credentials().await?;
            let end = &self.session.0;
            *end.lock().unwrap_or_else(PoisonError::into_inner) = credentials.expiry();
            Ok(credentials)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<aws_credential_types::Credentials> {
        self.provider.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

    use super::*;

    fn presigner(session_left: Option<Duration>) -> Presigner {
        let end = session_left.map(|left| SystemTime::now() + left);
        let credentials = Credentials::new("AKIA", "CANARY-secret", None, end, "test");
        let session = Session::default();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(session.watch(SharedCredentialsProvider::new(credentials)))
            .region(Region::new("us-east-1"));
        Presigner::new(Client::from_conf(config.build()), session)
    }

    fn key() -> ObjectKey {
        ObjectKey::parse("acme/CANARY-name").unwrap()
    }

    #[tokio::test]
    async fn a_request_ends_with_the_session() {
        for (session_left, longest) in [(None, 300), (Some(3_600), 300), (Some(90), 90)] {
            let presigner = presigner(session_left.map(Duration::from_secs));
            let before = SystemTime::now();
            let signed = presigner.get("vault", &key(), Some("v1")).await.unwrap();
            let (_, rest) = signed.url.split_once("X-Amz-Expires=").unwrap();
            let expires: u64 = rest.split('&').next().unwrap().parse().unwrap();
            assert!(expires <= longest, "{session_left:?}: {expires}");
            assert!(expires + 60 > longest, "{session_left:?}: {expires}");
            let longest = before + Duration::from_secs(longest + 60);
            assert!(signed.expires_at <= longest, "{session_left:?}");
            assert!(signed.url.contains("versionId=v1"));
            assert!(signed.headers.is_empty());
        }
        let ended = presigner(Some(Duration::ZERO));
        assert_eq!(ended.get("vault", &key(), None).await, Err(Unavailable));
    }

    #[tokio::test]
    async fn every_header_of_a_put_is_signed() {
        let options = PutOptions::default().if_absent();
        let options = options.content_type("text/plain").unwrap();
        let options = options.metadata("m", "1").unwrap();
        let (presigner, metadata) = (presigner(None), options.metadata_pairs().collect());
        let key = key();
        let signed = presigner.put("inbox", &key, 5, &options, metadata);
        let signed = signed.await.unwrap();
        let headers = [
            ("content-length", "5"),
            ("content-type", "text/plain"),
            ("if-none-match", "*"),
            ("x-amz-meta-m", "1"),
        ];
        let expected = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(signed.headers, expected.into());
        let names = headers.map(|(name, _)| name).join("%3B");
        let names = names.replace("if-none", "host%3Bif-none");
        let parameter = format!("X-Amz-SignedHeaders={names}&");
        assert!(signed.url.contains(&parameter));
    }

    #[tokio::test]
    async fn a_part_has_its_number_its_length_and_perhaps_its_md5() {
        let (presigner, key) = (presigner(None), key());
        for (md5, headers, names) in [
            (
                None,
                &[("content-length", "5")][..],
                "content-length%3Bhost",
            ),
            (
                Some("XUFAKrxLKna5cZ2REBfFkg=="),
                &[
                    ("content-length", "5"),
                    ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
                ],
                "content-length%3Bcontent-md5%3Bhost",
            ),
        ] {
            let signed = presigner.part("vault", &key, ("u-1", 7), 5, md5);
            let signed = signed.await.unwrap();
            let headers = headers.iter();
            let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            assert_eq!(signed.headers, headers.collect());
            for parameter in [
                "partNumber=7&",
                "uploadId=u-1&",
                &format!("X-Amz-SignedHeaders={names}&"),
            ] {
                assert!(signed.url.contains(parameter), "{}", signed.url);
            }
        }
    }

    #[tokio::test]
    async fn debug_shows_no_token() {
        let presigner = presigner(None);
        let signed = presigner.get("vault", &key(), None).await.unwrap();
        let shown = format!("{presigner:?} {signed:?}");
        assert!(!shown.contains("CANARY") && !shown.contains("Signature"));
    }
}
