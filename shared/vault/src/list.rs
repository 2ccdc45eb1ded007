//! Listing a client's files.

use std::{fmt, time::SystemTime};

use aws_sdk_s3::types::EncodingType;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_aws::{MAX_KEY_LEN, ObjectKey, Unavailable, decode_key, length, time};
use caas_crypto::{ClientName, stored::OVERHEAD};

use crate::Vault;

/// One page of a listing.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    /// The files, in the order of their keys' bytes.
    pub files: Vec<ListedFile>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// A file in a listing. It has not been opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its key.
    pub key: ObjectKey,
    /// Its length in bytes: the sealed object's without the tag, never below 0.
    pub size: u64,
    /// The ETag of the sealed object, with its quotes.
    pub e_tag: String,
    /// When it was stored.
    pub last_modified: SystemTime,
}

/// Without the cursor, which contains a path.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Up to `limit` (at most 1,000) of the client's files, from the beginning or from a
    /// [`Page::next_cursor`]. One ListObjectsV2. Objects whose key is not an [`ObjectKey`] are left
    /// out, so a page may have fewer than `limit` files although there is a next page.
    ///
    /// # Errors
    /// The cursor is invalid, or S3 is not available.
    pub async fn list(
        &self,
        client: &ClientName,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page, ListError> {
        let start_after = match cursor {
            Some(cursor) => Some(start_after(client, cursor)?),
            None => None,
        };
        Ok(self.page(client, "", limit, start_after).await?)
    }

    /// The first of the client's files in a folder, if there is one. One ListObjectsV2.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn first_under(
        &self,
        client: &ClientName,
        folder: &str,
    ) -> Result<Option<ListedFile>, Unavailable> {
        let page = self.page(client, &format!("{folder}/"), 1, None).await?;
        Ok(page.files.into_iter().next())
    }

    /// A page of the keys that begin with `{client}/{start}`.
    async fn page(
        &self,
        client: &ClientName,
        start: &str,
        limit: u16,
        start_after: Option<String>,
    ) -> Result<Page, Unavailable> {
        let prefix = format!("{client}/{start}");
        let response = self
            .s3()
            .list_objects_v2()
            .bucket(self.bucket_name())
            .prefix(&prefix)
            .set_start_after(start_after)
            .max_keys(i32::from(limit.clamp(1, 1_000)))
            .encoding_type(EncodingType::Url)
            .send()
            .await
            .map_err(|error| Unavailable::new("ListObjectsV2", &error))?;

        let encoding = response.encoding_type;
        let mut page = Page {
            files: Vec::new(),
            next_cursor: None,
        };
        let mut last = None;
        for object in response.contents.unwrap_or_default() {
            let key = decode_key(object.key.as_deref().unwrap_or_default(), encoding.as_ref());
            if let Ok(key) = ObjectKey::parse(&key)
                && key.client() == client.as_str()
            {
                page.files.push(ListedFile {
                    key,
                    size: length(object.size).saturating_sub(OVERHEAD as u64),
                    e_tag: object.e_tag.unwrap_or_default(),
                    last_modified: time(object.last_modified),
                });
            }
            last = Some(key);
        }
        if response.is_truncated == Some(true) {
            let path = last.as_deref().and_then(|key| key.split_once('/'));
            page.next_cursor = path.map(|(_, path)| BASE64_URL_SAFE_NO_PAD.encode(path));
        }
        Ok(page)
    }
}

/// A cursor is the last path seen. Whatever it contains, the listing stays within the prefix.
fn start_after(client: &ClientName, cursor: &str) -> Result<String, InvalidCursor> {
    let path = BASE64_URL_SAFE_NO_PAD.decode(cursor);
    let path = String::from_utf8(path.map_err(|_| InvalidCursor)?);
    let key = format!("{client}/{}", path.map_err(|_| InvalidCursor)?);
    if key.len() > MAX_KEY_LEN {
        return Err(InvalidCursor);
    }
    Ok(key)
}

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The cursor is invalid.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// S3 is not available.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a listing")]
pub struct InvalidCursor;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_path() {
        let page = Page {
            files: Vec::new(),
            next_cursor: Some("CANARY".to_owned()),
        };
        assert!(!format!("{page:?}").contains("CANARY"));
    }
}
