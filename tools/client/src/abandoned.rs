//! What happens to an upload in parts that ends early.

use std::mem;

use tokio::runtime::Handle;

use crate::{Client, journal::Begun};

/// Aborts an upload that ends early, in the background.
pub(crate) struct Abandoned {
    client: Client,
    id: String,
    upload: String,
    pub(crate) is_over: bool,
    /// Whether S3 may have all of it.
    pub(crate) may_be_stored: bool,
}

impl Abandoned {
    pub(crate) fn new(client: &Client, begun: &Begun) -> Self {
        Self {
            client: client.clone(),
            id: begun.id.clone(),
            upload: begun.upload.clone(),
            is_over: true,
            may_be_stored: false,
        }
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let (true, Ok(runtime)) = (self.is_over, Handle::try_current()) else {
            return;
        };
        let (client, may_be_stored) = (self.client.clone(), self.may_be_stored);
        let (id, upload) = (mem::take(&mut self.id), mem::take(&mut self.upload));
        runtime.spawn(async move {
            client.abort(&upload).await;
            if may_be_stored {
                let _ = client.delete(&id).await;
            }
        });
    }
}
