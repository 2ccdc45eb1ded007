//! Operations on buckets.

use std::sync::Arc;

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{Api, errors, objects::refuse_access_lists};
use crate::{
    config::REGION,
    store::{StoreError, record::Versioning},
};

/// The owner of every bucket and object.
pub(super) fn owner() -> Owner {
    Owner {
        display_name: Some("caas".to_owned()),
        id: Some("caas-emulator".to_owned()),
    }
}

pub(super) async fn create_bucket(
    api: &Api,
    req: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let input = req.input;
    let ownership = input.object_ownership.as_ref().map(ObjectOwnership::as_str);
    if input.object_lock_enabled_for_bucket == Some(true)
        || ownership.is_some_and(|asked| asked != ObjectOwnership::BUCKET_OWNER_ENFORCED)
    {
        return Err(errors::not_implemented());
    }
    refuse_access_lists!(input, BucketCannedACL, grant_write);
    let (store, name) = (Arc::clone(&api.store), input.bucket);
    let location = format!("/{name}");
    let created = api.store.run(move || store.create_bucket(&name, false));
    match created.await {
        // In us-east-1 the owner may repeat the request.
        Err(StoreError::BucketExists) => {}
        done => done?,
    }
    let output = CreateBucketOutput {
        location: Some(location),
    };
    Ok(S3Response::new(output))
}

pub(super) async fn delete_bucket(
    api: &Api,
    req: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let store = Arc::clone(&api.store);
    api.store
        .run(move || store.delete_bucket(&req.input.bucket))
        .await?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}

pub(super) async fn head_bucket(
    api: &Api,
    req: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    api.store.bucket(&req.input.bucket)?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(REGION.to_owned()),
        ..Default::default()
    }))
}

pub(super) async fn get_bucket_location(
    api: &Api,
    req: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    api.store.bucket(&req.input.bucket)?;
    // An empty element means us-east-1.
    Ok(S3Response::new(GetBucketLocationOutput::default()))
}

pub(super) async fn list_buckets(
    api: &Api,
    req: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let prefix = req.input.prefix;
    let wanted = |name: &str| {
        prefix
            .as_ref()
            .is_none_or(|prefix| name.starts_with(prefix))
    };
    let buckets = api.store.buckets();
    let buckets = buckets
        .iter()
        .filter(|bucket| wanted(bucket.name()))
        .map(|bucket| Bucket {
            bucket_region: Some(REGION.to_owned()),
            creation_date: Some(errors::timestamp(bucket.settings().created_ms)),
            name: Some(bucket.name().to_owned()),
        });
    let buckets = Some(buckets.collect());
    let output = ListBucketsOutput {
        buckets,
        owner: Some(owner()),
        prefix,
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

pub(super) async fn get_bucket_versioning(
    api: &Api,
    req: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    let status = match api.store.bucket(&req.input.bucket)?.versioning() {
        Versioning::Never => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    let status = status.map(BucketVersioningStatus::from_static);
    Ok(S3Response::new(GetBucketVersioningOutput {
        mfa_delete: None,
        status,
    }))
}

pub(super) async fn put_bucket_versioning(
    api: &Api,
    req: S3Request<PutBucketVersioningInput>,
) -> S3Result<S3Response<PutBucketVersioningOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    let configuration = req.input.versioning_configuration;
    if configuration
        .mfa_delete
        .is_some_and(|state| state.as_str() == MFADelete::ENABLED)
    {
        return Err(s3_error!(NotImplemented, "MFA delete is not implemented"));
    }
    let versioning = match configuration
        .status
        .as_ref()
        .map(BucketVersioningStatus::as_str)
    {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => return Err(s3_error!(IllegalVersioningConfigurationException)),
    };
    api.store
        .run(move || bucket.change_settings(|settings| settings.versioning = versioning))
        .await?;
    Ok(S3Response::new(PutBucketVersioningOutput::default()))
}
