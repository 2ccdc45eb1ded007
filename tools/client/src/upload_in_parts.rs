//! Uploads a file in parts, and goes on with an upload after a restart.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use tokio::task::spawn_blocking;

use crate::{
    Client, Progress, ServiceError, Upload, UploadError, Uploaded,
    abandoned::Abandoned,
    journal::{Begun, Journal, JournalFile, RecordedParts, Version},
    part_layout::PART_SIZE,
    part_upload::{ASKED, Ended, PartUpload},
    response::UploadWay,
    retry::Attempts,
    source::Source,
};

impl Client {
    pub(crate) async fn upload_in_parts(
        &self,
        upload: &Upload,
        source: Source,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Uploaded, UploadError> {
        let Some(journaled) = upload.journaled() else {
            return self.upload_anew(upload, source, None, progress).await;
        };
        let (journal, restored) = self.journal(journaled, upload).await?;
        let Some((begun, recorded)) = restored else {
            return self
                .upload_anew(upload, source, Some(journal), progress)
                .await;
        };
        let resumed = match begun.stamp == source.stamp {
            true => {
                let journal = journal.of(&begun);
                self.resume(&begun, recorded, journal, source, progress)
                    .await
            }
            false => Err(Ended::Over),
        };
        match resumed {
            Ok(()) => {
                journal.remove();
                Ok(Uploaded {
                    id: begun.id,
                    size: begun.stamp.size,
                })
            }
            Err(Ended::Failed(error)) => Err(error),
            Err(Ended::Over) => {
                self.abort(&begun.upload).await;
                let source = upload.open().await?;
                self.upload_anew(upload, source, Some(journal), progress)
                    .await
            }
        }
    }

    /// Gives up an upload that [`Upload::resume_in`] would resume: aborts it as far as possible, and
    /// removes its journal. A file that was uploaded stays.
    ///
    /// # Errors
    /// [`UploadError::Journal`] and [`UploadError::InProgress`].
    pub async fn discard(&self, upload: &Upload) -> Result<(), UploadError> {
        let Some(journaled) = upload.journaled() else {
            return Ok(());
        };
        let (journal, restored) = self.journal(journaled, upload).await?;
        if let Some((begun, _)) = restored {
            self.abort(&begun.upload).await;
        }
        journal.remove();
        Ok(())
    }

    /// Opens the journal. An upload that was cancelled lets go of it within moments.
    async fn journal(
        &self,
        (folder, path): (&Path, &Path),
        upload: &Upload,
    ) -> Result<(JournalFile, Option<(Begun, RecordedParts)>), UploadError> {
        let mut attempts = Attempts::new(self.retries);
        loop {
            let (folder, path) = (folder.to_owned(), path.to_owned());
            let file = upload.identity(&self.url);
            let opened = spawn_blocking(move || {
                let path = path.canonicalize().map_err(UploadError::Source)?;
                JournalFile::open(&folder, &file, path.as_os_str())
            });
            match opened
                .await
                .unwrap_or_else(|error| Err(UploadError::Journal(error.into())))
            {
                Err(UploadError::InProgress) if attempts.again(Duration::ZERO).await => {}
                opened => return opened,
            }
        }
    }

    async fn upload_anew(
        &self,
        upload: &Upload,
        source: Source,
        journal: Option<JournalFile>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Uploaded, UploadError> {
        let size = source.stamp.size;
        let response = self
            .begin_upload(&upload.request(size, Some(PART_SIZE)))
            .await?;
        let (
            UploadWay::Parts {
                upload: token,
                parts,
            },
            Some(encryption),
        ) = (response.way, response.encryption)
        else {
            return Err(ServiceError::Unexpected.into());
        };
        let begun = Begun {
            version: Version::V1,
            file: upload.identity(&self.url),
            stamp: source.stamp,
            id: response.id,
            upload: token,
            parts,
        };
        let is_kept = journal.is_some();
        let mut abandoned = Abandoned::new(self, &begun);
        let (journal, begun) = begin_journal(journal, begun).await?;
        if is_kept {
            abandoned.is_over = false;
        }
        let sent = async {
            let mut upload = PartUpload::new(self, &begun, journal.as_ref(), BTreeSet::new())?;
            upload
                .send(source, &encryption, RecordedParts::new(), progress)
                .await?;
            abandoned.may_be_stored = true;
            upload.complete().await
        };
        match sent.await {
            Ok(()) => {
                abandoned.is_over = false;
                if let Some(journal) = journal {
                    journal.file().remove();
                }
                Ok(Uploaded { id: begun.id, size })
            }
            // Somebody else sends parts of this upload.
            Err(Ended::Over) => {
                abandoned.is_over = true;
                Err(ServiceError::Unexpected.into())
            }
            Err(Ended::Failed(error)) => {
                abandoned.is_over |= matches!(error, UploadError::Changed);
                // What the service refuses to complete is not this upload's file.
                abandoned.may_be_stored &=
                    matches!(error, UploadError::Service(ServiceError::Unavailable));
                Err(error)
            }
        }
    }

    async fn resume(
        &self,
        begun: &Begun,
        recorded: RecordedParts,
        journal: Journal,
        source: Source,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Ended> {
        let left = recorded.keys().copied().collect();
        let etags = recorded.iter().filter_map(|(number, part)| {
            let etag = part.etag.clone()?;
            Some((*number, etag))
        });
        let etags: BTreeMap<_, _> = etags.collect();
        let sent = async {
            let mut upload = PartUpload::new(self, begun, Some(&journal), left)?;
            let count = ASKED.min(begun.parts.count);
            match self.parts(&begun.upload, 1, count, true).await {
                // It may be completed already.
                Err(ServiceError::Refused { status: 404, .. })
                    if etags.len() == usize::from(begun.parts.count) =>
                {
                    upload.etags = etags;
                }
                asked => {
                    let mut asked = asked?;
                    let encryption = asked.encryption.take().ok_or(ServiceError::Unexpected)?;
                    upload.take(asked)?;
                    upload.send(source, &encryption, recorded, progress).await?;
                }
            }
            upload.complete().await
        };
        sent.await.map_err(|ended| match ended {
            Ended::Failed(UploadError::Changed) => Ended::Over,
            // The upload is completed, aborted, deleted or over, or its parts were replaced.
            Ended::Failed(UploadError::Service(ServiceError::Refused {
                status: 400 | 404 | 409 | 422,
                ..
            })) => Ended::Over,
            ended => ended,
        })
    }
}

/// Records durably which upload has begun.
async fn begin_journal(
    file: Option<JournalFile>,
    begun: Begun,
) -> Result<(Option<Journal>, Begun), UploadError> {
    let Some(file) = file else {
        return Ok((None, begun));
    };
    let recorded = spawn_blocking(move || {
        let journal = file.begin(&begun)?;
        Ok((Some(journal), begun))
    });
    let recorded = recorded.await.unwrap_or_else(|error| Err(error.into()));
    recorded.map_err(UploadError::Journal)
}
