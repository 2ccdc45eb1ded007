//! `caas s3`, as a program, on S3 and KMS in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::{KmsKey, ObjectKey, PutOptions};
use caas_testing::{FILE_KEY, Stack, USER_KEY, VAULT, bytes};
use caas_vault::Vault;

const MIB: usize = 1 << 20;

struct Program {
    stack: Stack,
    vault: Vault,
}

impl Program {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let key = KmsKey::new(stack.clients.kms.clone(), FILE_KEY);
        let vault = Vault::new(stack.clients.s3.clone(), VAULT, key);
        Self { stack, vault }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.stack.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Whether the folder has nothing but the emulator's files and these.
    #[track_caller]
    fn has_only(&self, expected: &[&str]) {
        let entries = fs::read_dir(self.stack.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "aws").collect();
        names.sort();
        assert_eq!(names, expected);
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let run = tokio::task::spawn_blocking(move || command.output());
        run.await.unwrap().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let emulator = &self.stack.emulator;
        let mut command = Command::new(env!("CARGO_BIN_EXE_caas"));
        command
            .arg("s3")
            .args(arguments)
            .current_dir(self.stack.folder.path())
            .env("AWS_ENDPOINT_URL_S3", emulator.s3_url())
            .env("AWS_ENDPOINT_URL_KMS", emulator.kms_url())
            .env("AWS_ACCESS_KEY_ID", emulator.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", emulator.secret_access_key())
            .env("AWS_REGION", emulator.region())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program, which must succeed, and returns what it printed.
    async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Changes a byte of a stored object.
    async fn tamper(&self, key: &str) {
        let (metadata, mut body) = self.stack.get_raw(VAULT, key).await;
        let middle = body.len() / 2;
        body[middle] ^= 1;
        self.put_raw(key, metadata, body).await;
    }

    async fn put_raw(&self, key: &str, metadata: HashMap<String, String>, body: Vec<u8>) {
        let request = self.stack.clients.s3.put_object().bucket(VAULT).key(key);
        let request = request.set_metadata(Some(metadata));
        request.body(ByteStream::from(body)).send().await.unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn refused(output: &Output, exit: i32, reason: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    assert!(stderr.contains(reason), "{stderr}");
}

const CONTEXT: [&str; 4] = ["--context", "department=sales", "--context", "year=2026"];

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_round_trips_under_the_callers_context() {
    let program = Program::start().await;
    for len in [0, 17, 8 * MIB, 8 * MIB + 1, 20 * MIB] {
        let (content, url) = (bytes(len), format!("s3://vault/reports/{len}"));
        program.write("a", &content);
        let put = ["put", "a", &url, "--kms-key", FILE_KEY];
        assert_eq!(program.ok(&with(&put, &CONTEXT)).await, format!("{url}\n"));
        let get = ["get", &url, "-o", "b", "--force"];
        assert_eq!(program.ok(&with(&get, &CONTEXT)).await, "b\n");
        assert!(program.read("b") == content, "{len}");
    }
    let (metadata, _) = program.stack.get_raw(VAULT, "reports/17").await;
    let stored: serde_json::Value = serde_json::from_str(&metadata["x-amz-t"]).unwrap();
    let expected = serde_json::json!({
        "aws:x-amz-cek-alg": "115",
        "department": "sales",
        "year": "2026",
    });
    assert_eq!(stored, expected);
    assert_eq!(program.stack.multipart_uploads(VAULT).await, 0);
    program.has_only(&["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_come_from_the_file_and_the_object() {
    let program = Program::start().await;
    program.write("a.txt", b"content");
    let put = ["put", "a.txt", "s3://vault/x/", "--kms-key", FILE_KEY];
    assert_eq!(program.ok(&put).await, "s3://vault/x/a.txt\n");
    refused(&program.run(&put).await, 1, "an object is there already");
    program.ok(&with(&put, &["--force"])).await;

    let get = ["get", "s3://vault/x/a.txt"];
    refused(&program.run(&get).await, 1, "a.txt: this file exists");
    fs::remove_file(program.path("a.txt")).unwrap();
    assert_eq!(program.ok(&get).await, "a.txt\n");
    assert_eq!(program.read("a.txt"), b"content");
    assert_eq!(program.ok(&with(&get, &["-o", "-"])).await, "content");

    for (arguments, exit, reason) in [
        (
            &["get", "s3://vault/none"][..],
            1,
            "there is no such object",
        ),
        (&["get", "s3://vault/x/"], 2, "names no file"),
        (&["get", "s3://vault/.."], 2, "names no file"),
        (&["get", "vault/x"], 2, "begin with s3://"),
        (&["get", "s3:///x"], 2, "name a bucket"),
        (&["get", "s3://vault/x", "--context", "a"], 2, "NAME=VALUE"),
        (&["get", "s3://vault/x", "--context", "aws:a=b"], 2, "aws:"),
        (
            &[
                "get",
                "s3://vault/x",
                "--context",
                "a=b",
                "--context",
                "a=b",
            ],
            2,
            "duplicate",
        ),
        (&["verify", "s3://vault/none"], 1, "there is no object"),
        (
            &["put", "none", "s3://vault/x", "--kms-key", "k"],
            1,
            "none: ",
        ),
        (
            &["put", "aws", "s3://vault/x", "--kms-key", "k"],
            1,
            "is a directory",
        ),
        (
            &["put", "a.txt", "s3://vault/y", "--kms-key", "alias/none"],
            4,
            "denies access",
        ),
    ] {
        refused(&program.run(arguments).await, exit, reason);
    }
    let objects = program.stack.visible(VAULT).await;
    assert_eq!(objects, ["x/a.txt"]);
    program.has_only(&["a.txt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_vault_open() {
    let program = Program::start().await;
    let key = ObjectKey::parse("acme/a.txt").unwrap();
    let options = PutOptions::default();
    let put = program.vault.put(&key, b"content".to_vec(), &options);
    let stored = put.await.unwrap();
    let context = stored.header.encryption_context();
    let (_, hash) = context
        .pairs()
        .find(|pair| pair.0 == "caas:object")
        .unwrap();
    let context = format!("caas:object={hash}");
    let get = ["get", "s3://vault/acme/a.txt", "-o", "-"];
    for more in [&[][..], &["--context", &context], &["--kms-key", FILE_KEY]] {
        assert_eq!(program.ok(&with(&get, more)).await, "content");
    }
    let another_key = program.run(&with(&get, &["--kms-key", USER_KEY])).await;
    refused(&another_key, 3, "does not open");

    // Under another key it is another object's, as for the vault.
    let (metadata, body) = program.stack.get_raw(VAULT, "acme/a.txt").await;
    program.put_raw("acme/b.txt", metadata, body).await;
    let moved = program
        .run(&["get", "s3://vault/acme/b.txt", "-o", "-"])
        .await;
    refused(&moved, 3, "another encryption context");
    assert!(moved.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_context_is_refused_before_the_body_is_read() {
    let program = Program::start().await;
    program.write("a", b"content");
    let url = "s3://vault/a";
    let put = ["put", "a", url, "--kms-key", FILE_KEY];
    program.ok(&with(&put, &CONTEXT)).await;
    for context in [
        &[][..],
        &CONTEXT[..2],
        &["--context", "department=sales", "--context", "year=2027"],
        &["--context", "Department=sales", "--context", "year=2026"],
        &with(&CONTEXT, &["--context", "more=x"]),
    ] {
        let get = with(&["get", url, "-o", "b"], context);
        let (output, calls) = program.stack.calls_of(program.run(&get)).await;
        refused(&output, 3, "another encryption context");
        assert_eq!((calls.of("s3:GetObject"), calls.kms()), (0, 0));
    }
    program.has_only(&["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_of_an_object_that_is_not_authentic() {
    let program = Program::start().await;
    program.write("a", &bytes(3 * MIB));
    let put = ["put", "a", "s3://vault/a", "--kms-key", FILE_KEY];
    program.ok(&put).await;
    let (metadata, body) = program.stack.get_raw(VAULT, "a").await;
    let flipped = |at: usize| {
        let mut body = body.clone();
        body[at] ^= 1;
        body
    };
    let last = body.len() - 1;
    let without = |name: &str| {
        let mut metadata = metadata.clone();
        metadata.remove(name);
        metadata
    };
    for (metadata, body, reason) in [
        (metadata.clone(), flipped(0), "does not open"),
        (metadata.clone(), flipped(last / 2), "does not open"),
        (metadata.clone(), flipped(last), "does not open"),
        (metadata.clone(), body[..last].to_vec(), "does not open"),
        (metadata.clone(), Vec::new(), "does not open"),
        (without("x-amz-d"), body.clone(), "x-amz-d is missing"),
        (HashMap::new(), body.clone(), "x-amz-c is missing"),
    ] {
        program.put_raw("b", metadata, body).await;
        let get = program.run(&["get", "s3://vault/b"]).await;
        refused(&get, 3, reason);
        let get = program.run(&["get", "s3://vault/b", "-o", "-"]).await;
        refused(&get, 3, reason);
        assert!(get.stdout.is_empty());
        program.has_only(&["a"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_verified() {
    let program = Program::start().await;
    program.write("a", &bytes(100_000));
    let put = async |key: &str, context: &[&str]| {
        let url = format!("s3://vault/p/{key}");
        let put = ["put", "a", &url, "--kms-key", FILE_KEY];
        program.ok(&with(&put, context)).await;
    };
    for key in ["good 1", "good+2", "gööd 3"] {
        put(key, &CONTEXT).await;
    }
    let verify = with(&["verify", "s3://vault/p/"], &CONTEXT);
    let all_good = "3 authentic (300000 bytes), 0 not authentic, 0 in another format or not \
                    encrypted, 0 unreadable\n";
    assert_eq!(program.ok(&verify).await, all_good);

    let older = HashMap::from([("x-amz-key-v2".to_owned(), "AA==".to_owned())]);
    program.put_raw("p/older", older, b"x".to_vec()).await;
    program.stack.put_raw(VAULT, "p/plain", b"x").await;
    put("bad", &CONTEXT).await;
    program.tamper("p/bad").await;
    put("other context", &[]).await;
    put("stripped", &CONTEXT).await;
    let (mut metadata, body) = program.stack.get_raw(VAULT, "p/stripped").await;
    metadata.remove("x-amz-c");
    program.put_raw("p/stripped", metadata, body).await;
    // Beside the prefix.
    program.stack.put_raw(VAULT, "q", b"x").await;

    let before = program.stack.versions(VAULT).await;
    let output = program.run(&verify).await;
    refused(&output, 3, "objects that are not authentic: 3");
    let expected = "p/bad: does not open\n\
                    p/other context: has another encryption context\n\
                    p/stripped: x-amz-c is missing\n\
                    3 authentic (300000 bytes), 3 not authentic, 2 in another format or not \
                    encrypted, 0 unreadable\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(program.stack.versions(VAULT).await, before);
    program.has_only(&["a"]);

    let output = program.run(&with(&verify, &["--json"])).await;
    let lines = text(&output.stdout);
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines[0],
        serde_json::json!({"key": "p/bad", "problem": "does not open"})
    );
    assert_eq!(lines[3]["not_authentic"], 3);
}

/// Ctrl-C leaves neither an object nor an upload.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_put_is_aborted() {
    use std::io::Write;

    let program = Program::start().await;
    let mut command =
        program.command(&["put", "/dev/stdin", "s3://vault/a", "--kms-key", FILE_KEY]);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let fed = tokio::task::spawn_blocking(move || {
        stdin.write_all(&bytes(40 * MIB)).unwrap();
        stdin
    });
    // Three parts are sent at a time: an upload is under way.
    let stdin = fed.await.unwrap();
    assert_eq!(program.stack.multipart_uploads(VAULT).await, 1);
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = ended.await.unwrap().unwrap();
    drop(stdin);
    refused(&output, 130, "interrupted");
    assert_eq!(program.stack.multipart_uploads(VAULT).await, 0);
    assert!(program.stack.visible(VAULT).await.is_empty());
}
