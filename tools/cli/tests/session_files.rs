//! `caas encrypt` and `caas decrypt`, as programs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use caas_aws::ClientsConfig;
use caas_crypto::{ContentKey, session};
use caas_testing::{bytes, form, post_form, send, settings, with};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

const FILE: &str = r#"Content-Disposition: form-data; name="file"; filename="a""#;

/// A folder in which the program runs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(name: &str, content: &[u8]) -> Self {
        let folder = Self::new();
        folder.write(name, content);
        folder
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caas"));
        command.args(arguments).current_dir(&self.0);
        command.env_remove("CAAS_FILE_KEY").stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program, which must succeed, and returns what it printed.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Encrypts a file in it, and returns the key.
    #[track_caller]
    fn encrypt(&self, name: &str) -> String {
        let printed = self.ok(&["encrypt", name]);
        let key = printed.strip_suffix('\n').unwrap();
        assert_eq!(key.len(), 43);
        key.to_owned()
    }

    fn decrypt(&self, name: &str, key: &str, more: &[&str]) -> Output {
        let mut command = self.command(&["decrypt", name]);
        let command = command.args(more).env("CAAS_FILE_KEY", key);
        command.output().unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    /// The names of everything in it.
    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn refused(output: &Output, exit: i32, reason: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    assert!(stderr.contains(reason), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;

    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn every_size_round_trips_and_is_a_session_file() {
    for len in [0, 1, 15, 16, 17, MIB - 12, MIB, MIB + 1, 65 * MIB] {
        let content = bytes(len);
        let folder = Folder::with("a", &content);
        let key = folder.encrypt("a");
        let sealed = folder.read("a.caas");
        assert_eq!(sealed.len(), len + session::OVERHEAD);
        let opened = session::open(&key.parse().unwrap(), sealed).unwrap();
        assert!(opened == content, "{len}");

        folder.remove("a");
        let decrypted = folder.decrypt("a.caas", &key, &[]);
        assert!(decrypted.status.success(), "{}", text(&decrypted.stderr));
        assert_eq!(text(&decrypted.stdout), "a\n");
        assert!(folder.read("a") == content, "{len}");
        assert_eq!(folder.names(), ["a", "a.caas"]);
        #[cfg(unix)]
        for name in ["a", "a.caas"] {
            assert_eq!(mode(&folder.0.path().join(name)), 0o600);
        }
    }
}

#[test]
fn files_sealed_in_one_piece_open() {
    for len in [0, 1, MIB, 3 * MIB + 5] {
        let (key, sealed) = session::seal(bytes(len)).unwrap();
        let folder = Folder::with("a.enc", &sealed);
        let decrypted = folder.decrypt("a.enc", &key.to_base64url(), &[]);
        assert!(decrypted.status.success(), "{}", text(&decrypted.stderr));
        assert!(folder.read("a") == bytes(len), "{len}");
    }
}

#[tokio::test]
async fn the_service_reads_and_writes_the_same_files() {
    let settings = settings([
        ("MAX_BODY_BYTES", "10000000"),
        ("PUBLIC_ENCRYPT_FILE", "true"),
    ]);
    let config = encrypt_file::Config::read(&settings).unwrap();
    let service = encrypt_file::Service::connect(config, ClientsConfig::default()).await;
    let router = encrypt_file::router(Arc::new(service));
    for len in [0, 17, 2 * MIB + 3] {
        let content = bytes(len);
        let folder = Folder::with("a", &content);
        let key = folder.encrypt("a");
        let request = post_form("/decrypt_file", form(&[(FILE, &folder.read("a.caas"))]));
        let opened = send(&router, with(request, "encryption-key", &key)).await;
        assert_eq!(opened.status, 200);
        assert!(opened.body == content, "{len}");

        let request = post_form("/encrypt_file", form(&[(FILE, &content)]));
        let sealed = send(&router, request).await;
        folder.write("b.enc", &sealed.body);
        let key = sealed.header("encryption-key");
        let decrypted = folder.decrypt("b.enc", key, &[]);
        assert!(decrypted.status.success(), "{}", text(&decrypted.stderr));
        assert!(folder.read("b") == content, "{len}");
    }
}

#[test]
fn nothing_is_written_of_a_file_that_is_not_authentic() {
    let folder = Folder::with("a", &bytes(3 * MIB));
    let key = folder.encrypt("a");
    let sealed = folder.read("a.caas");
    folder.remove("a");
    let flipped = |at: usize| {
        let mut sealed = sealed.clone();
        sealed[at] ^= 1;
        sealed
    };
    let last = sealed.len() - 1;
    let other = ContentKey::generate().unwrap().to_base64url();
    for (what, sealed, key) in [
        ("nonce", flipped(0), &key),
        ("head", flipped(12), &key),
        ("middle", flipped(last / 2), &key),
        ("end", flipped(last - 16), &key),
        ("tag", flipped(last), &key),
        ("truncated", sealed[..last].to_vec(), &key),
        ("cut to a buffer", sealed[..12 + MIB].to_vec(), &key),
        ("cut to a tag", sealed[..28].to_vec(), &key),
        ("cut to a nonce", sealed[..12].to_vec(), &key),
        ("cut within the nonce", sealed[..11].to_vec(), &key),
        ("empty", Vec::new(), &key),
        ("extended", [sealed.as_slice(), b"x"].concat(), &key),
        ("another key", sealed.clone(), &other),
    ] {
        folder.write("a.caas", &sealed);
        let decrypted = folder.decrypt("a.caas", key, &[]);
        refused(
            &decrypted,
            3,
            "a.caas: the file does not open with this key",
        );
        assert_eq!(folder.names(), ["a.caas"], "{what}");
        let decrypted = folder.decrypt("a.caas", key, &["-o", "-"]);
        refused(&decrypted, 3, "nothing was written");
        // What is there stays.
        folder.write("a", b"older");
        refused(&folder.decrypt("a.caas", key, &["--force"]), 3, "a.caas");
        assert_eq!(folder.read("a"), b"older", "{what}");
        folder.remove("a");
    }
}

#[test]
fn the_key_goes_to_a_new_file_that_only_its_owner_reads() {
    let folder = Folder::with("a", b"content");
    let printed = folder.ok(&["encrypt", "a", "--key-file", "a.key"]);
    assert_eq!(printed, "a.caas\n");
    assert_eq!(folder.read("a.key").len(), 44);
    #[cfg(unix)]
    assert_eq!(mode(&folder.0.path().join("a.key")), 0o600);

    let decrypt = ["decrypt", "a.caas", "-o", "b", "--key-file", "a.key"];
    assert_eq!(folder.ok(&decrypt), "b\n");
    assert_eq!(folder.read("b"), b"content");
    // The file precedes the environment, with and without a newline.
    folder.write("other.key", folder.read("a.key").trim_ascii());
    let decrypt = ["--key-file", "other.key", "-o", "c"];
    let decrypted = folder.decrypt("a.caas", "not a key", &decrypt);
    assert!(decrypted.status.success(), "{}", text(&decrypted.stderr));

    // No key is overwritten, not even by force.
    let key = folder.read("a.key");
    for more in [&[][..], &["--force"]] {
        let encrypt = ["encrypt", "a", "-o", "d", "--key-file", "a.key"];
        let output = folder.run(&[&encrypt[..], more].concat());
        refused(&output, 1, "a.key: this file exists");
    }
    assert_eq!(folder.read("a.key"), key);
    assert_eq!(
        folder.names(),
        ["a", "a.caas", "a.key", "b", "c", "other.key"]
    );
}

#[test]
fn a_key_that_cannot_be_delivered_leaves_no_file() {
    let folder = Folder::with("a", b"content");
    let encrypt = ["encrypt", "a", "--force"];
    for (more, exit, reason) in [
        (&["--key-file", "-"][..], 2, "needs the name of a file"),
        (&["--key-file", "none/a.key"], 1, "none"),
        (&["--key-file", "a"], 1, "a: this file exists"),
        (&["--key-file", "./a.caas"], 2, "is the encrypted file"),
        (&["-o", "-"], 2, "the key would be lost"),
    ] {
        let output = folder.run(&[&encrypt[..], more].concat());
        refused(&output, exit, reason);
        assert_eq!(folder.names(), ["a"], "{more:?}");
    }
    let mut discarded = folder.command(&encrypt);
    let output = discarded.stdout(Stdio::null()).stderr(Stdio::piped());
    let output = output.spawn().unwrap().wait_with_output().unwrap();
    refused(
        &output,
        2,
        "the key would be lost: standard output is discarded",
    );
    assert_eq!(folder.names(), ["a"]);

    #[cfg(target_os = "linux")]
    {
        let mut full = folder.command(&encrypt);
        full.stdout(File::create("/dev/full").unwrap());
        let output = full.stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        refused(&output, 1, "the key cannot be printed");
        assert_eq!(folder.names(), ["a"]);
    }
}

#[test]
fn the_key_of_a_pipe_whose_reader_is_gone_is_an_error() {
    let folder = Folder::new();
    let mut command = folder.command(&["encrypt", "-", "-o", "b"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    refused(&output, 1, "the key cannot be printed");
    assert!(folder.names().is_empty());
}

#[test]
fn what_is_no_key_is_a_wrong_command_line() {
    let folder = Folder::with("a", b"content");
    let key = folder.encrypt("a");
    folder.remove("a");
    let hint = "a key has 43 characters";
    for wrong in ["x", &key[1..], &format!("{key}="), &format!("{key}{key}")] {
        let decrypted = folder.decrypt("a.caas", wrong, &[]);
        refused(&decrypted, 2, hint);
        assert!(!text(&decrypted.stderr).contains(wrong));
        folder.write("wrong", wrong.as_bytes());
        let decrypted = folder.run(&["decrypt", "a.caas", "--key-file", "wrong"]);
        refused(&decrypted, 2, hint);
        folder.remove("wrong");
    }
    folder.write("wrong", &[0xFF; 5000]);
    let decrypted = folder.run(&["decrypt", "a.caas", "--key-file", "wrong"]);
    refused(&decrypted, 2, hint);
    let decrypted = folder.run(&["decrypt", "a.caas"]);
    refused(
        &decrypted,
        2,
        "name its file with --key-file, or set CAAS_FILE_KEY",
    );
    assert_eq!(folder.names(), ["a.caas", "wrong"]);
}

#[test]
fn files_are_replaced_by_force_alone() {
    let folder = Folder::with("a", b"content");
    let key = folder.encrypt("a");
    let sealed = folder.read("a.caas");
    refused(
        &folder.run(&["encrypt", "a"]),
        1,
        "a.caas: this file exists",
    );
    refused(
        &folder.decrypt("a.caas", &key, &[]),
        1,
        "a: this file exists",
    );
    assert_eq!(folder.read("a.caas"), sealed);
    folder.write("a", b"newer");
    let decrypted = folder.decrypt("a.caas", &key, &["--force"]);
    assert!(decrypted.status.success());
    assert_eq!(folder.read("a"), b"content");
    folder.ok(&["encrypt", "a", "--force"]);
    assert_ne!(folder.read("a.caas"), sealed);

    fs::create_dir(folder.0.path().join("b")).unwrap();
    for (arguments, exit, reason) in [
        (&["encrypt", "a", "-o", "b"][..], 1, "b: this is a folder"),
        (&["encrypt", "b"], 1, "b: is a directory"),
        (&["encrypt", "none"], 1, "none: "),
        (&["encrypt", "a", "-o", "none/a"], 1, "none: "),
        (
            &["encrypt", "a", "-o", "/dev/null"],
            1,
            "not a regular file",
        ),
        (&["decrypt", "a"], 2, "does not end in .caas or .enc"),
    ] {
        let more = ["--force"];
        refused(&folder.run(&[arguments, &more].concat()), exit, reason);
    }
    assert_eq!(folder.names(), ["a", "a.caas", "b"]);
}

#[test]
fn pipes_are_read_and_written() {
    let content = bytes(2 * MIB + 7);
    let folder = Folder::with("a", &content);
    let sealed = pipe(&folder, &["encrypt", "-", "--key-file", "k"], &content);
    assert_eq!(sealed.len(), content.len() + session::OVERHEAD);
    let opened = pipe(&folder, &["decrypt", "-", "--key-file", "k"], &sealed);
    assert!(opened == content);
    folder.write("a.caas", &sealed);
    let opened = folder.run(&["decrypt", "a.caas", "-o", "-", "--key-file", "k"]);
    assert!(opened.stdout == content);
    assert_eq!(folder.names(), ["a", "a.caas", "k"]);

    #[cfg(target_os = "linux")]
    for arguments in [["encrypt", "a", "new"], ["decrypt", "a.caas", "k"]] {
        let [command, file, key_file] = arguments;
        let mut full = folder.command(&[command, file, "-o", "-", "--key-file", key_file]);
        full.stdout(File::create("/dev/full").unwrap());
        let output = full.stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        refused(&output, 1, "standard output");
    }
    // Who goes away early has not got the file.
    for [command, file, key_file] in [["encrypt", "a", "newer"], ["decrypt", "a.caas", "k"]] {
        let mut command = folder.command(&[command, file, "-o", "-", "--key-file", key_file]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        refused(&child.wait_with_output().unwrap(), 1, "standard output");
    }
}

fn pipe(folder: &Folder, arguments: &[&str], content: &[u8]) -> Vec<u8> {
    let mut command = folder.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let content = content.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&content));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn results_are_objects_for_programs() {
    let folder = Folder::with("a", b"content");
    let printed = folder.ok(&["encrypt", "a", "--json", "-q"]);
    let result: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(result["file"], "a.caas");
    let key = result["key"].as_str().unwrap();
    let decrypted = folder.decrypt("a.caas", key, &["-o", "b", "--json"]);
    assert_eq!(text(&decrypted.stdout), "{\"file\":\"b\"}\n");
    let printed = folder.ok(&["encrypt", "a", "-o", "c", "--key-file", "k", "--json"]);
    assert_eq!(printed, "{\"file\":\"c\",\"key_file\":\"k\"}\n");
    let refused = folder.decrypt("c", key, &["-o", "d", "--json"]);
    let error: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["exit"], 3);
}

/// Feeds 256 MiB, and looks at the most memory that was in use before the end of the input.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_constant() {
    let folder = Folder::new();
    let key = ContentKey::generate().unwrap().to_base64url();
    for arguments in [
        &["encrypt", "-", "-o", "a.caas", "--key-file", "k"][..],
        &["decrypt", "-", "-o", "a"],
    ] {
        let mut command = folder.command(arguments);
        command.stdin(Stdio::piped()).env("CAAS_FILE_KEY", &*key);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let chunk = bytes(MIB);
        for _ in 0..256 {
            stdin.write_all(&chunk).unwrap();
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: usize = peak
            .unwrap()
            .trim()
            .strip_suffix(" kB")
            .unwrap()
            .parse()
            .unwrap();
        drop(stdin);
        let exit = child.wait().unwrap().code();
        assert!([Some(0), Some(3)].contains(&exit), "{exit:?}");
        assert!(peak < 40 << 10, "{peak} KiB");
    }
}

/// Ctrl-C leaves nothing behind.
#[cfg(unix)]
#[test]
fn an_interrupted_command_leaves_nothing() {
    let folder = Folder::with(
        "k",
        ContentKey::generate().unwrap().to_base64url().as_bytes(),
    );
    for arguments in [
        &["encrypt", "-", "-o", "a.caas"][..],
        &["decrypt", "-", "-o", "a", "--key-file", "k"],
    ] {
        let mut command = folder.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: the command has begun.
        stdin.write_all(&bytes(2 * MIB)).unwrap();
        let kill = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        refused(&output, 130, "interrupted");
        assert_eq!(folder.names(), ["k"]);
    }
}
