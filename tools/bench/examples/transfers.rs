//! Large files through a running service, by `caas-client` and by `curl`, in one run:
//!
//! ```text
//! source .caas/env
//! cargo run --release -p caas-bench --example transfers [-- MIB [RUNS]]
//! ```
//!
//! Uploads MIB (256, and above 64) in both modes, downloads by grant over one connection and over four,
//! and compares every byte; memory must stay below 64 MiB. `curl` moves the same bytes over the same
//! number of connections. If `PYTHON` names an interpreter with `amazon-s3-encryption-client-python`, that
//! client opens the uploads, too.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    env,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use caas_bench::{Error, median, memory, reset_peak, run_to_end};
use caas_client::{Client, Mode, Upload};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A transfer's memory limit in KiB.
const MAX_PEAK: u64 = 64 << 10;

/// The length of the parts of an upload in bytes, and how many `caas-client` sends at a time.
const PART: u64 = 8 << 20;
const CONNECTIONS: u64 = 4;

/// The most parts in one request.
const ASKED: u64 = 100;

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
    // What `curl` sends: it cannot send a part of a file.
    let parts = folder.path().join("parts");
    fs::create_dir(&parts)?;
    let split = ["-b", &PART.to_string(), "-a", "5", "-d"];
    let mut command = Command::new("split");
    run_to_end(command.args(split).arg(&source).arg(parts.join("part")))?;

    let (mut uploads, mut downloads) = (Times::default(), Times::default());
    let mut parallel = Times::default();
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
                let upload = Upload::new(&source, Mode::Client).resume_in(folder.path());
                kept.push(service.upload(upload, &mut uploads).await?);
            } else {
                let id = service.curl_up(&parts, mib << 20).await?;
                uploads.curl.push(begun.elapsed());
                service.purge(&id).await?;
            }
        }
        for connections in [1, CONNECTIONS] {
            let times = match connections {
                1 => &mut downloads,
                _ => &mut parallel,
            };
            for ours in [run % 2 == 0, run % 2 != 0] {
                if ours {
                    service
                        .download(&kept[0], &copy, connections, times)
                        .await?;
                    same(&source, &copy)?;
                    fs::remove_file(&copy)?;
                    continue;
                }
                let begun = Instant::now();
                let copies = service
                    .curl_down(&kept[0], folder.path(), connections)
                    .await?;
                times.curl.push(begun.elapsed());
                run_to_end(Command::new("sync").args(&copies))?;
                times.curl_synced.push(begun.elapsed());
                copies.iter().try_for_each(fs::remove_file)?;
            }
        }
    }
    println!("upload in client mode: {}", uploads.report(mib));
    println!("download by grant:     {}", downloads.report(mib));
    println!("the same, resumable:   {}", parallel.report(mib));
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

    async fn upload(&self, upload: Upload, times: &mut Times) -> Result<String, Error> {
        times.reset()?;
        let begun = Instant::now();
        let uploaded = self.client.upload(&upload, |_| {}).await?;
        times.measured(begun)?;
        Ok(uploaded.id)
    }

    async fn download(
        &self,
        id: &str,
        copy: &Path,
        connections: u64,
        times: &mut Times,
    ) -> Result<(), Error> {
        times.reset()?;
        let begun = Instant::now();
        match connections {
            1 => self.client.download(id, copy, |_| {}).await?,
            _ => self.client.resume_download(id, copy, |_| {}).await?,
        };
        times.measured(begun)
    }

    /// Uploads in inbox mode and downloads the sealed file.
    async fn through_inbox(&self, source: &Path, folder: &Path, mib: u64) -> Result<String, Error> {
        let (mut up, mut down) = (Times::default(), Times::default());
        let id = self
            .upload(Upload::new(source, Mode::Inbox), &mut up)
            .await?;
        let begun = Instant::now();
        self.sealed(&id).await?;
        let sealed = begun.elapsed().as_secs_f64();
        let copy = folder.join("copy");
        self.download(&id, &copy, 1, &mut down).await?;
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
    async fn curl_up(&self, parts: &Path, size: u64) -> Result<String, Error> {
        let body =
            json!({"name": "source", "size": size - 16, "mode": "client", "part_size": PART});
        let upload = self.post("/api/uploads", &body).await?;
        let (token, count) = (text(&upload, "upload")?, size.div_ceil(PART));
        let mut curl = Command::new("curl");
        curl.args(["-fsSZ", "--parallel-max", &CONNECTIONS.to_string()]);
        curl.args(["-w", "%{urlnum} %header{etag}\n"]);
        for from in (1..=count).step_by(ASKED as usize) {
            let body = json!({"upload": token, "from": from, "count": ASKED.min(count + 1 - from)});
            let asked = self.post("/api/uploads/parts", &body).await?;
            for part in asked["parts"].as_array().ok_or("no parts")? {
                let number = part["number"].as_u64().ok_or("no number")? - 1;
                curl.arg("-T").arg(parts.join(format!("part{number:05}")));
                curl.args(["-o", "/dev/null", text(part, "url")?]);
            }
        }
        let output = curl.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err("curl failed".into());
        }
        let mut sent = Vec::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let (number, etag) = line.split_once(' ').ok_or("no etag")?;
            sent.push((number.parse::<u64>()? + 1, etag.to_owned()));
        }
        sent.sort();
        let sent = sent.into_iter();
        let sent: Vec<_> = sent
            .map(|(number, etag)| json!({"number": number, "etag": etag}))
            .collect();
        let body = json!({"upload": token, "parts": sent});
        self.post("/api/uploads/complete", &body).await?;
        Ok(text(&upload, "id")?.to_owned())
    }

    /// Fetches the stored object, an equal part of it over each connection.
    async fn curl_down(
        &self,
        id: &str,
        folder: &Path,
        connections: u64,
    ) -> Result<Vec<PathBuf>, Error> {
        let grant = self.grant(id).await?;
        let size = grant["size"].as_u64().ok_or("no size")? + 16;
        let mut curl = Command::new("curl");
        let mut copies = Vec::new();
        for number in 0..connections {
            let (start, end) = (
                size * number / connections,
                size * (number + 1) / connections,
            );
            let copy = folder.join(format!("copy{number}"));
            if number > 0 {
                curl.arg("--next");
            }
            curl.args([
                "-fsSZ",
                "--no-progress-meter",
                "-r",
                &format!("{start}-{}", end - 1),
            ]);
            curl.arg("-o").arg(&copy).arg(text(&grant, "url")?);
            copies.push(copy);
        }
        run_to_end(&mut curl)?;
        Ok(copies)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let request = self.request(Method::POST, path).json(body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("x-api-key", &self.api_key)
    }

    async fn begin(&self, size: u64, mode: &str) -> Result<Value, Error> {
        let body = json!({"name": "source", "size": size, "mode": mode});
        self.post("/api/uploads", &body).await
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
        let small = self
            .upload(Upload::new(&path, Mode::Client), &mut times)
            .await?;
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
    before: u64,
    /// By how much a transfer raised the resident memory, in KiB. The allocator keeps what earlier
    /// transfers have freed, and that is not this one's.
    peak: u64,
}

impl Times {
    fn reset(&mut self) -> Result<(), Error> {
        reset_peak()?;
        self.before = memory("VmRSS")?;
        Ok(())
    }

    fn measured(&mut self, begun: Instant) -> Result<(), Error> {
        self.ours.push(begun.elapsed());
        let raised = memory("VmHWM")?.saturating_sub(self.before);
        self.peak = self.peak.max(raised);
        if self.peak > MAX_PEAK {
            return Err(format!("{} KiB of memory", self.peak).into());
        }
        Ok(())
    }

    fn ours(&mut self, mib: u64) -> String {
        let time = median(&mut self.ours);
        format!(
            "{time:.2} s ({:.0} MiB/s), {:.1} MiB of memory",
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
