//! While the disk fails, nothing that was acknowledged is lost, and nothing appears without its bytes.
#![cfg(target_os = "linux")]

use std::{fs, path::Path, process::Command};

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tempfile::TempDir;

use crate::{
    UNVERSIONED, clients,
    durability::Process,
    requests::{Bucket, assert_refused, keys_of},
    start_in,
};

/// An emulator in its own process, on a disk that can fail.
struct Failing {
    folder: TempDir,
    process: Process,
    bucket: Bucket,
}

impl Failing {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("disk_errors.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/disk_errors.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library);
        assert!(compiler.arg(source).arg("-ldl").status().unwrap().success());
        let variables = [
            ("LD_PRELOAD", library.as_path()),
            ("CAAS_TEST_FAULTS", folder.path()),
        ];
        let process = Process::start_with(&folder.path().join("data"), variables);
        let bucket = Bucket::new(process.s3.clone(), UNVERSIONED);
        Self {
            folder,
            process,
            bucket,
        }
    }

    /// From now on this call fails for paths that contain `part`.
    fn fail(&self, call: &str, part: &str) {
        fs::write(self.folder.path().join(call), part).unwrap();
    }

    fn repair(&self, call: &str) {
        fs::remove_file(self.folder.path().join(call)).unwrap();
    }

    /// Kills the process and opens its folder again, on a disk in order.
    async fn restart(self) -> (caas_emulator::Emulator, Bucket, TempDir) {
        self.process.kill();
        let emulator = start_in(&self.folder.path().join("data")).await;
        let bucket = Bucket::new(clients::s3_of(&emulator), UNVERSIONED);
        (emulator, bucket, self.folder)
    }
}

#[tokio::test]
async fn an_overwrite_in_vain_keeps_the_old_object() {
    let failing = Failing::start();
    failing.bucket.write("k", "old").await;
    failing.fail("fsync", "/objects/");
    let put = failing.bucket.put("k", "new").send().await;
    assert_refused(put, 500, "InternalError");
    assert_eq!(failing.bucket.read("k").await.as_deref(), Ok("old"));
    let (emulator, bucket, _folder) = failing.restart().await;
    // The refused one may have arrived, but something whole is there.
    let read = bucket.read("k").await;
    assert!(matches!(read.as_deref(), Ok("old" | "new")), "{read:?}");
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_part_resent_in_vain_has_the_bytes_of_its_entity_tag() {
    let failing = Failing::start();
    let created = failing.bucket.begin("k").send().await.unwrap();
    let id = created.upload_id.unwrap();
    let send = |body: &str| {
        let part = failing.bucket.part("k").upload_id(&id).part_number(1);
        part.body(body.as_bytes().to_vec().into()).send()
    };
    let first = send("first").await.unwrap().e_tag.unwrap();
    failing.fail("fsync", "/uploads/");
    assert_refused(send("second").await, 500, "InternalError");
    let (emulator, bucket, _folder) = failing.restart().await;
    let listed = bucket.parts("k").upload_id(&id).send().await.unwrap();
    let etag = listed.parts()[0].e_tag().unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = bucket.complete("k").upload_id(&id);
    complete.multipart_upload(parts).send().await.unwrap();
    let expected = if etag == first { "first" } else { "second" };
    assert_eq!(bucket.read("k").await.as_deref(), Ok(expected));
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_record_that_could_not_be_removed_does_not_come_back() {
    let failing = Failing::start();
    failing.bucket.write("k", "old").await;
    failing.fail("unlink", ".json");
    failing.bucket.put("k", "new").send().await.ok();
    failing.repair("unlink");
    failing.bucket.delete("k").send().await.unwrap();
    let (emulator, bucket, _folder) = failing.restart().await;
    let listed = bucket.list().send().await.unwrap();
    assert_eq!(keys_of(&listed), <[&str; 0]>::default());
    emulator.shutdown().await;
}
