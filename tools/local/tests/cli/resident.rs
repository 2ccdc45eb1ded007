//! Memory goes back to the system after a burst.

use std::{fs, time::Duration};

use futures::future::join_all;
use reqwest::{
    Client, StatusCode,
    multipart::{Form, Part},
};
use tokio::time::interval;

use crate::process::Running;

const UPLOADS: usize = 12;
const LEN: usize = 20_000_000;

/// What may stay: a few buffers, far from what the burst takes.
const RESIDENT: u64 = 200 << 20;

/// How often the program is asked for something small before its memory must have gone back.
const REQUESTS: usize = 400;

#[tokio::test]
async fn a_burst_of_large_uploads_leaves_little_behind() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let client = Client::builder().no_proxy().build().unwrap();
    let upload = |round: usize| {
        let (client, url) = (client.clone(), running.url("/encrypt_file"));
        async move {
            let file = Part::bytes(vec![round as u8; LEN]).file_name("a.bin");
            let form = Form::new().part("file", file);
            let response = client.post(url).multipart(form).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            response.bytes().await.unwrap().len()
        }
    };
    for round in 0..2 {
        join_all((0..UPLOADS).map(|_| upload(round))).await;
    }
    let mut ticks = interval(Duration::from_millis(50));
    let mut resident = 0;
    for _ in 0..REQUESTS {
        ticks.tick().await;
        let health = client.get(running.url("/health")).send().await.unwrap();
        assert_eq!(health.status(), StatusCode::OK);
        resident = resident_bytes(running.child.id());
        if resident < RESIDENT {
            return;
        }
    }
    panic!("{} MiB stay resident", resident >> 20);
}

/// `VmRSS` of a process.
fn resident_bytes(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}
