//! The records of the trail: from the bytes that were delivered to lines, and what is missing.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    io::Read,
};

use caas_audit::Line;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// How often a delivery may be compressed: by CloudWatch Logs, and again by Firehose.
const MAX_LAYERS: usize = 2;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How many gaps or repeated numbers of a process are listed.
const LISTED: usize = 5;

/// Which lines to show.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The subject, or the beginning of it.
    pub(super) subject: Option<String>,
    pub(super) client: Option<String>,
    /// The earliest time, as the beginning of a line's. What a process lacks before its first wanted
    /// line is no fault.
    pub(super) since: Option<String>,
}

/// What has been read so far.
pub(super) struct Records {
    filter: Filter,
    /// The wanted lines.
    lines: Vec<Line>,
    processes: BTreeMap<String, Process>,
    hasher: RandomState,
    faults: Vec<String>,
}

/// What has been read of a process.
#[derive(Default)]
struct Process {
    /// Number and hash of every line.
    lines: BTreeSet<(u64, u64)>,
    /// The lowest number from the earliest time on.
    first: Option<u64>,
}

/// What there is, and what is missing.
pub(super) struct Found {
    /// The wanted lines, in the order of time.
    pub(super) lines: Vec<Line>,
    /// How many lines there are, shown or not.
    pub(super) read: usize,
    pub(super) processes: usize,
    pub(super) faults: Vec<String>,
}

/// What a delivery consists of: messages of a subscription of CloudWatch Logs, or lines.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Delivery(Delivery),
    Line(Box<Line>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    message_type: String,
    log_events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    message: String,
}

impl Records {
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            filter,
            lines: Vec::new(),
            processes: BTreeMap::new(),
            hasher: RandomState::new(),
            faults: Vec::new(),
        }
    }

    /// Adds a delivered object: JSON documents one after the other, compressed or not. Deliveries may
    /// repeat lines.
    pub(super) fn add_delivery(&mut self, name: &str, content: Vec<u8>) {
        let Ok(text) = decompressed(content) else {
            self.faults.push(format!("{name} cannot be decompressed"));
            return;
        };
        let documents = serde_json::Deserializer::from_slice(&text).into_iter::<Document>();
        for document in documents {
            match document {
                Ok(Document::Line(line)) => self.add(*line),
                Ok(Document::Delivery(delivery)) => {
                    // The others say that the subscription works.
                    let is_data = delivery.message_type == "DATA_MESSAGE";
                    for event in delivery.log_events.iter().filter(|_| is_data) {
                        self.add_line(name, &event.message);
                    }
                }
                Err(_) => {
                    self.faults
                        .push(format!("{name} cannot be read to its end"));
                    return;
                }
            }
        }
    }

    /// Notes that somebody deleted a delivery, which an older version still has.
    pub(super) fn add_deleted(&mut self, name: &str) {
        self.faults
            .push(format!("{name} was deleted: a delete marker hides it"));
    }

    /// Adds a file of lines.
    pub(super) fn add_lines(&mut self, name: &str, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            self.add_line(name, line);
        }
    }

    fn add_line(&mut self, name: &str, text: &str) {
        match serde_json::from_str(text) {
            Ok(line) => self.add(line),
            Err(_) => self
                .faults
                .push(format!("{name} has a line that is no record")),
        }
    }

    fn add(&mut self, line: Line) {
        let Filter {
            subject,
            client,
            since,
        } = &self.filter;
        let process = self.processes.entry(line.process.clone()).or_default();
        let is_new = process
            .lines
            .insert((line.seq, self.hasher.hash_one(&line)));
        if !is_new || since.as_ref().is_some_and(|since| line.time < *since) {
            return;
        }
        process.first = Some(process.first.map_or(line.seq, |first| first.min(line.seq)));
        let begins = |wanted: &String| {
            let subject = line.subject.as_deref();
            subject.is_some_and(|subject| subject.starts_with(wanted.as_str()))
        };
        let is_client = |wanted: &String| line.client.as_ref() == Some(wanted);
        if subject.as_ref().is_none_or(begins) && client.as_ref().is_none_or(is_client) {
            self.lines.push(line);
        }
    }

    /// What there is.
    pub(super) fn end(self) -> Found {
        let mut faults = self.faults;
        let has_start = self.filter.since.is_none();
        for (name, process) in &self.processes {
            let numbers: Vec<_> = process.lines.iter().map(|(number, _)| *number).collect();
            let first = if has_start { Some(1) } else { process.first };
            let gaps = first.map_or_else(Vec::new, |first| gaps(&numbers, first));
            let missing: u64 = gaps.iter().map(|(first, last)| last - first + 1).sum();
            if missing > 0 {
                let records = if missing == 1 { "record" } else { "records" };
                faults.push(format!(
                    "process {name} lacks {missing} {records}: {}",
                    list(&gaps)
                ));
            }
            let pairs = numbers.iter().copied().zip(numbers.iter().copied().skip(1));
            let mut repeated: Vec<_> = pairs.filter(|(a, b)| a == b).collect();
            repeated.dedup();
            if !repeated.is_empty() {
                faults.push(format!(
                    "process {name} has different records with the same number: {}",
                    list(&repeated)
                ));
            }
        }
        let mut lines = self.lines;
        lines.sort_by(|a, b| (&a.time, &a.process, a.seq).cmp(&(&b.time, &b.process, b.seq)));
        Found {
            lines,
            read: self
                .processes
                .values()
                .map(|process| process.lines.len())
                .sum(),
            processes: self.processes.len(),
            faults,
        }
    }
}

/// The first of these ranges.
fn list(ranges: &[(u64, u64)]) -> String {
    let listed = ranges.iter().take(LISTED);
    let listed = listed.map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    });
    let listed: Vec<_> = listed.collect();
    let more = if ranges.len() > LISTED { ", …" } else { "" };
    listed.join(", ") + more
}

/// The numbers that are missing from `first` on: first and last of each gap.
fn gaps(numbers: &[u64], first: u64) -> Vec<(u64, u64)> {
    let mut expected = first;
    let mut gaps = Vec::new();
    for number in numbers.iter().filter(|number| **number >= first) {
        if *number > expected {
            gaps.push((expected, number - 1));
        }
        expected = number.saturating_add(1);
    }
    gaps
}

fn decompressed(content: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut content = Cow::Owned::<[u8]>(content);
    for _ in 0..MAX_LAYERS {
        if !content.starts_with(&GZIP) {
            break;
        }
        let mut text = Vec::new();
        MultiGzDecoder::new(&*content).read_to_end(&mut text)?;
        content = text.into();
    }
    Ok(content.into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;

    fn line(process: &str, seq: u64) -> String {
        json!({
            "audit": "outcome", "time": format!("2026-01-01T00:00:{seq:02}.000Z"),
            "process": process, "seq": seq, "request_id": "id", "client": "acme",
            "operation": "GET /api/files", "outcome": "ok", "requests": 1, "_aws": {},
        })
        .to_string()
    }

    fn message(kind: &str, lines: &[String]) -> String {
        let events = lines
            .iter()
            .map(|line| json!({"id": "1", "timestamp": 1, "message": line}));
        json!({
            "messageType": kind, "owner": "1", "logGroup": "g", "logStream": "s",
            "subscriptionFilters": ["f"], "logEvents": events.collect::<Vec<_>>(),
        })
        .to_string()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn found(deliveries: &[Vec<u8>], filter: Filter) -> Found {
        let mut records = Records::new(filter);
        for delivery in deliveries {
            records.add_delivery("d", delivery.clone());
        }
        records.end()
    }

    #[test]
    fn every_form_of_a_delivery_is_read() {
        let control = message("CONTROL_MESSAGE", &["CWL CONTROL MESSAGE".to_owned()]);
        let first = message("DATA_MESSAGE", &[line("a", 1), line("a", 2)]);
        let second = message("DATA_MESSAGE", &[line("a", 3)]);
        let [c, f, s] = [&control, &first, &second].map(|text| gzip(text.as_bytes()));
        let members = [c, f, s].concat();
        let plain = [control.clone(), first.clone(), second.clone()];
        for delivery in [
            members.clone(),
            gzip(&members),
            plain.concat().into_bytes(),
            plain.join("\n").into_bytes(),
            gzip(plain.join("\n").as_bytes()),
            [line("a", 1), line("a", 2), line("a", 3)]
                .join("\n")
                .into_bytes(),
        ] {
            // At least once.
            let found = found(&[delivery.clone(), delivery], Filter::default());
            assert_eq!(found.faults, [""; 0]);
            let seen: Vec<_> = found.lines.iter().map(|line| line.seq).collect();
            assert_eq!((seen, found.read, found.processes), (vec![1, 2, 3], 3, 1));
        }
    }

    #[test]
    fn missing_numbers_and_damage_are_reported() {
        let lines = |process: &str, numbers: &[u64]| {
            let lines = numbers.iter().map(|seq| line(process, *seq) + "\n");
            lines.collect::<String>().into_bytes()
        };
        let since = || Filter {
            since: Some("2026-01-01T00:00:03".to_owned()),
            ..Filter::default()
        };
        for (numbers, filter, faults) in [
            (&[1, 2, 3][..], Filter::default(), &[][..]),
            (&[2, 3], Filter::default(), &["process a lacks 1 record: 1"]),
            (
                &[1, 3, 6],
                Filter::default(),
                &["process a lacks 3 records: 2, 4 to 5"],
            ),
            (&[1, 3, 4], since(), &[]),
            (&[1, 3, 5], since(), &["process a lacks 1 record: 4"]),
            (
                &[2, 4, 6, 8, 10, 12],
                Filter::default(),
                &["process a lacks 6 records: 1, 3, 5, 7, 9, …"],
            ),
        ] {
            let found = found(&[lines("a", numbers)], filter);
            assert_eq!(found.faults, faults, "{numbers:?}");
        }
        let cut = gzip(&lines("a", &[1]));
        for (damaged, fault) in [
            (cut[..cut.len() - 9].to_vec(), "d cannot be decompressed"),
            (b"{\"audit\":".to_vec(), "d cannot be read to its end"),
            (b"[]".to_vec(), "d cannot be read to its end"),
            (
                message("DATA_MESSAGE", &["{}".to_owned()]).into_bytes(),
                "d has a line that is no record",
            ),
        ] {
            assert_eq!(found(&[damaged], Filter::default()).faults, [fault]);
        }
        // A delivery may be repeated, a number may not.
        let other = line("a", 2).replace("acme", "globex");
        let forged = lines("a", &[1, 2, 2, 3]).repeat(2);
        let found = found(&[[forged, other.into_bytes()].concat()], Filter::default());
        let fault = "process a has different records with the same number: 2";
        assert_eq!(found.faults, [fault]);
        let shown = found.lines.iter().filter(|line| line.seq == 2);
        let clients: BTreeSet<_> = shown.map(|line| line.client.as_deref()).collect();
        assert_eq!(clients, BTreeSet::from([Some("acme"), Some("globex")]));
    }

    /// The time of a receipt precedes its number, and clocks are set back.
    #[test]
    fn from_a_time_on_no_number_that_was_read_is_missing() {
        for (lines, shown, faults) in [
            (&[(3, 3), (4, 2), (5, 5)][..], &[3, 5][..], &[][..]),
            (&[(1, 4), (2, 2), (3, 5)], &[1, 3], &[]),
            (&[(2, 1), (4, 4)], &[4], &[]),
            (&[(2, 1), (4, 2)], &[], &[]),
            (&[(1, 4), (3, 2)], &[1], &["process a lacks 1 record: 2"]),
        ] {
            let time = |second| format!("00:00:{second:02}.000Z");
            let line = |(seq, second): &(u64, u64)| {
                line("a", *seq).replace(&time(*seq), &time(*second)) + "\n"
            };
            let text: String = lines.iter().map(line).collect();
            let since = Filter {
                since: Some("2026-01-01T00:00:03".to_owned()),
                ..Filter::default()
            };
            let found = found(&[text.into_bytes()], since);
            let seen: BTreeSet<_> = found.lines.iter().map(|line| line.seq).collect();
            assert_eq!(seen, shown.iter().copied().collect(), "{lines:?}");
            assert_eq!(found.faults, faults, "{lines:?}");
        }
    }

    #[test]
    fn a_filter_hides_records_but_no_fault() {
        let lines = line("a", 1) + &line("a", 3);
        let other = Filter {
            client: Some("globex".to_owned()),
            ..Filter::default()
        };
        let found = found(&[lines.into_bytes()], other);
        assert_eq!((found.lines.len(), found.faults.len()), (0, 1));
    }
}
