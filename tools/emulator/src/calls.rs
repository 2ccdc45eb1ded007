//! Counts of the requests that reached S3 and KMS, and the last requests to KMS.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;

/// Requests per operation, by names such as `s3:PutObject` and `kms:Decrypt`.
///
/// S3 requests count once their signature has been checked, KMS requests as soon as they name an
/// operation; refused ones count too. [`since`](Self::since) gives the difference between two
/// snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(BTreeMap<String, u64>);

impl Calls {
    /// The count of one operation, for example `kms:GenerateDataKey`.
    pub fn of(&self, operation: &str) -> u64 {
        self.0.get(operation).copied().unwrap_or(0)
    }

    /// All requests to S3.
    pub fn s3(&self) -> u64 {
        self.sum("s3:")
    }

    /// All requests to KMS.
    pub fn kms(&self) -> u64 {
        self.sum("kms:")
    }

    /// The requests since an earlier snapshot; operations without any are left out.
    pub fn since(&self, earlier: &Self) -> Self {
        let changed = self
            .iter()
            .map(|(name, count)| (name.to_owned(), count - earlier.of(name).min(count)));
        Self(changed.filter(|(_, count)| *count > 0).collect())
    }

    /// Operations and their counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    fn sum(&self, service: &str) -> u64 {
        let of_service = self.iter().filter(|(name, _)| name.starts_with(service));
        of_service.map(|(_, count)| count).sum()
    }
}

/// A request to KMS, as CloudTrail records it: never with key material, plaintext or ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsRequest {
    /// Such as `Decrypt`.
    pub operation: String,
    /// The encryption context.
    pub context: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WithContext {
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
}

/// How many requests to KMS are recorded.
const RECORDED: usize = 1_000;

/// The running counts, and the record of KMS.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    calls: Mutex<Calls>,
    kms: Mutex<VecDeque<KmsRequest>>,
}

impl Counter {
    pub(crate) fn count(&self, service: &str, operation: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.0.entry(format!("{service}:{operation}")).or_default() += 1;
    }

    pub(crate) fn snapshot(&self) -> Calls {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Records a request to KMS whose signature has been checked.
    pub(crate) fn record_kms(&self, operation: &str, body: &[u8]) {
        let Ok(WithContext { encryption_context }) = serde_json::from_slice(body) else {
            return;
        };
        let mut kms = self.kms.lock().unwrap_or_else(PoisonError::into_inner);
        if kms.len() == RECORDED {
            kms.pop_front();
        }
        kms.push_back(KmsRequest {
            operation: operation.to_owned(),
            context: encryption_context,
        });
    }

    pub(crate) fn kms_requests(&self) -> Vec<KmsRequest> {
        let kms = self.kms.lock().unwrap_or_else(PoisonError::into_inner);
        kms.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_holds_only_what_happened_in_between() {
        let counter = Counter::default();
        counter.count("s3", "PutObject");
        counter.count("kms", "Decrypt");
        let before = counter.snapshot();
        counter.count("s3", "PutObject");
        counter.count("s3", "GetObject");
        let calls = counter.snapshot().since(&before);
        let expected = [("s3:GetObject", 1), ("s3:PutObject", 1)];
        assert_eq!(calls.iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            (calls.s3(), calls.kms(), calls.of("kms:Decrypt")),
            (2, 0, 0)
        );
    }
}
