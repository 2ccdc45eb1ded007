//! No secret in arguments, results or messages, whatever the service does.

use std::{fs, net::TcpListener, sync::Arc};

use caas_testing::{Fault, FaultProxy};

use crate::service::{Program, run};

const USER: &str = "123e4567-e89b-12d3-a456-426614174000";

/// In every secret. Long, so that it appears nowhere by chance.
const CANARY: &str = "CANARY-7f3a9c";

/// A command that handles secrets, and what it reads from standard input.
struct Case {
    arguments: &'static [&'static str],
    input: &'static str,
}

/// Every command. `{secret}` is a file with a secret in it, `{folder}` the folder of a local service,
/// `{out}` and `{key}` paths for results.
const CASES: &[Case] = &[
    case(&["login", "{url}"], "CANARY-7f3a9c-key\n"),
    case(&["logout"], ""),
    case(&["whoami"], ""),
    case(&["put", "{secret}"], ""),
    case(&["put", "--mode", "inbox", "{secret}"], ""),
    case(&["put", "-"], "CANARY-7f3a9c\n"),
    case(&["get", "MDE5Li4u", "-o", "{out}"], ""),
    case(&["get", "report.txt"], ""),
    case(&["ls", "--long"], ""),
    case(&["info", "MDE5Li4u"], ""),
    case(&["rm", "--purge", "--yes", "MDE5Li4u"], ""),
    case(
        &["encrypt", "{secret}", "-o", "{out}", "--key-file", "{key}"],
        "",
    ),
    case(&["decrypt", "{secret}", "-o", "{out}", "--force"], ""),
    case(&["decrypt", "{secret}", "--key-file", "{secret}"], ""),
    case(&["s3", "get", "s3://b/k", "-o", "{out}", "--force"], ""),
    case(&["s3", "put", "{secret}", "s3://b/k", "--kms-key", "k"], ""),
    case(&["s3", "verify", "s3://b/"], ""),
    case(
        &["value", "encrypt", "--user", USER],
        "CANARY-7f3a9c\nCANARY-7f3a9c\n",
    ),
    case(
        &["value", "encrypt", "--user", USER, "--file", "{secret}"],
        "",
    ),
    case(
        &["value", "encrypt", "--user", USER, "--json"],
        "CANARY-7f3a9c",
    ),
    case(&["value", "digest", "--user", USER], "CANARY-7f3a9c\n"),
    case(
        &["value", "verify", "--user", USER, "caas:v2:AAAA"],
        "CANARY-7f3a9c\n",
    ),
    case(
        &["value", "verify", "--user", USER, "--encrypted", "{secret}"],
        "CANARY-7f3a9c\na\n",
    ),
    case(&["value", "decrypt", "--user", USER], "CANARY-7f3a9c\n"),
    case(
        &["value", "decrypt", "--user", USER, "--file", "{secret}"],
        "",
    ),
    case(&["user", "show", USER], ""),
    case(&["user", "rotate", USER], ""),
    case(&["user", "shred", USER, "--confirm", USER], ""),
    case(&["keys", "--data-dir", "{folder}", "new", "acme"], ""),
    case(&["keys", "--data-dir", "{folder}", "list"], ""),
    case(
        &["keys", "--data-dir", "{folder}", "show", "-"],
        "CANARY-7f3a9c\n",
    ),
    case(
        &["keys", "--data-dir", "{folder}", "expire", "-"],
        "CANARY-7f3a9c\n",
    ),
    case(
        &["keys", "--data-dir", "{folder}", "revoke", "-"],
        "CANARY-7f3a9c\n",
    ),
    case(&["keys", "--bucket", "b", "show", "-"], "CANARY-7f3a9c\n"),
    case(&["audit", "--data-dir", "{folder}"], ""),
    case(&["audit", "--bucket", "b", "--client", "acme"], ""),
    case(&["doctor"], ""),
    case(&["doctor", "--json", "{url}"], ""),
    case(&["completions", "bash"], ""),
    case(&["man"], ""),
];

const fn case(arguments: &'static [&'static str], input: &'static str) -> Case {
    Case { arguments, input }
}

/// What would set the color or the title of a terminal, or look like a line of the program.
const HOSTILE: &str = r"\u001b[31m\u001b]0;title\u0007\u009b5n\r\nFORGED line\u202e";

/// The services that commands meet: one that refuses, one that responds with something else, two that
/// want to control the terminal, and none.
async fn services() -> (Vec<FaultProxy>, Vec<String>) {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let problem =
        r#"{"type":"/problems/unauthorized","title":"Unknown","status":401,"detail":"No."}"#;
    let hostile_problem = format!(
        r#"{{"type":"/problems/conflict","title":"{HOSTILE}","status":409,"detail":"{HOSTILE}"}}"#
    );
    let hostile = format!(
        r#"{{"files":[{{"id":"{HOSTILE}","path":"{HOSTILE}/a","name":"{HOSTILE}","size":1,"created_at":"{HOSTILE}"}}],
        "versions":[{{"version":1,"created_at":"{HOSTILE}"}}],"encrypted_data":["{HOSTILE}","{HOSTILE}"],
        "subject":"{HOSTILE}","versions_removed":1,"time":"{HOSTILE}","request_id":"{HOSTILE}"}}"#
    );
    let mut proxies = Vec::new();
    for fault in [
        Fault::Respond(401, "application/problem+json", problem.to_owned()),
        Fault::Respond(200, "text/html", "<html>".to_owned()),
        Fault::Respond(409, "application/problem+json", hostile_problem),
        Fault::Respond(200, "application/json", hostile),
    ] {
        let proxy = FaultProxy::start(nobody).await.unwrap();
        proxy.set_rule(move |_| fault.clone());
        proxies.push(proxy);
    }
    let mut urls: Vec<_> = proxies.iter().map(FaultProxy::url).collect();
    urls.push(format!("http://{nobody}"));
    (proxies, urls)
}

#[tokio::test]
async fn no_secret_appears() {
    let (_proxies, urls) = services().await;
    for url in urls {
        let program = Program::new(&url, &format!("{CANARY}-key"));
        let secret = program.file("secret", &format!("{CANARY}\n{CANARY}\n"));
        let (out, key) = (program.home().join("out"), program.home().join("key"));
        let folder = program.home().join("local");
        fs::create_dir(&folder).unwrap();
        let env = format!(
            "export AWS_ENDPOINT_URL_S3='{url}'\nexport AWS_ACCESS_KEY_ID='id'\n\
             export AWS_SECRET_ACCESS_KEY='{CANARY}'\nexport AWS_REGION='us-east-1'\n\
             export CLIENTS_BUCKET='clients'\n"
        );
        fs::write(folder.join("env"), env).unwrap();
        for Case { arguments, input } in CASES {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|argument| match *argument {
                    "{url}" => url.as_str(),
                    "{secret}" => secret.to_str().unwrap(),
                    "{out}" => out.to_str().unwrap(),
                    "{key}" => key.to_str().unwrap(),
                    "{folder}" => folder.to_str().unwrap(),
                    argument => argument,
                })
                .collect();
            let mut command = program.command(&arguments);
            command
                .env("AWS_ENDPOINT_URL_S3", &url)
                .env("AWS_ENDPOINT_URL_KMS", &url)
                .env("CAAS_FILE_KEY", CANARY)
                .env("AWS_ACCESS_KEY_ID", "id")
                .env("AWS_SECRET_ACCESS_KEY", CANARY)
                .env("AWS_REGION", "us-east-1");
            let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
            let arguments_seen = Arc::clone(&seen);
            let ended = run(command, input, move |child| {
                if cfg!(target_os = "linux") {
                    let path = format!("/proc/{}/cmdline", child.id());
                    *arguments_seen.lock().unwrap() = fs::read(path).unwrap_or_default();
                }
            });
            let ended = ended.await;
            assert_ne!(
                ended.code, None,
                "{arguments:?} was killed: {}",
                ended.stderr
            );
            let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
            for (place, text) in [
                ("arguments", &seen),
                ("results", &ended.stdout),
                ("messages", &ended.stderr),
            ] {
                let about = format!("{place} of {arguments:?} at {url}: {text:?}");
                assert!(!text.contains(CANARY), "{about}");
                // Shells read completions, `man` a page.
                let is_for_programs = matches!(arguments[0], "completions" | "man");
                let controls = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
                if place != "arguments" && !is_for_programs {
                    assert!(!text.contains(controls), "{about}");
                    assert!(
                        !text.lines().any(|line| line.starts_with("FORGED")),
                        "{about}"
                    );
                }
            }
            assert!(
                !ended.stderr.contains("panicked"),
                "{arguments:?}: {}",
                ended.stderr
            );
        }
    }
}

/// Every command of the program is in the table, or handles no secret.
#[tokio::test]
async fn every_command_is_tried() {
    let page = Program::new("http://localhost", "key")
        .run(&["markdown"], "")
        .await
        .succeeded();
    for line in page.lines() {
        let Some(path) = line
            .strip_prefix("## `caas ")
            .and_then(|path| path.strip_suffix('`'))
        else {
            continue;
        };
        let words: Vec<_> = path.split(' ').collect();
        let is_tried = CASES.iter().any(|case| {
            let mut arguments = case.arguments.iter();
            words
                .iter()
                .all(|word| arguments.any(|argument| argument == word))
        });
        assert!(is_tried, "`caas {path}` is in no case");
    }
}
