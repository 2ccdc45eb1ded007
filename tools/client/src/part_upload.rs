//! Sends the parts of an upload while they are sealed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Sender,
    },
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc},
    task::{JoinSet, spawn_blocking},
};

use crate::{
    Client, Progress, ServiceError, UploadError,
    journal::{Begun, Journal, RecordedParts},
    part_layout::PartLayout,
    part_transfer::{PartTransfer, SentPart},
    response::{Encryption, PartPut, PartsResponse},
    sealed_parts::{PartBody, PartSealer, SealedPart, Unsealed},
    source::Source,
};

/// How many parts are asked for at a time: their requests expire in five minutes.
pub(crate) const ASKED: u16 = 16;

/// Why an upload ended early.
pub(crate) enum Ended {
    /// Its key must not seal again, or the upload is gone: only a new one, with a new key, can succeed.
    Over,
    Failed(UploadError),
}

impl<E: Into<UploadError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// An upload that is going on.
pub(crate) struct PartUpload<'a> {
    client: &'a Client,
    upload: Arc<str>,
    layout: PartLayout,
    journal: Option<&'a Journal>,
    /// The parts that may have left. S3 can hold no other.
    left: BTreeSet<u16>,
    puts: BTreeMap<u16, PartPut>,
    pub(crate) etags: BTreeMap<u16, String>,
}

impl<'a> PartUpload<'a> {
    pub(crate) fn new(
        client: &'a Client,
        begun: &Begun,
        journal: Option<&'a Journal>,
        left: BTreeSet<u16>,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            client,
            upload: begun.upload.as_str().into(),
            layout: PartLayout::new(begun.stamp.size, begun.parts)?,
            journal,
            left,
            puts: BTreeMap::new(),
            etags: BTreeMap::new(),
        })
    }

    /// Seals all parts, and sends those that S3 does not have.
    pub(crate) async fn send(
        &mut self,
        source: Source,
        encryption: &Encryption,
        recorded: RecordedParts,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Ended> {
        let (give_back, buffers) = std::sync::mpsc::channel();
        for _ in 0..=self.layout.connections() {
            let _ = give_back.send(Vec::new());
        }
        let sealed = Arc::new(AtomicU64::new(0));
        let sealer = PartSealer {
            source,
            layout: self.layout,
            grant: encryption.grant()?,
            journal: self.journal.cloned(),
            recorded,
            buffers,
            sealed: Arc::clone(&sealed),
        };
        let (sender, parts) = mpsc::channel(1);
        let thread = spawn_blocking(move || sealer.run(&sender));
        let sent = self.send_parts(parts, give_back, &sealed, progress).await;
        // It ends now, if it has not. After that, nothing is written to the journal.
        match thread.await {
            Ok(Ok(())) => sent,
            Ok(Err(Unsealed::Differs)) => Err(Ended::Over),
            Ok(Err(Unsealed::Failed(error))) => Err(error.into()),
            Err(error) => Err(UploadError::Source(error.into()).into()),
        }
    }

    async fn send_parts(
        &mut self,
        mut parts: mpsc::Receiver<SealedPart>,
        give_back: Sender<Vec<u8>>,
        sealed: &AtomicU64,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Ended> {
        let total = self.layout.size;
        let notify = Arc::new(Notify::new());
        let mut transfers = JoinSet::new();
        // Bytes that S3 has, and those sent of each part in transfer.
        let (mut stored, mut sending) = (0, BTreeMap::new());
        let mut is_sealed = false;
        while !is_sealed || !transfers.is_empty() {
            let is_free = transfers.len() < self.layout.connections();
            tokio::select! {
                part = parts.recv(), if is_free && !is_sealed => match part {
                    None => is_sealed = true,
                    Some(SealedPart { number, body: PartBody::Stored(etag) }) => {
                        stored += self.layout.len(number);
                        self.etags.insert(number, etag);
                    }
                    Some(SealedPart { number, body: PartBody::Send(body) }) => {
                        let sent = Arc::new(AtomicU64::new(0));
                        sending.insert(number, Arc::clone(&sent));
                        let transfer = PartTransfer {
                            client: self.client.clone(),
                            upload: Arc::clone(&self.upload),
                            put: self.put(number).await?,
                            body,
                            sent,
                            progress: Arc::clone(&notify),
                        };
                        transfers.spawn(transfer.run());
                    }
                },
                Some(ended) = transfers.join_next() => {
                    let SentPart { number, etag, body } =
                        ended.unwrap_or(Err(UploadError::Unavailable))?;
                    if let Some(journal) = self.journal {
                        journal.stored(number, &etag).map_err(UploadError::Journal)?;
                    }
                    stored += self.layout.len(number);
                    sending.remove(&number);
                    self.etags.insert(number, etag);
                    let _ = give_back.send(reused(body));
                }
                () = notify.notified() => {}
            }
            let sent: u64 = sending
                .values()
                .map(|sent| sent.load(Ordering::Relaxed))
                .sum();
            progress(Progress {
                sealed: sealed.load(Ordering::Relaxed),
                done: total.min(stored + sent),
                total,
            });
        }
        Ok(())
    }

    /// Where to send a part.
    async fn put(&mut self, number: u16) -> Result<PartPut, Ended> {
        if !self.puts.contains_key(&number) {
            let count = ASKED.min(self.layout.count - (number - 1));
            let asked = self.client.parts(&self.upload, number, count, false);
            self.take(asked.await?)?;
        }
        self.left.insert(number);
        let put = self.puts.remove(&number);
        put.ok_or_else(|| ServiceError::Unexpected.into())
    }

    pub(crate) fn take(&mut self, response: PartsResponse) -> Result<(), Ended> {
        let mut held = response.held.iter();
        // A part that was sent without a record here: the journal has lost it.
        if held.any(|held| !self.left.contains(&held.number)) {
            return Err(Ended::Over);
        }
        let puts = response.parts.into_iter();
        self.puts.extend(puts.map(|put| (put.number, put)));
        Ok(())
    }

    pub(crate) async fn complete(self) -> Result<(), Ended> {
        let etags: Vec<_> = self.etags.into_values().collect();
        Ok(self.client.complete(&self.upload, &etags).await?)
    }
}

/// The memory of a part that was sent.
fn reused(body: Bytes) -> Vec<u8> {
    match body.is_unique() {
        true => body.into(),
        false => Vec::new(),
    }
}
