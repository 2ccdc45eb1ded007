//! Damaged files and files of others in the data folder.

use std::{error::Error, fs, path::Path, time::Duration};

use aws_sdk_s3::{
    presigning::PresigningConfig,
    types::{CompletedMultipartUpload, CompletedPart},
};
use caas_emulator::{Config, Emulator};

use crate::{BUCKET, bucket_of, lifecycle::files_in, requests::Bucket, start, start_in};

const WHOLE: &str = "bytes=0-";

/// An error with its causes.
fn told(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

fn flip_a_byte(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Whether a client that checks nothing gets a whole body.
async fn is_served(bucket: &Bucket, key: &str, range: &str) -> bool {
    let presigning = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let request = bucket.get(key).presigned(presigning).await.unwrap();
    let request = reqwest::Client::new().get(request.uri());
    let response = request.header("range", range).send().await.unwrap();
    response.status().is_success() && response.bytes().await.is_ok()
}

#[tokio::test]
async fn a_damaged_file_is_named_without_its_content() {
    let (emulator, folder) = start().await;
    let secret = emulator.secret_access_key().to_owned();
    bucket_of(&emulator).write("the-key", "v").await;
    emulator.shutdown().await;
    let files = files_in(folder.path()).into_iter();
    let json = files.filter(|file| file.ends_with(".json"));
    for file in json {
        let content = fs::read(&file).unwrap();
        // A value of the wrong type, which an error of the parser would repeat.
        fs::write(&file, format!("[\"{secret} the-key\"]")).unwrap();
        let error = Emulator::start(Config::new(folder.path())).await;
        let error = told(&error.unwrap_err());
        assert!(error.contains(&file), "{file}: {error}");
        assert!(!error.contains(&secret) && !error.contains("the-key"));
        fs::write(file, content).unwrap();
    }
    start_in(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn a_flipped_byte_is_not_served() {
    let (emulator, folder) = start().await;
    let bucket = bucket_of(&emulator);
    for (key, size) in [("small", 9), ("large", 700_000)] {
        bucket.write(key, vec![7; size]).await;
    }
    let parts = crate::clients::upload_part(&bucket.s3, BUCKET, "parts", vec![7; 9]);
    parts.await.unwrap().send().await.unwrap();
    let files = files_in(folder.path()).into_iter();
    let data: Vec<_> = files.filter(|file| file.ends_with(".data")).collect();
    assert_eq!(data.len(), 3);
    for key in ["small", "large", "parts"] {
        assert!(is_served(&bucket, key, WHOLE).await);
    }
    data.iter().for_each(|file| flip_a_byte(file.as_ref()));
    for key in ["small", "large", "parts"] {
        assert!(!is_served(&bucket, key, WHOLE).await, "{key}");
        // There is no checksum of a range.
        assert!(is_served(&bucket, key, "bytes=0-3").await, "{key}");
    }
    let copy = bucket.copy("copy").copy_source(format!("{BUCKET}/large"));
    copy.send().await.unwrap_err();
    emulator.shutdown().await;
}

#[tokio::test]
async fn files_of_others_stay_and_do_not_matter() {
    let (emulator, folder) = start().await;
    let bucket = bucket_of(&emulator);
    bucket.write("k", "v").await;
    let id = bucket.begin("u").send().await.unwrap().upload_id.unwrap();
    let part = bucket.part("u").upload_id(&id).part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    emulator.shutdown().await;

    let s3 = folder.path().join("s3");
    let objects = s3.join(BUCKET).join("objects");
    let shard = fs::read_dir(&objects).unwrap().next().unwrap().unwrap();
    let uploads = s3.join(BUCKET).join("uploads");
    let foreign = [
        s3.join(".DS_Store"),
        s3.join(".backup/notes.txt"),
        s3.join("lost+found/notes.txt"),
        s3.join("holidays/photo.data"),
        objects.join(".DS_Store"),
        objects.join("lost+found/notes.json"),
        shard.path().join("notes.json"),
        shard.path().join("photo.data"),
        shard.path().join("notes.tmp"),
        uploads.join(".DS_Store"),
        uploads.join("lost+found/upload.json"),
        uploads.join(&id).join("notes.json"),
    ];
    for file in &foreign {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "not ours").unwrap();
    }
    let ours = s3.join(".0123456789abcdef.tmp");
    fs::create_dir(&ours).unwrap();

    let emulator = start_in(folder.path()).await;
    for file in &foreign {
        assert!(file.exists(), "{}", file.display());
    }
    assert!(!ours.exists());
    let bucket = bucket_of(&emulator);
    assert_eq!(bucket.read("k").await.as_deref(), Ok("v"));
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag.unwrap());
    let parts = CompletedMultipartUpload::builder()
        .parts(part.build())
        .build();
    let complete = bucket.complete("u").upload_id(id).multipart_upload(parts);
    complete.send().await.unwrap();
    emulator.shutdown().await;
}
