//! What leaves the machine: every byte of every part.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use caas_testing::FaultProxy;

/// An upload has one key, and its id in S3 names it.
type PartOfUpload = (String, u16);

/// The parts that passed a proxy.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    /// The bytes at each place of a part, as they left first.
    first: BTreeMap<PartOfUpload, Vec<u8>>,
    /// How far each request is.
    requests: BTreeMap<u64, usize>,
    /// Parts of which other bytes left later.
    differing: BTreeSet<PartOfUpload>,
    bytes: u64,
}

impl Wire {
    /// Watches this proxy from now on, and calls `passed` with the count of bytes.
    pub(crate) fn watch(proxy: &FaultProxy, passed: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let wire = Self::default();
        let seen = wire.clone();
        proxy.set_tap(move |request, path, bytes| {
            if let Some(part) = part_of_upload(path) {
                passed(seen.0.lock().unwrap().add(request, part, bytes));
            }
        });
        wire
    }

    /// How many bytes of parts have left.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().unwrap().bytes
    }

    /// Checks that under each key every place had the same byte whenever it left, and returns how many
    /// keys there were.
    #[track_caller]
    pub(crate) fn keys(&self) -> usize {
        let passed = self.0.lock().unwrap();
        assert_eq!(passed.differing, BTreeSet::new(), "two ciphertexts");
        let uploads = passed.first.keys().map(|(upload, _)| upload);
        uploads.collect::<BTreeSet<_>>().len()
    }
}

impl Passed {
    fn add(&mut self, request: u64, part: PartOfUpload, bytes: &[u8]) -> u64 {
        let place = self.requests.entry(request).or_default();
        let first = self.first.entry(part.clone()).or_default();
        let known = &first[(*place).min(first.len())..];
        let known = &known[..known.len().min(bytes.len())];
        if *known != bytes[..known.len()] {
            self.differing.insert(part);
        }
        first.extend_from_slice(&bytes[known.len()..]);
        *place += bytes.len();
        self.bytes += bytes.len() as u64;
        self.bytes
    }
}

fn part_of_upload(path: &str) -> Option<PartOfUpload> {
    let (_, query) = path.split_once('?')?;
    let value = |name| query.split('&').find_map(|pair| pair.strip_prefix(name));
    let part = value("partNumber=")?.parse().ok()?;
    Some((value("uploadId=")?.to_owned(), part))
}
