//! Lifecycle rules.

use std::{fs, path::Path};

use caas_emulator::{BucketConfig, Config, Emulator, Lifecycle};
use serde_json::Value;

use crate::{
    BUCKET, bucket_of,
    lifecycle::files_in,
    requests::{Bucket, keys_of},
    start,
};

/// A replaced, a deleted and an uploaded key with this prefix.
async fn fill(bucket: &Bucket, prefix: &str) {
    bucket.write(format!("{prefix}/replaced"), "1").await;
    bucket.write(format!("{prefix}/replaced"), "2").await;
    bucket.write(format!("{prefix}/deleted"), "1").await;
    let delete = bucket.delete(format!("{prefix}/deleted"));
    delete.send().await.unwrap();
    let begin = bucket.begin(format!("{prefix}/upload"));
    let id = begin.send().await.unwrap().upload_id.unwrap();
    let part = bucket.part(format!("{prefix}/upload")).upload_id(id);
    let part = part.part_number(1).body(b"part".to_vec().into());
    part.send().await.unwrap();
}

/// Makes the records of keys with this prefix older.
fn age(folder: &Path, prefix: &str, hours: u64) {
    let files = files_in(folder).into_iter();
    for file in files.filter(|file| file.ends_with(".json")) {
        let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        if record["key"]
            .as_str()
            .is_some_and(|key| key.starts_with(prefix))
        {
            let created = record["created_ms"].as_u64().unwrap();
            record["created_ms"] = (created - hours * 60 * 60 * 1000).into();
            fs::write(file, record.to_string()).unwrap();
        }
    }
}

/// Versions, delete markers and uploads with this prefix.
async fn counts(bucket: &Bucket, prefix: &str) -> (usize, usize, usize) {
    let listed = bucket.versions().prefix(prefix).send().await.unwrap();
    let uploads = bucket.uploads().prefix(prefix).send().await.unwrap();
    let (versions, markers) = (listed.versions().len(), listed.delete_markers().len());
    (versions, markers, uploads.uploads().len())
}

#[tokio::test]
async fn what_is_due_goes_at_the_start_and_nothing_else() {
    let (emulator, folder) = start().await;
    for prefix in ["old", "new"] {
        fill(&bucket_of(&emulator), prefix).await;
    }
    emulator.shutdown().await;
    age(folder.path(), "old", 25);

    let markers_stay = Lifecycle {
        noncurrent_days: Some(1),
        ..Lifecycle::default()
    };
    let markers_go = Lifecycle {
        expired_markers: true,
        upload_days: Some(1),
        ..markers_stay
    };
    for (rules, old) in [
        (Lifecycle::default(), (3, 1, 1)),
        (markers_stay, (1, 1, 1)),
        (markers_go, (1, 0, 0)),
    ] {
        let mut config = Config::new(folder.path());
        let bucket = BucketConfig::versioned(BUCKET).with_lifecycle(rules);
        config.buckets.push(bucket);
        let emulator = Emulator::start(config).await.unwrap();
        let bucket = bucket_of(&emulator);
        assert_eq!(counts(&bucket, "old").await, old, "{rules:?}");
        assert_eq!(counts(&bucket, "new").await, (3, 1, 1), "{rules:?}");
        let listed = bucket.list().send().await.unwrap();
        assert_eq!(keys_of(&listed), ["new/replaced", "old/replaced"]);
        assert_eq!(bucket.read("old/replaced").await.as_deref(), Ok("2"));
        emulator.shutdown().await;
    }
    let files = files_in(folder.path());
    let data = files.iter().filter(|file| file.ends_with(".data"));
    // Two current versions, the two replaced new ones, and the part of the new upload.
    assert_eq!(data.count(), 5);
}
