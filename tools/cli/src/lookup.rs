//! Finds the file that is meant by an ID, a path or a name.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_client::{Client, ListedFile, ServiceError};

use crate::{
    failure::{Exit, Failure},
    output::Output,
    text::{escaped, minute, size},
};

/// Files in a page of a listing.
pub(crate) const PAGE: u16 = 1_000;

/// The most files that are shown of those that have a name.
const SHOWN: usize = 20;

/// A stored file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The one file that has this ID, this path, or this name.
pub(crate) async fn find(client: &Client, output: &Output, wanted: &str) -> Result<Found, Failure> {
    let found = search(client, output, wanted).await?;
    found.ok_or_else(|| absent(wanted))
}

/// The same, if there is one.
pub(crate) async fn search(
    client: &Client,
    output: &Output,
    wanted: &str,
) -> Result<Option<Found>, Failure> {
    let about = |failure: Failure| failure.about(escaped(wanted));
    let is_path = wanted.contains('/');
    let id = match is_path {
        true => id_of(wanted),
        false => wanted.to_owned(),
    };
    match client.info(&id).await {
        Ok(info) => {
            let name = info.name;
            return Ok(Some(Found { id, name }));
        }
        Err(ServiceError::Refused { status: 404, .. }) if is_path => return Ok(None),
        // Responses to other requests say why.
        Err(ServiceError::Refused { .. }) => {}
        Err(error) => return Err(about(error.into())),
    }
    let mut candidates = named(client, output, wanted).await.map_err(about)?;
    match (candidates.pop(), candidates.is_empty()) {
        (None, _) => Ok(None),
        (Some(file), true) => Ok(Some(Found {
            id: file.id,
            name: file.name,
        })),
        (Some(last), false) => {
            candidates.push(last);
            Err(ambiguous(wanted, &candidates))
        }
    }
}

/// The ID that is meant, whether or not there is a file, unless this can only be a name.
pub(crate) fn as_id(wanted: &str) -> Option<String> {
    if wanted.contains('/') {
        return Some(id_of(wanted));
    }
    path_of(wanted).map(|_| wanted.to_owned())
}

/// The path of the file with this ID.
pub(crate) fn path_of(id: &str) -> Option<String> {
    let path = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
    String::from_utf8(path).ok()
}

/// The ID of the file with this path.
fn id_of(path: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(path)
}

/// All files of this name.
async fn named(client: &Client, output: &Output, name: &str) -> Result<Vec<ListedFile>, Failure> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = client.list(PAGE, cursor.as_deref()).await?;
        let is_first = cursor.is_none();
        let files = page.files.into_iter();
        found.extend(files.filter(|file| file.name == name || file.path == name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
        if is_first {
            output.note(&format!(
                "Listing all files to find {}: with an ID this is faster.",
                escaped(name)
            ));
        }
    }
}

/// There is no such file.
pub(crate) fn absent(wanted: &str) -> Failure {
    let message = format!("{}: no file has this name or ID", escaped(wanted));
    Failure::new(Exit::Refused, message).next("`caas ls -l` lists the files")
}

fn ambiguous(name: &str, candidates: &[ListedFile]) -> Failure {
    let count = candidates.len();
    let mut message = format!("{}: {count} files have this name", escaped(name));
    // The newest are most likely meant, and paths begin with a time.
    for file in candidates.iter().rev().take(SHOWN) {
        let (created, size) = (minute(&file.created_at), size(file.size));
        let line = escaped(&format!("{}  {created}  {size}", file.id));
        message.push_str(&format!("\n  {line}"));
    }
    if count > SHOWN {
        message.push_str(&format!("\n  and {} more", count - SHOWN));
    }
    Failure::new(Exit::Refused, message).next("name one of them by its ID")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_path_is_its_base64url() {
        let (path, id) = ("reports/2026/a.txt", "cmVwb3J0cy8yMDI2L2EudHh0");
        assert_eq!(id_of(path), id);
        assert_eq!(path_of(id).as_deref(), Some(path));
        for wanted in [path, id] {
            assert_eq!(as_id(wanted).as_deref(), Some(id));
        }
        for name in ["a.txt", "Makefile", "日本"] {
            assert_eq!(as_id(name), None, "{name}");
        }
    }
}
