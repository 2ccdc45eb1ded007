//! Which requests a proxy sees.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use caas_aws::{Clients, ClientsConfig};
use caas_settings::Settings;

/// A server that keeps the first line of each request and refuses it.
#[derive(Clone)]
struct Recorder {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorder = Self {
            address: listener.local_addr().unwrap(),
            lines: Arc::default(),
        };
        let lines = Arc::clone(&recorder.lines);
        thread::spawn(move || {
            while let Ok((mut connection, _)) = listener.accept() {
                let mut reader = BufReader::new(connection.try_clone().unwrap()).lines();
                let first = reader.next().unwrap().unwrap();
                reader.find(|line| line.as_ref().unwrap().is_empty());
                lines.lock().unwrap().push(first);
                let refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
                connection.write_all(refused).unwrap();
            }
        });
        recorder
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// One request to S3 and one to KMS.
async fn send(clients: &Clients) {
    let read = clients.s3.get_object().bucket("bucket").key("key");
    read.send().await.unwrap_err();
    let list = clients.kms.list_keys();
    list.send().await.unwrap_err();
}

fn settings(own: &[(&str, String)]) -> Settings {
    let credentials = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "id"));
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<_> = credentials
        .into_iter()
        .chain([("AWS_REGION", "eu-west-1")])
        .chain(own)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Settings::new(move |asked| {
        let found = all.iter().rev().find(|(name, _)| name == asked);
        found.map(|(_, value)| value.clone())
    })
}

const PROXIES: [&str; 6] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

#[tokio::test]
async fn the_configured_endpoints_have_no_proxy() {
    let (proxy, endpoint) = (Recorder::start(), Recorder::start());
    let mut variables: Vec<_> = PROXIES.map(|name| (name, proxy.url())).into();
    variables.push(("AWS_ENDPOINT_URL", endpoint.url()));
    let config = ClientsConfig::read(&settings(&variables)).unwrap();
    send(&config.connect().await).await;
    assert_eq!(proxy.seen(), [""; 0]);
    assert_eq!(endpoint.seen().len(), 2);
}

#[tokio::test]
async fn a_proxy_carries_tls_to_aws_and_nothing_else() {
    let s3 = "CONNECT bucket.s3.eu-west-1.amazonaws.com:443 HTTP/1.1";
    let kms = "CONNECT kms.eu-west-1.amazonaws.com:443 HTTP/1.1";
    for name in &PROXIES[2..] {
        let (proxy, endpoint) = (Recorder::start(), Recorder::start());
        let read = |more: &[(&str, String)]| {
            let variables = [&[(*name, proxy.url())], more].concat();
            ClientsConfig::read(&settings(&variables)).unwrap()
        };
        send(&read(&[]).connect().await).await;
        let mut seen = proxy.seen();
        seen.dedup();
        assert_eq!(seen, [s3, kms], "{name}");

        let kms_only = [("AWS_ENDPOINT_URL_S3", endpoint.url())];
        send(&read(&kms_only).connect().await).await;
        assert_eq!(endpoint.seen().len(), 1);
        let seen = proxy.seen();
        let of_s3 = seen.iter().filter(|line| *line == s3).count();
        assert!(
            of_s3 < seen.iter().filter(|line| *line == kms).count(),
            "{seen:?}"
        );
    }
}

/// Set in the environment of the process that [`the_environment_is_not_read`] starts.
const ENDPOINT: &str = "CAAS_TEST_ENDPOINT";

#[tokio::test]
async fn the_environment_is_not_read() {
    if let Ok(endpoint) = env::var(ENDPOINT) {
        let config = ClientsConfig {
            s3_endpoint: Some(endpoint.clone()),
            kms_endpoint: Some(endpoint),
            region: Some("eu-west-1".to_owned()),
            credentials: Some(("id".to_owned(), "secret".to_owned())),
            ..ClientsConfig::default()
        };
        return send(&config.connect().await).await;
    }
    let (elsewhere, endpoint) = (Recorder::start(), Recorder::start());
    let this_test = ["--exact", "the_environment_is_not_read"];
    let output = Command::new(env::current_exe().unwrap())
        .args(this_test)
        .envs(PROXIES.map(|name| (name, elsewhere.url())))
        .env("AWS_ENDPOINT_URL", elsewhere.url())
        .env("AWS_USE_FIPS_ENDPOINT", "true")
        .env("AWS_USE_DUALSTACK_ENDPOINT", "true")
        .env("AWS_PROFILE", "absent")
        .env(ENDPOINT, endpoint.url())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    assert_eq!(elsewhere.seen(), [""; 0]);
    assert_eq!(endpoint.seen().len(), 2);
}
