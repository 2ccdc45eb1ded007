//! After SIGKILL, acknowledged writes are there, and nothing half-written is visible.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use aws_sdk_kms::primitives::Blob;

use crate::{
    ALIAS, BUCKET, UNVERSIONED, clients,
    lifecycle::files_in,
    requests::{Bucket, keys_of},
    start_in,
};

const FOLDER: &str = "CAAS_TEST_DATA_DIR";
const WRITERS: usize = 8;

/// An emulator in its own process.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) s3: aws_sdk_s3::Client,
    kms: aws_sdk_kms::Client,
}

impl Process {
    /// Starts this test binary again, to run `child` below.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, [])
    }

    /// The same, with more variables.
    pub(crate) fn start_with<const N: usize>(folder: &Path, variables: [(&str, &Path); N]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::child", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let line = output
            .lines()
            .map(Result::unwrap)
            .find(|line| line.contains("READY"));
        let line = line.unwrap();
        let words: Vec<_> = line.split("READY ").nth(1).unwrap().split(' ').collect();
        let [s3, kms, id, secret] = words[..] else {
            panic!("{line}")
        };
        Self {
            child,
            s3: clients::s3(s3, id, secret),
            kms: clients::kms(kms, id, secret),
        }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "the process that the other tests kill"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let emulator = start_in(folder.as_ref()).await;
    let (s3, kms) = (emulator.s3_url(), emulator.kms_url());
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    println!("\nREADY {s3} {kms} {id} {secret}");
    // Ends with the parent.
    let wait = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    wait.await.unwrap().unwrap();
}

/// What the writers know: the last acknowledged number of each key.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, u64>,
    count: usize,
}

/// The content of a key after its n-th write: recognisable, and sometimes several batches long.
fn content(key: &str, number: u64) -> Vec<u8> {
    let line = format!("{key} {number}\n");
    let repeats = if number.is_multiple_of(5) {
        40_000
    } else {
        1 + number as usize
    };
    line.repeat(repeats).into_bytes()
}

async fn write(bucket: Bucket, writer: usize, known: Arc<Mutex<Known>>) {
    for number in 1.. {
        let key = format!("{writer}/{}", number % 4);
        let body = content(&key, number);
        let written = if number.is_multiple_of(3) {
            match clients::upload_part(&bucket.s3, &bucket.name, &key, body).await {
                Ok(complete) => complete.send().await.ok().map(drop),
                Err(_) => None,
            }
        } else {
            bucket.put(&key, body).send().await.ok().map(drop)
        };
        if written.is_none() {
            return;
        }
        let mut known = known.lock().unwrap();
        known.acknowledged.insert(key, number);
        known.count += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    for bucket in [BUCKET, UNVERSIONED] {
        for kill_after in [1, 17, 40, 90] {
            kill_once(bucket, kill_after).await;
        }
    }
}

async fn kill_once(name: &str, kill_after: usize) {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let request = process.kms.encrypt().key_id(ALIAS);
    let sealed = request.plaintext(Blob::new("x")).send().await.unwrap();
    let bucket = Bucket::new(process.s3.clone(), name);
    let known = Arc::new(Mutex::new(Known::default()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(bucket.clone(), writer, Arc::clone(&known))))
        .collect();
    while known.lock().unwrap().count < kill_after {
        tokio::task::yield_now().await;
    }
    process.kill();
    for writer in writers {
        writer.await.unwrap();
    }

    let emulator = start_in(folder.path()).await;
    let bucket = Bucket::new(clients::s3_of(&emulator), name);
    let known = known.lock().unwrap().acknowledged.clone();
    let listed = bucket.list().send().await.unwrap();
    let listed = keys_of(&listed);
    assert!(known.keys().all(|key| listed.contains(&key.as_str())));
    for key in listed {
        let body = bucket.read(key).await.unwrap();
        let text = body.lines().next().unwrap();
        let number: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(
            body.as_bytes() == content(key, number),
            "{key} is not whole"
        );
        // A write in progress may have arrived, but no older one than the last acknowledged.
        assert!(
            number >= known.get(key).copied().unwrap_or(0),
            "{key} went back to {number}"
        );
    }
    let opened = clients::kms_of(&emulator).decrypt();
    let request = opened.ciphertext_blob(sealed.ciphertext_blob.unwrap());
    let opened = request.send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref(), b"x");

    // Every file is named by a version or a part.
    let versions = bucket.versions().send().await.unwrap();
    assert_eq!(versions.is_truncated(), Some(false));
    let uploads = bucket.uploads().send().await.unwrap();
    let mut parts = 0;
    for upload in uploads.uploads() {
        let list = bucket.parts(upload.key().unwrap());
        let request = list.upload_id(upload.upload_id().unwrap());
        let listed = request.send().await.unwrap();
        parts += listed.parts().len();
    }
    let files = files_in(folder.path());
    assert!(files.iter().all(|file| !file.ends_with(".tmp")));
    let data = files.iter().filter(|file| file.ends_with(".data")).count();
    assert_eq!(data, versions.versions().len() + parts);
    emulator.shutdown().await;
}
