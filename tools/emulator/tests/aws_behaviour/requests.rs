//! Requests to one bucket, in few words.

use std::fmt::Debug;

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder,
        complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder,
        copy_object::builders::CopyObjectFluentBuilder,
        create_multipart_upload::builders::CreateMultipartUploadFluentBuilder,
        delete_object::builders::DeleteObjectFluentBuilder,
        get_object::builders::GetObjectFluentBuilder,
        head_object::builders::HeadObjectFluentBuilder,
        list_multipart_uploads::builders::ListMultipartUploadsFluentBuilder,
        list_object_versions::builders::ListObjectVersionsFluentBuilder,
        list_objects_v2::{ListObjectsV2Output, builders::ListObjectsV2FluentBuilder},
        list_parts::builders::ListPartsFluentBuilder,
        put_object::builders::PutObjectFluentBuilder,
        upload_part::builders::UploadPartFluentBuilder,
    },
    primitives::ByteStream,
};
use caas_testing::clients::refused;

/// One bucket, and the client that uses it.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) s3: Client,
    pub(crate) name: String,
}

/// Methods that begin a request with the bucket and the key filled in.
macro_rules! requests {
    ($($name:ident: $operation:ident($($key:ident)?) -> $builder:ident;)*) => {
        $(pub(crate) fn $name(&self $(, $key: impl Into<String>)?) -> $builder {
            self.s3.$operation().bucket(&self.name)$(.$key($key))?
        })*
    };
}

impl Bucket {
    pub(crate) fn new(s3: Client, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { s3, name }
    }

    requests! {
        get: get_object(key) -> GetObjectFluentBuilder;
        head: head_object(key) -> HeadObjectFluentBuilder;
        delete: delete_object(key) -> DeleteObjectFluentBuilder;
        copy: copy_object(key) -> CopyObjectFluentBuilder;
        list: list_objects_v2() -> ListObjectsV2FluentBuilder;
        versions: list_object_versions() -> ListObjectVersionsFluentBuilder;
        begin: create_multipart_upload(key) -> CreateMultipartUploadFluentBuilder;
        part: upload_part(key) -> UploadPartFluentBuilder;
        parts: list_parts(key) -> ListPartsFluentBuilder;
        abort: abort_multipart_upload(key) -> AbortMultipartUploadFluentBuilder;
        complete: complete_multipart_upload(key) -> CompleteMultipartUploadFluentBuilder;
        uploads: list_multipart_uploads() -> ListMultipartUploadsFluentBuilder;
    }

    pub(crate) fn put(
        &self,
        key: impl Into<String>,
        body: impl Into<Body>,
    ) -> PutObjectFluentBuilder {
        let put = self.s3.put_object().bucket(&self.name).key(key);
        put.body(body.into().0)
    }

    /// Puts an object and returns its entity tag and version id.
    pub(crate) async fn write(
        &self,
        key: impl Into<String>,
        body: impl Into<Body>,
    ) -> (String, Option<String>) {
        let put = self.put(key, body).send().await.unwrap();
        (put.e_tag.unwrap(), put.version_id)
    }

    /// Reads an object as text, or returns status and code.
    pub(crate) async fn read(&self, key: impl Into<String>) -> Result<String, (u16, String)> {
        match self.get(key).send().await {
            Ok(got) => Ok(text(got.body).await),
            error => Err(refused(error)),
        }
    }
}

/// Reads a body to its end.
pub(crate) async fn text(body: ByteStream) -> String {
    let bytes = body.collect().await.unwrap().into_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The keys of a page.
pub(crate) fn keys_of(listed: &ListObjectsV2Output) -> Vec<&str> {
    let objects = listed.contents().iter();
    objects.map(|object| object.key().unwrap()).collect()
}

/// The body of a request.
pub(crate) struct Body(ByteStream);

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<ByteStream> for Body {
    fn from(stream: ByteStream) -> Self {
        Self(stream)
    }
}

/// Asserts the status and the code of a refusal; the code is empty after a HEAD.
#[track_caller]
pub(crate) fn assert_refused<T, E>(
    result: Result<T, SdkError<E, HttpResponse>>,
    status: u16,
    code: &str,
) where
    T: Debug,
    E: ProvideErrorMetadata + Debug,
{
    let (found, name) = refused(result);
    assert_eq!((found, name.as_str()), (status, code));
}
