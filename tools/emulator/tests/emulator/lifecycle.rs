//! Start, stop, restart; counts and events.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use caas_emulator::{BucketConfig, Config, Emulator, StartError};

use crate::{
    ALIAS, BUCKET,
    clients::{kms_of, s3_of},
    get, put, start, start_in,
};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (emulator, folder) = start().await;
    let (s3, kms) = (s3_of(&emulator), kms_of(&emulator));
    let secret = emulator.secret_access_key().to_owned();
    let arn = emulator.key_arn(ALIAS).unwrap();
    let request = kms.encrypt().key_id(ALIAS).plaintext(Blob::new("x"));
    let sealed = request.send().await.unwrap();
    for key in ["a", "a/b", "deleted"] {
        let put = s3.put_object().bucket(BUCKET).key(key).metadata("key", key);
        put.body(key.as_bytes().to_vec().into())
            .send()
            .await
            .unwrap();
    }
    let request = s3.delete_object().bucket(BUCKET).key("deleted");
    request.send().await.unwrap();
    let request = s3.create_multipart_upload().bucket(BUCKET).key("parts");
    let created = request.send().await.unwrap();
    let upload_id = created.upload_id.unwrap();
    let part = s3
        .upload_part()
        .bucket(BUCKET)
        .key("parts")
        .upload_id(&upload_id)
        .part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    let request = s3.list_object_versions().bucket(BUCKET);
    let before = request.send().await.unwrap();
    emulator.shutdown().await;

    let emulator = start_in(folder.path()).await;
    let (s3, kms) = (s3_of(&emulator), kms_of(&emulator));
    assert_eq!(emulator.secret_access_key(), secret);
    assert_eq!(emulator.key_arn(ALIAS), Some(arn));
    let request = s3.list_object_versions().bucket(BUCKET);
    let after = request.send().await.unwrap();
    assert_eq!(after.versions(), before.versions());
    assert_eq!(after.delete_markers(), before.delete_markers());
    let got = get(&s3, "a/b").await;
    assert_eq!(got.metadata().unwrap()["key"], "a/b");
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "a/b");
    let opened = kms
        .decrypt()
        .ciphertext_blob(sealed.ciphertext_blob.unwrap())
        .send()
        .await;
    assert_eq!(opened.unwrap().plaintext.unwrap().as_ref(), b"x");
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag.unwrap())
        .build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket(BUCKET).key("parts");
    let request = complete.upload_id(upload_id).multipart_upload(parts);
    request.send().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_folder_has_one_emulator_at_a_time() {
    let (emulator, folder) = start().await;
    let second = Emulator::start(Config::new(folder.path())).await;
    assert!(matches!(second, Err(StartError::InUse(_))), "{second:?}");
    emulator.shutdown().await;
    start_in(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_started_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.s3_addr = ([0, 0, 0, 0], 0).into();
    let error = Emulator::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::NotLoopback(_)), "{error:?}");
    let mut config = Config::new(folder.path());
    config.buckets.push(BucketConfig::versioned("Not_A_Bucket"));
    let error = Emulator::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::BucketName(_)), "{error:?}");
    let mut config = Config::new(folder.path());
    config.key_aliases.push("no-alias".to_owned());
    let error = Emulator::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::Alias(_)), "{error:?}");
}

#[tokio::test]
async fn a_damaged_record_stops_the_start_and_nothing_is_removed() {
    let (emulator, folder) = start().await;
    let s3 = s3_of(&emulator);
    put(&s3, "k", "v").await;
    emulator.shutdown().await;
    let files = files_in(folder.path());
    let record = files
        .iter()
        .find(|file| file.contains("objects") && file.ends_with(".json"));
    let record = record.unwrap();
    let content = std::fs::read(record).unwrap();
    std::fs::write(record, &content[..content.len() / 2]).unwrap();
    let error = Emulator::start(Config::new(folder.path()))
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Data(_)), "{error:?}");
    assert_eq!(files_in(folder.path()), files);
    std::fs::write(record, content).unwrap();
    start_in(folder.path()).await.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_this_user_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let (emulator, folder) = start().await;
    let s3 = s3_of(&emulator);
    put(&s3, "k", "v").await;
    emulator.shutdown().await;
    let files = files_in(folder.path());
    let secret = |file: &&String| !file.ends_with("lock");
    assert!(files.iter().filter(secret).count() >= 5);
    for file in files.iter().filter(secret) {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[tokio::test]
async fn calls_are_counted_by_operation() {
    let (emulator, _folder) = start().await;
    let (s3, kms) = (s3_of(&emulator), kms_of(&emulator));
    put(&s3, "k", "").await;
    let before = emulator.calls();
    get(&s3, "k").await;
    let request = s3.get_object().bucket(BUCKET).key("absent");
    request.send().await.unwrap_err();
    assert_eq!(emulator.calls().since(&before).kms(), 0);
    let request = kms.decrypt().ciphertext_blob(Blob::new("no"));
    request.send().await.unwrap_err();
    let calls = emulator.calls().since(&before);
    assert_eq!(
        calls.iter().collect::<Vec<_>>(),
        [("kms:Decrypt", 1), ("s3:GetObject", 2)]
    );
    emulator.shutdown().await;
}

#[tokio::test]
async fn created_objects_are_announced() {
    let (emulator, _folder) = start().await;
    let s3 = s3_of(&emulator);
    let mut created = emulator.object_created();
    let key = "a b/ü+";
    let put = s3
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(b"hello".to_vec().into());
    let put = put.send().await.unwrap();
    let first = created.try_recv().unwrap();
    assert_eq!(
        (first.bucket.as_str(), first.key.as_str(), first.size),
        (BUCKET, key, 5)
    );
    assert_eq!(put.e_tag().unwrap(), format!("\"{}\"", first.etag));
    assert_eq!(first.version_id, put.version_id);
    let copy = s3.copy_object().bucket(BUCKET).key("copy");
    copy.copy_source(format!("{BUCKET}/a%20b/%C3%BC%2B"))
        .send()
        .await
        .unwrap();
    assert_eq!(created.try_recv().unwrap().key, "copy");
    crate::put(&s3, key, "").await;
    let second = created.try_recv().unwrap();
    assert!(second.sequencer > first.sequencer);
    // Deletes and refused writes are not announced.
    let request = s3.put_object().bucket(BUCKET).key(key).if_none_match("*");
    request.send().await.unwrap_err();
    let request = s3.delete_object().bucket(BUCKET).key(key);
    request.send().await.unwrap();
    created.try_recv().unwrap_err();
    emulator.shutdown().await;
    assert_eq!(created.recv().await, None);
}

#[tokio::test]
async fn a_refused_upload_leaves_no_file() {
    let (emulator, folder) = start().await;
    let s3 = s3_of(&emulator);
    put(&s3, "k", "kept").await;
    let before = files_in(folder.path());
    let put = || {
        s3.put_object()
            .bucket(BUCKET)
            .key("k")
            .body(vec![7; 1_000_000].into())
    };
    put().if_none_match("*").send().await.unwrap_err();
    let request = put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==");
    request.send().await.unwrap_err();
    emulator.shutdown().await;
    assert_eq!(files_in(folder.path()), before);
}

#[tokio::test]
async fn an_object_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.buckets.push(BucketConfig::unversioned(BUCKET));
    config.max_object_bytes = 1000;
    let emulator = Emulator::start(config).await.unwrap();
    let s3 = s3_of(&emulator);
    let put = |length: usize| {
        s3.put_object()
            .bucket(BUCKET)
            .key("k")
            .body(vec![7; length].into())
    };
    put(1000).send().await.unwrap();
    let over = crate::clients::refused(put(1001).send().await);
    assert_eq!(over, (400, "EntityTooLarge".to_owned()));
    emulator.shutdown().await;
}

/// All files below a folder, sorted.
pub(crate) fn files_in(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path.to_str().unwrap().to_owned());
        }
    }
    files.sort();
    files
}
