//! What the emulator logs when the disk fails.

use caas_emulator::{BucketConfig, Config, Emulator};
use caas_testing::{Log, clients};

#[tokio::test]
async fn a_failure_of_the_disk_is_logged_with_its_cause_and_no_key() {
    let log = Log::capture();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.buckets.push(BucketConfig::unversioned("bucket"));
    let emulator = Emulator::start(config).await.unwrap();
    let s3 = clients::s3_of(&emulator);
    let put = s3.put_object().bucket("bucket").key("the-key");
    put.body(vec![7; 700_000].into()).send().await.unwrap();
    let get = || s3.get_object().bucket("bucket").key("the-key").send();

    let shards = folder.path().join("s3/bucket/objects");
    let shard = std::fs::read_dir(shards).unwrap().next().unwrap().unwrap();
    let files = std::fs::read_dir(shard.path()).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let data = files
        .find(|file| file.extension().unwrap() == "data")
        .unwrap();
    let mut bytes = std::fs::read(&data).unwrap();
    bytes[699_999] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    get().await.unwrap().body.collect().await.unwrap_err();
    std::fs::remove_file(data).unwrap();
    assert_eq!(clients::refused(get().await).0, 500);
    emulator.shutdown().await;

    let begun = log.line("reading an object failed");
    assert!(
        begun.contains("does not have its recorded checksum"),
        "{begun}"
    );
    let refused = log.line("S3 operation failed");
    assert!(refused.contains("No such file or directory"), "{refused}");
    assert!(!log.text().contains("the-key"));
}
