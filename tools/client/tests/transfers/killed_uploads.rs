//! An upload in parts is killed, and goes on.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use caas_client::{Mode, Upload, UploadError};
use caas_testing::{Fault, VAULT};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{
    child::{Running, Transfer, names, ran},
    support::{LARGE, PART, Stack, ignore, key_of, large},
    wire::Wire,
};

/// Where an upload is killed.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// When the service gets this request.
    At(&'static str),
    /// When the service has acted on this request, before its response arrives.
    After(&'static str),
    /// When this many bytes of parts have left.
    Bytes(u64),
}

const TEST: &str = "killed_uploads::an_upload_that_is_killed_goes_on";
const CHANGED: &str = "killed_uploads::a_file_that_changed_gets_a_new_key";

/// Uploads the file in a process of its own, which is killed at this place.
async fn kill_at(stack: &Stack, test: &str, place: Place, path: &Path, folder: &TempDir) -> Wire {
    let there = Arc::new(Notify::new());
    let (at_request, at_bytes) = (Arc::clone(&there), Arc::clone(&there));
    let forever = std::time::Duration::from_secs(3_600);
    let proxy = &stack.service_proxy;
    proxy.set_rule(move |request| match place {
        Place::At(path) if request.path_and_query == path => {
            at_request.notify_one();
            Fault::DelayRequest(forever)
        }
        Place::After(path) if request.path_and_query == path => {
            at_request.notify_one();
            Fault::DelayResponse(forever)
        }
        _ => Fault::Forward,
    });
    stack.proxies.s3.clear_rule();
    let wire = Wire::watch(&stack.proxies.s3, move |bytes| {
        if matches!(place, Place::Bytes(place) if bytes >= place) {
            at_bytes.notify_one();
        }
    });
    let transfer = Transfer::Up {
        path: path.to_owned(),
        folder: folder.path().to_owned(),
    };
    let child = Running::start(test, &proxy.url(), &transfer);
    there.notified().await;
    if let Place::After("/api/uploads/complete") = place {
        while stack.visible(VAULT).await.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    child.kill();
    proxy.clear_rule();
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_killed_goes_on() {
    if ran().await {
        return;
    }
    let stack = Stack::start().await;
    let content = large(0);
    let path = stack.file("large", &content);
    let (complete, parts) = ("/api/uploads/complete", "/api/uploads/parts");
    for (place, kms) in [
        (Place::At("/api/uploads"), 1),
        (Place::At(parts), 1),
        (Place::Bytes(1), 1),
        (Place::Bytes(PART), 1),
        (Place::Bytes(3 * PART + 1), 1),
        (Place::Bytes(4 * PART), 1),
        (Place::Bytes(LARGE / 2), 1),
        (Place::Bytes(6 * PART - 1), 1),
        (Place::Bytes(8 * PART), 1),
        (Place::Bytes(LARGE), 1),
        (Place::At(complete), 1),
        // The file is there: it needs no key.
        (Place::After(complete), 0),
    ] {
        let folder = TempDir::new_in(stack.folder.path()).unwrap();
        let wire = kill_at(&stack, TEST, place, &path, &folder).await;
        let is_stored = matches!(place, Place::After(_));
        assert_eq!(stack.visible(VAULT).await.len(), usize::from(is_stored));
        assert_eq!(names(folder.path()).len(), 1, "{place:?}");

        let upload = Upload::new(&path, Mode::Client).resume_in(folder.path());
        let resumed = stack.client.upload(&upload, ignore);
        let (resumed, calls) = stack.calls_of(resumed).await;
        let id = resumed.unwrap().id;
        assert_eq!(calls.kms(), kms, "{place:?}");
        assert_eq!(wire.keys(), 1, "{place:?}");
        let twice = wire.bytes().saturating_sub(LARGE + 16);
        assert!(twice <= 4 * PART, "{place:?}: {twice} bytes left twice");
        assert_eq!(stack.visible(VAULT).await, [key_of(&id)]);
        assert_eq!(stack.multipart_uploads(VAULT).await, 0, "{place:?}");
        assert_eq!(names(folder.path()), [""; 0], "{place:?}");

        let (copies, copy) = stack.destination();
        stack.download(&id, &copy).await.unwrap();
        assert!(fs::read(&copy).unwrap() == content, "{place:?}");
        drop(copies);
        stack.purge(&id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changed_gets_a_new_key() {
    if ran().await {
        return;
    }
    let stack = Stack::start().await;
    let content = large(0);
    let longer = [&content[..], b"x"].concat();
    let shorter = &content[..content.len() - 1];
    let with_byte = |place: u64| {
        let mut changed = content.clone();
        changed[place as usize] ^= 1;
        changed
    };
    for (case, changed, keys) in [
        ("first byte", with_byte(0), 2),
        ("last byte of a part", with_byte(PART - 1), 2),
        // Nothing of it has left: it is sent as it is now.
        ("last byte", with_byte(LARGE - 1), 1),
        ("longer", longer.clone(), 2),
        ("shorter", shorter.to_vec(), 2),
    ] {
        let path = stack.file("large", &content);
        let folder = TempDir::new_in(stack.folder.path()).unwrap();
        let wire = kill_at(&stack, CHANGED, Place::Bytes(2 * PART), &path, &folder).await;
        let mut file = File::options().write(true).open(&path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&changed).unwrap();
        file.set_len(changed.len() as u64).unwrap();
        file.set_modified(modified).unwrap();
        drop(file);

        let upload = Upload::new(&path, Mode::Client).resume_in(folder.path());
        let id = stack.client.upload(&upload, ignore).await.unwrap().id;
        assert_eq!(wire.keys(), keys, "{case}");
        assert_eq!(stack.visible(VAULT).await, [key_of(&id)], "{case}");
        assert_eq!(stack.multipart_uploads(VAULT).await, 0, "{case}");
        let (copies, copy) = stack.destination();
        stack.download(&id, &copy).await.unwrap();
        assert!(fs::read(&copy).unwrap() == changed, "{case}");
        drop(copies);
        stack.purge(&id).await;
    }
}

type Change<'a> = (&'a str, &'a dyn Fn(&str) -> String);

/// Records that were lost, a journal that was changed, and one that is in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_not_whole_ends_its_upload() {
    if ran().await {
        return;
    }
    let stack = Stack::start().await;
    let path = stack.file("large", &large(0));
    let test = "killed_uploads::a_journal_that_is_not_whole_ends_its_upload";
    let half = |text: &str| text[..text.len() / 2].to_owned();
    // Only the first line: all records are lost.
    let first = |text: &str| text.split_inclusive('\n').next().unwrap().to_owned();
    let flipped = |text: &str| text.replacen("sealed", "seaIed", 1);
    let changes: [Change<'_>; 4] = [
        ("half", &half),
        ("no records", &first),
        ("flipped", &flipped),
        ("empty", &|_| String::new()),
    ];
    for (case, change) in changes {
        let folder = TempDir::new_in(stack.folder.path()).unwrap();
        // By then S3 has some parts.
        let wire = kill_at(&stack, test, Place::Bytes(7 * PART), &path, &folder).await;
        let journal = folder.path().join(&names(folder.path())[0]);
        let text = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, change(&text)).unwrap();
        let upload = Upload::new(&path, Mode::Client).resume_in(folder.path());
        let id = stack.client.upload(&upload, ignore).await.unwrap().id;
        assert_eq!(wire.keys(), 2, "{case}");
        stack.purge(&id).await;
    }

    let folder = TempDir::new_in(stack.folder.path()).unwrap();
    kill_at(&stack, test, Place::Bytes(1), &path, &folder).await;
    let journal = folder.path().join(&names(folder.path())[0]);
    let upload = Upload::new(&path, Mode::Client).resume_in(folder.path());
    let other = File::open(&journal).unwrap();
    other.lock().unwrap();
    let refused = stack.client.upload(&upload, ignore).await.unwrap_err();
    assert!(matches!(refused, UploadError::InProgress), "{refused:?}");
    let refused = stack.client.discard(&upload).await.unwrap_err();
    assert!(matches!(refused, UploadError::InProgress), "{refused:?}");
    drop(other);
    let before = stack.multipart_uploads(VAULT).await;
    stack.client.discard(&upload).await.unwrap();
    assert_eq!(stack.multipart_uploads(VAULT).await, before - 1);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_file() {
    if ran().await {
        return;
    }
    const MAX_PEAK: u64 = 64 << 10;
    let test = "killed_uploads::memory_does_not_grow_with_the_file";
    let stack = Stack::start().await;
    let content = large(0).repeat(4);
    let path = stack.file("large", &content);
    let folder = TempDir::new_in(stack.folder.path()).unwrap();
    let url = stack.service_proxy.url();
    let up = Transfer::Up {
        path: path.clone(),
        folder: folder.path().to_owned(),
    };
    let done = Running::start(test, &url, &up).ended().await.unwrap();
    println!("{} KiB for an upload of {} bytes", done.peak, content.len());
    assert!(done.peak < MAX_PEAK, "{} KiB", done.peak);
    let (_copies, copy) = stack.destination();
    let down = Transfer::Down {
        id: done.id,
        path: copy.clone(),
        dies: false,
    };
    let done = Running::start(test, &url, &down).ended().await.unwrap();
    println!("{} KiB for its download", done.peak);
    assert!(done.peak < MAX_PEAK, "{} KiB", done.peak);
    assert!(fs::read(&copy).unwrap() == content);
}
