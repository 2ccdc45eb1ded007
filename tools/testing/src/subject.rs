//! A service in a process of its own, whose memory a test searches.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::Ipv4Addr,
    os::unix::fs::FileExt,
    process::{Child, Command, Stdio},
};

use axum::Router;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Set in the environment of a subject.
const INPUT: &str = "CAAS_TEST_SUBJECT";

/// Comes before the address that a subject prints.
const SERVES: &str = "the subject serves ";

/// Half of a key in bytes: AES keeps a key in round keys of this length.
const HALF: usize = 16;

/// Bytes searched at a time.
const CHUNK: usize = 1 << 20;

/// A process that runs one test of the same program again, as a service. It ends with this value.
#[derive(Debug)]
pub struct Subject {
    process: Child,
    /// Its base URL.
    pub url: String,
}

impl Subject {
    /// In a subject: serves what `router` makes of the input, until the test ends; true then. In the
    /// test itself: false.
    #[expect(clippy::print_stdout, reason = "how the test learns the address")]
    pub async fn served(router: impl AsyncFnOnce(String) -> Router) -> bool {
        let Ok(input) = env::var(INPUT) else {
            return false;
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TowerToHyperService::new(router(input).await);
        let stop = CancellationToken::new();
        tokio::spawn(caas_server::serve(listener, service, stop));
        println!("{SERVES}http://{address}");
        io::stdout().flush().unwrap();
        let until_the_end = || io::stdin().read_to_end(&mut Vec::new());
        tokio::task::spawn_blocking(until_the_end)
            .await
            .unwrap()
            .unwrap();
        true
    }

    /// Runs `test`, by its full name, again as a subject with this input.
    pub fn start(test: &str, input: &str) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(INPUT, input)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().split_once(SERVES)?.1.to_owned()));
        Self {
            process,
            url: url.expect("the subject ended early"),
        }
    }

    /// Checks that its memory has neither half of any of these keys.
    #[track_caller]
    pub fn lacks(&self, keys: &[&[u8]], when: &str) {
        let halves: Vec<_> = keys.iter().flat_map(|key| key.chunks(HALF)).collect();
        let copies = self.copies_of(&halves);
        assert!(copies.is_empty(), "copies of a key {when}: {copies:?}");
    }

    /// Where its memory has one of these halves: the addresses, with the names of the mappings.
    fn copies_of(&self, halves: &[&[u8]]) -> Vec<String> {
        let folder = format!("/proc/{}", self.process.id());
        let memory = File::open(format!("{folder}/mem")).unwrap();
        let maps = File::open(format!("{folder}/maps")).unwrap();
        let mut copies = Vec::new();
        for line in BufReader::new(maps).lines() {
            let line = line.unwrap();
            let mut fields = line.split_whitespace();
            let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
            if !access.starts_with("rw") {
                continue;
            }
            let name = fields.nth(3).unwrap_or("anonymous");
            let (start, end) = range.split_once('-').unwrap();
            let address = |text| u64::from_str_radix(text, 16).unwrap();
            for offset in found(&memory, address(start), address(end), halves) {
                copies.push(format!("{offset:x} {name}"));
            }
        }
        copies
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The addresses in `start..end` where the memory has one of the halves.
fn found(memory: &File, start: u64, end: u64, halves: &[&[u8]]) -> Vec<u64> {
    let mut begins = [false; 256];
    halves
        .iter()
        .for_each(|half| begins[usize::from(half[0])] = true);
    let mut found = Vec::new();
    let mut chunk = vec![0; CHUNK + HALF - 1];
    let mut at = start;
    while at < end {
        let len = chunk.len().min((end - at) as usize);
        // What cannot be read, the process cannot read either.
        if memory.read_exact_at(&mut chunk[..len], at).is_ok() {
            let here = chunk[..len].windows(HALF).enumerate();
            let here = here
                .filter(|(_, window)| begins[usize::from(window[0])] && halves.contains(window));
            found.extend(here.map(|(offset, _)| at + offset as u64));
        }
        at += CHUNK as u64;
    }
    found
}
