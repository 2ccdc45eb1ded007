//! Large files through a running service, by `caas-client` and by `curl`, in one run:
//!
//! ```text
//! source .caas/env
//! cargo run --release -p caas-bench --example transfers [-- MIB [RUNS]]
//! ```
//!
//! Uploads MIB (256) in both modes, downloads by grant, and compares every byte; memory must stay
//! below 64 MiB. If `PYTHON` names an interpreter with `amazon-s3-encryption-client-python`, that
//! client opens the uploads, too.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    env,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use caas_bench::{Error, median, memory, reset_peak, run_to_end};
use caas_client::{Client, Mode, Upload};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A transfer's memory limit in KiB.
const MAX_PEAK: u64 = 64 << 10;

/// How long sealing a file dropped in the inbox may take.
const SEALED_WITHIN: Duration = Duration::from_secs(300);

/// Measured requests of each kind.
const CALLS: usize = 51;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (mib, runs) = (number(256)?, number(1)?);
    let service = Service::new()?;
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("source");
    make(&source, mib << 20)?;

    let mut uploads = Times::default();
    let mut downloads = Times::default();
    let mut kept: Vec<String> = Vec::new();
    for run in 0..runs {
        for id in kept.drain(..) {
            service.purge(&id).await?;
        }
        let copy = folder.path().join("copy");
        // Alternately, so that neither always goes first.
        for ours in [run % 2 == 0, run % 2 != 0] {
            let begun = Instant::now();
            if ours {
                kept.push(service.upload(&source, Mode::Client, &mut uploads).await?);
            } else {
                let id = service.curl_up(&source, mib << 20).await?;
                uploads.curl.push(begun.elapsed());
                service.purge(&id).await?;
            }
        }
        for ours in [run % 2 == 0, run % 2 != 0] {
            let begun = Instant::now();
            if ours {
                service.download(&kept[0], &copy, &mut downloads).await?;
                same(&source, &copy)?;
            } else {
                service.curl_down(&kept[0], &copy).await?;
                downloads.curl.push(begun.elapsed());
                run_to_end(Command::new("sync").arg(&copy))?;
                downloads.curl_synced.push(begun.elapsed());
            }
            fs::remove_file(&copy)?;
        }
    }
    println!("upload in client mode: {}", uploads.report(mib));
    println!("download by grant:     {}", downloads.report(mib));
    let id = service.through_inbox(&source, folder.path(), mib).await?;
    kept.push(id);
    service.time_of_calls(&kept[0]).await?;
    if let Ok(python) = env::var("PYTHON") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/s3ec_get.py");
        run_to_end(Command::new(python).arg(script).arg(&source).args(&kept))?;
    }
    for id in kept {
        service.purge(&id).await?;
    }
    Ok(())
}

struct Service {
    client: Client,
    http: reqwest::Client,
    url: String,
    api_key: String,
}

impl Service {
    fn new() -> Result<Self, Error> {
        let (url, api_key) = (env::var("CAAS_URL")?, env::var("CAAS_API_KEY")?);
        Ok(Self {
            client: Client::new(&url, &api_key)?,
            http: reqwest::Client::builder().no_proxy().build()?,
            url,
            api_key,
        })
    }

    async fn upload(&self, source: &Path, mode: Mode, times: &mut Times) -> Result<String, Error> {
        reset_peak()?;
        let begun = Instant::now();
        let upload = Upload::new(source, mode);
        let uploaded = self.client.upload(&upload, |_| {}).await?;
        times.measured(begun)?;
        Ok(uploaded.id)
    }

    async fn download(&self, id: &str, copy: &Path, times: &mut Times) -> Result<(), Error> {
        reset_peak()?;
        let begun = Instant::now();
        self.client.download(id, copy, |_| {}).await?;
        times.measured(begun)
    }

    /// Uploads in inbox mode and downloads the sealed file.
    async fn through_inbox(&self, source: &Path, folder: &Path, mib: u64) -> Result<String, Error> {
        let (mut up, mut down) = (Times::default(), Times::default());
        let id = self.upload(source, Mode::Inbox, &mut up).await?;
        let begun = Instant::now();
        self.sealed(&id).await?;
        let sealed = begun.elapsed().as_secs_f64();
        let copy = folder.join("copy");
        self.download(&id, &copy, &mut down).await?;
        same(source, &copy)?;
        fs::remove_file(&copy)?;
        println!(
            "upload in inbox mode:  {}; sealed {sealed:.1} s later",
            up.ours(mib)
        );
        println!("download of that:      {}", down.ours(mib));
        Ok(id)
    }

    /// Uploads the same number of bytes in place of ciphertext and tag. They do not open.
    async fn curl_up(&self, source: &Path, size: u64) -> Result<String, Error> {
        let upload = self.begin(size - 16, "client").await?;
        let mut curl = Command::new("curl");
        curl.args(["-fsS", "-o", "-", "-T"]).arg(source);
        for (name, value) in upload["headers"].as_object().ok_or("no headers")? {
            let value = value.as_str().unwrap_or_default();
            curl.args(["-H", &format!("{name}: {value}")]);
        }
        run_to_end(curl.arg(text(&upload, "url")?))?;
        Ok(text(&upload, "id")?.to_owned())
    }

    async fn curl_down(&self, id: &str, copy: &Path) -> Result<(), Error> {
        let grant = self.grant(id).await?;
        let mut curl = Command::new("curl");
        curl.args(["-fsS", text(&grant, "url")?, "-o"]);
        run_to_end(curl.arg(copy))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("x-api-key", &self.api_key)
    }

    async fn begin(&self, size: u64, mode: &str) -> Result<Value, Error> {
        let body = json!({"name": "source", "size": size, "mode": mode});
        let request = self.request(Method::POST, "/api/uploads").json(&body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    async fn grant(&self, id: &str) -> Result<Value, Error> {
        let request = self.request(Method::POST, &format!("/api/files/{id}/grant"));
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Waits until the dropped file is readable.
    async fn sealed(&self, id: &str) -> Result<(), Error> {
        let deadline = Instant::now() + SEALED_WITHIN;
        while Instant::now() < deadline {
            let request = self.request(Method::HEAD, &format!("/api/files/{id}"));
            if request.send().await?.status().is_success() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the file dropped in the inbox was not sealed".into())
    }

    async fn purge(&self, id: &str) -> Result<(), Error> {
        let request = self.request(Method::DELETE, &format!("/api/files/{id}?purge=true"));
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Measures the service's own requests, for a small file and a large one.
    async fn time_of_calls(&self, large: &str) -> Result<(), Error> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("small");
        make(&path, 1 << 10)?;
        let mut times = Times::default();
        let small = self.upload(&path, Mode::Client, &mut times).await?;
        for (what, size, file, id) in [
            ("1 KiB", 1 << 10, "the small file", &*small),
            ("1 GiB", 1 << 30, "the large file", large),
        ] {
            let (mut begin, mut grant) = (Vec::new(), Vec::new());
            for _ in 0..CALLS {
                let begun = Instant::now();
                self.begin(size, "client").await?;
                begin.push(begun.elapsed());
                let begun = Instant::now();
                self.grant(id).await?;
                grant.push(begun.elapsed());
            }
            let (begin, grant) = (median(&mut begin) * 1e3, median(&mut grant) * 1e3);
            println!(
                "the service's own time: {begin:.1} ms to begin an upload of {what}, {grant:.1} ms \
                 for a grant of {file}"
            );
        }
        self.purge(&small).await
    }
}

fn text<'a>(response: &'a Value, name: &str) -> Result<&'a str, Error> {
    let text = response[name].as_str();
    text.ok_or_else(|| format!("no {name}").into())
}

#[derive(Default)]
struct Times {
    ours: Vec<Duration>,
    curl: Vec<Duration>,
    /// With a sync to disk, as `caas-client` does before it renames the file.
    curl_synced: Vec<Duration>,
    /// KiB.
    peak: u64,
}

impl Times {
    fn measured(&mut self, begun: Instant) -> Result<(), Error> {
        self.ours.push(begun.elapsed());
        self.peak = self.peak.max(memory("VmHWM")?);
        if self.peak > MAX_PEAK {
            return Err(format!("{} KiB of memory", self.peak).into());
        }
        Ok(())
    }

    fn ours(&mut self, mib: u64) -> String {
        let time = median(&mut self.ours);
        format!(
            "{time:.2} s ({:.0} MiB/s), peak {:.1} MiB resident",
            mib as f64 / time,
            self.peak as f64 / 1024.0
        )
    }

    fn report(&mut self, mib: u64) -> String {
        let ours = self.ours(mib);
        let curl = median(&mut self.curl);
        let ratio = curl / median(&mut self.ours);
        let mut report = format!("{ours}; curl {curl:.2} s: {ratio:.2} of its speed");
        if !self.curl_synced.is_empty() {
            let synced = median(&mut self.curl_synced);
            let ratio = synced / median(&mut self.ours);
            report += &format!(", {ratio:.2} when its file is on the disk, too, in {synced:.2} s");
        }
        report
    }
}

/// Creates a file of this many bytes without repetition.
fn make(path: &Path, len: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for i in 0..len / 8 {
        file.write_all(&i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())?;
    }
    file.flush()
}

/// Compares every byte.
fn same(one: &Path, other: &Path) -> Result<(), Error> {
    run_to_end(Command::new("cmp").arg(one).arg(other))
}
