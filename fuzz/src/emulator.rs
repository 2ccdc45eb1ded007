//! The emulator, over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
};

use caas_emulator::{Config, Emulator};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, macros::format_description};

/// Its key.
pub const ALIAS: &str = "alias/fuzz";

/// KMS, and a connection to it.
pub struct Kms {
    address: SocketAddr,
    access_key_id: String,
    secret: String,
    connection: BufReader<TcpStream>,
}

/// Status and body.
pub type Response = (u16, Vec<u8>);

impl Kms {
    /// Starts an emulator in a thread of its own, with its data in a temporary folder.
    pub fn start() -> Self {
        let (started, start) = mpsc::channel();
        thread::spawn(move || {
            let folder = tempfile::tempdir().expect("a folder");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut config = Config::new(folder.path());
                config.key_aliases.push(ALIAS.to_owned());
                let emulator = Emulator::start(config).await.expect("it starts");
                let of = (emulator.access_key_id(), emulator.secret_access_key());
                let of = (of.0.to_owned(), of.1.to_owned());
                started
                    .send((emulator.kms_addr(), of))
                    .expect("the target waits");
                std::future::pending::<()>().await;
            });
        });
        let (address, (access_key_id, secret)) = start.recv().expect("it starts");
        Self {
            address,
            access_key_id,
            secret,
            connection: connect(address),
        }
    }

    /// The headers of a request, signed.
    pub fn sign(&self, operation: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let now = OffsetDateTime::now_utc().format(format).expect("a time");
        let (host, target) = (
            self.address.to_string(),
            format!("TrentService.{operation}"),
        );
        let names = "host;x-amz-date;x-amz-target";
        let body_hash = hex::encode(Sha256::digest(body));
        let canonical = format!(
            "POST\n/\n\nhost:{host}\nx-amz-date:{now}\nx-amz-target:{target}\n\n{names}\n{body_hash}"
        );
        let scope = format!("{}/us-east-1/kms/aws4_request", &now[..8]);
        let hash = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{hash}");
        let key = format!("AWS4{}", self.secret).into_bytes();
        let key = scope.split('/').fold(key, |key, step| hmac(&key, step));
        let signature = hex::encode(hmac(&key, &to_sign));
        let id = &self.access_key_id;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        vec![
            ("host", host),
            ("x-amz-date", now),
            ("x-amz-target", target),
            ("authorization", authorization),
        ]
    }

    /// Sends a request with these headers, which must be header values.
    pub fn send(&mut self, headers: &[(&str, String)], body: &[u8]) -> Response {
        let mut request = b"POST / HTTP/1.1\r\n".to_vec();
        for (name, value) in headers {
            request.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        request.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
        request.extend(body);
        self.exchange(&request).unwrap_or_else(|| {
            self.connection = connect(self.address);
            self.exchange(&request).expect("the emulator responds")
        })
    }

    fn exchange(&mut self, request: &[u8]) -> Option<Response> {
        self.connection.get_mut().write_all(request).ok()?;
        let (mut status, mut len) = (None, 0);
        loop {
            let mut line = String::new();
            self.connection.read_line(&mut line).ok()?;
            match line.trim_end().split_once([' ', ':']) {
                Some((name, value)) if name.starts_with("HTTP/") => {
                    status = value.split(' ').next()?.parse().ok();
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    len = value.trim().parse().ok()?;
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; len];
        self.connection.read_exact(&mut body).ok()?;
        Some((status?, body))
    }
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let connection = TcpStream::connect(address).expect("the emulator listens");
    connection.set_nodelay(true).expect("a socket");
    BufReader::new(connection)
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
