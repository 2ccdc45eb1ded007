//! Start, stop and access.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use crate::process::{BINARY, Running};

fn fails(options: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(BINARY);
    program.args(options).env("RUST_BACKTRACE", "1");
    let output = program.current_dir(folder.path()).output();
    let output = output.unwrap();
    assert!(!output.status.success(), "{options:?}");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "{options:?} left something");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!message.contains("backtrace"), "{message}");
    message
}

fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_key_is_made_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("made/at/start");
    let key = |options: &[&str]| Running::start(&data_dir, options).env["CAAS_API_KEY"].clone();
    let first = key(&[]);
    assert!(first.starts_with("caas_") && first.len() == 54);
    assert_eq!(key(&[]), first);

    let given = "caas_tests-only-tests-only-tests-only-tests-only3YnVQC";
    assert_eq!(key(&["--api-key", given]), given);
    assert_eq!(key(&[]), first);
}

#[cfg(unix)]
#[test]
fn secrets_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let running = Running::start(&data_dir, &[]);
    for file in ["api-key", "env"] {
        let metadata = fs::metadata(data_dir.join(file)).unwrap();
        let mode = metadata.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(!running.greeting.contains(&running.env["CAAS_API_KEY"]));
}

#[test]
fn both_loopback_addresses_are_served_and_foreign_hosts_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let mut addresses = vec![running.address()];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addresses.push((Ipv6Addr::LOCALHOST, running.address().port()).into());
    }
    let refused = "421 Misdirected Request";
    for address in addresses {
        for (host, status) in [
            ("Host: localhost:5000\r\n", "200 OK"),
            ("Host: 127.0.0.1\r\n", "200 OK"),
            ("Host: [::1]:1\r\n", "200 OK"),
            ("Host: rebound.example\r\n", refused),
            ("Host: localhost\r\nHost: localhost\r\n", "400 Bad Request"),
            ("Host: local host\r\n", "400 Bad Request"),
            ("", "400 Bad Request"),
        ] {
            let request = format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
            let answer = exchange(address, &request);
            let expected = answer.starts_with(&format!("HTTP/1.1 {status}"));
            assert!(expected, "{host} at {address}: {answer}");
            assert!(answer.contains("x-request-id"), "{answer}");
        }
        let absolute = "GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\
                        Connection: close\r\n\r\n";
        assert!(exchange(address, absolute).starts_with("HTTP/1.1 421"));
    }
}

#[test]
fn another_host_is_served_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &["--host", "0.0.0.0"]);
    let address = running.address();
    for (host, status) in [("192.0.2.1", 200), ("rebound.example", 421)] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(address, &request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    // No label of a name has more than 63 characters.
    let unknown = fails(&["--host", &"a".repeat(64), "--port", "0"]);
    assert!(unknown.contains("--host"), "{unknown}");
}

#[test]
fn the_limits_of_lambda_can_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &["--lambda-limits"]);
    let address = running.address();
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let health = exchange(address, request);
    assert!(health.contains(r#""max_body_bytes":4500000"#), "{health}");
}

/// As `nc -N` does.
#[test]
fn a_client_that_half_closes_gets_its_response() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let address = running.address();
    let mut client = TcpStream::connect(address).unwrap();
    let key = &running.env["CAAS_API_KEY"];
    write!(
        client,
        "GET /api/files HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n\r\n"
    )
    .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response:?}");
}

/// The client waits for `100 Continue` before it sends 64 MiB: it gets the refusal, and sends nothing.
#[test]
fn a_body_announced_too_long_is_refused_before_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &["--max-body-bytes", "1000000"]);
    let address = running.address();
    let key = &running.env["CAAS_API_KEY"];
    for (path, content_type) in [
        ("/encrypt_file", "multipart/form-data; boundary=b"),
        ("/api/upload/", "multipart/form-data; boundary=b"),
        ("/encrypt", "application/json"),
    ] {
        // More than once: whether the server reads on is a race.
        for _ in 0..20 {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nx-api-key: {key}\r\n\
                 Content-Type: {content_type}\r\nContent-Length: 67108864\r\n\r\n"
            );
            let response = exchange(address, &request);
            assert!(response.starts_with("HTTP/1.1 413"), "{path}: {response}");
            assert!(!response.contains("100 Continue"), "{path}: {response}");
        }
    }
}

#[test]
fn what_cannot_start_says_what_to_do() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let busy = fails(&["--port", &port]);
    assert!(busy.contains(&port) && busy.contains("--port"), "{busy}");

    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let second = fails(&["--port", "0", "--data-dir", folder.path().to_str().unwrap()]);
    let explained = second.contains("another caas-local") && second.contains("--data-dir");
    assert!(explained, "{second}");
    drop(running);

    for (option, other) in [("--s3-port", "--kms-port"), ("--kms-port", "--s3-port")] {
        let data_dir = folder.path().join(option);
        let ports = ["--port", "0", other, "0", option, &port, "--data-dir"];
        let busy = fails(&[&ports[..], &[data_dir.to_str().unwrap()]].concat());
        assert!(busy.contains(&port) && busy.contains(option), "{busy}");
    }

    let file = tempfile::NamedTempFile::new().unwrap();
    let no_folder = fails(&["--port", "0", "--data-dir", file.path().to_str().unwrap()]);
    assert!(no_folder.contains("--data-dir"), "{no_folder}");

    for wrong in [
        "short",
        "caas_tests-only-tests-only-tests-only-tests-only3YnVQD",
    ] {
        assert!(fails(&["--api-key", wrong]).contains("keygen"), "{wrong}");
    }
    assert!(fails(&["--allowed-origins", "*"]).contains("origin"));
    assert!(fails(&["--cipher-pool", "rot13"]).contains("sha256"));
    assert!(fails(&["--salt-pool", "7"]).contains("64"));
}

#[cfg(unix)]
#[test]
fn a_stop_finishes_what_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &[]);
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n";
    let (half, rest) = body.split_at(30);
    let mut in_flight = TcpStream::connect(running.address()).unwrap();
    write!(
        in_flight,
        "POST /encrypt_file HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.len(),
    )
    .unwrap();
    let mut go_on = [0; 25];
    in_flight.read_exact(&mut go_on).unwrap(); // the handler is reading
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    in_flight.write_all(half.as_bytes()).unwrap();

    running.interrupt(); // the one request continues
    in_flight.write_all(rest.as_bytes()).unwrap();
    let mut answer = Vec::new();
    in_flight.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(running.child.wait().unwrap().success());
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).unwrap();
}

#[cfg(unix)]
#[test]
fn a_second_signal_does_not_wait_for_a_client_that_stalls() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &[]);
    let mut stalled = TcpStream::connect(running.address()).unwrap();
    let request = b"POST /encrypt_file HTTP/1.1\r\nHost: loc";
    stalled.write_all(request).unwrap();
    running.interrupt();
    running.interrupt();
    assert!(running.child.wait().unwrap().success());
}
