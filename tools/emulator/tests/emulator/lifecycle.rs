//! Start, stop, restart; counts and events.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_kms::primitives::Blob;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use caas_emulator::{BucketConfig, Config, Emulator, StartError};

use crate::{
    ALIAS, BUCKET, bucket_of,
    clients::kms_of,
    requests::{assert_refused, text},
    start, start_in,
};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (emulator, folder) = start().await;
    let (bucket, kms) = (bucket_of(&emulator), kms_of(&emulator));
    let secret = emulator.secret_access_key().to_owned();
    let arn = emulator.key_arn(ALIAS).unwrap();
    let request = kms.encrypt().key_id(ALIAS).plaintext(Blob::new("x"));
    let sealed = request.send().await.unwrap();
    for key in ["a", "a/b", "deleted"] {
        let put = bucket.put(key, key).metadata("key", key);
        put.send().await.unwrap();
    }
    bucket.delete("deleted").send().await.unwrap();
    let created = bucket.begin("parts").send().await.unwrap();
    let upload_id = created.upload_id.unwrap();
    let part = bucket.part("parts").upload_id(&upload_id).part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    let before = bucket.versions().send().await.unwrap();
    emulator.shutdown().await;

    let emulator = start_in(folder.path()).await;
    let (bucket, kms) = (bucket_of(&emulator), kms_of(&emulator));
    assert_eq!(emulator.secret_access_key(), secret);
    assert_eq!(emulator.key_arn(ALIAS), Some(arn));
    let after = bucket.versions().send().await.unwrap();
    assert_eq!(after.versions(), before.versions());
    assert_eq!(after.delete_markers(), before.delete_markers());
    let got = bucket.get("a/b").send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["key"], "a/b");
    assert_eq!(text(got.body).await, "a/b");
    let request = kms.decrypt();
    let request = request.ciphertext_blob(sealed.ciphertext_blob.unwrap());
    let opened = request.send().await.unwrap();
    assert_eq!(opened.plaintext.unwrap().as_ref(), b"x");
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag.unwrap())
        .build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let request = bucket.complete("parts").upload_id(upload_id);
    let request = request.multipart_upload(parts);
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

/// A child that is being started has inherited every open file, the lock's too.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_free_at_once_while_processes_are_started() {
    let stop = Arc::new(AtomicBool::new(false));
    let starters: [_; 4] = std::array::from_fn(|_| {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        })
    });
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..100 {
        start_in(folder.path()).await.shutdown().await;
    }
    stop.store(true, Ordering::Relaxed);
    for starter in starters {
        starter.join().unwrap();
    }
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
    bucket_of(&emulator).write("k", "v").await;
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
    bucket_of(&emulator).write("k", "v").await;
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
    let (bucket, kms) = (bucket_of(&emulator), kms_of(&emulator));
    bucket.write("k", "").await;
    let before = emulator.calls();
    bucket.get("k").send().await.unwrap();
    bucket.get("absent").send().await.unwrap_err();
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
    let bucket = bucket_of(&emulator);
    let mut created = emulator.object_created();
    let key = "a b/ü+";
    let put = bucket.put(key, "hello").send().await.unwrap();
    let first = created.try_recv().unwrap();
    assert_eq!(
        (first.bucket.as_str(), first.key.as_str(), first.size),
        (BUCKET, key, 5)
    );
    assert_eq!(put.e_tag().unwrap(), format!("\"{}\"", first.etag));
    assert_eq!(first.version_id, put.version_id);
    let copy = bucket.copy("copy");
    let copy = copy.copy_source(format!("{BUCKET}/a%20b/%C3%BC%2B"));
    copy.send().await.unwrap();
    assert_eq!(created.try_recv().unwrap().key, "copy");
    bucket.write(key, "").await;
    let second = created.try_recv().unwrap();
    assert!(second.sequencer > first.sequencer);
    // Deletes and refused writes are not announced.
    let refused = bucket.put(key, "").if_none_match("*");
    refused.send().await.unwrap_err();
    bucket.delete(key).send().await.unwrap();
    created.try_recv().unwrap_err();
    emulator.shutdown().await;
    assert_eq!(created.recv().await, None);
}

#[tokio::test]
async fn a_refused_upload_leaves_no_file() {
    let (emulator, folder) = start().await;
    let bucket = bucket_of(&emulator);
    bucket.write("k", "kept").await;
    let before = files_in(folder.path());
    let put = || bucket.put("k", vec![7; 1_000_000]);
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
    let bucket = bucket_of(&emulator);
    let put = |length: usize| bucket.put("k", vec![7; length]);
    put(1000).send().await.unwrap();
    assert_refused(put(1001).send().await, 400, "EntityTooLarge");
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
