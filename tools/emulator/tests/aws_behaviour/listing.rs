//! ListObjectsV2 and ListObjectVersions.

use aws_sdk_s3::{operation::list_objects_v2::ListObjectsV2Output, types::EncodingType};

use crate::{
    Aws, counts,
    requests::{Bucket, assert_refused, keys_of},
};

crate::behaviours! {
    keys_come_in_the_order_of_their_bytes,
    a_prefix_selects,
    a_delimiter_groups,
    pages_add_up,
    pages_of_groups_add_up,
    start_after,
    a_page_has_at_most_1000_keys,
    names_can_be_url_encoded,
    a_bad_token_is_refused,
    versions_come_newest_first,
    pages_of_versions_add_up,
    buckets_are_listed,
}

fn prefixes_of(listed: &ListObjectsV2Output) -> Vec<&str> {
    let prefixes = listed.common_prefixes().iter();
    prefixes.map(|prefix| prefix.prefix().unwrap()).collect()
}

const KEYS: [&str; 9] = ["a", "a/b", "a/c", "a/d/e", "b", "b-", "b/x", "z", "ä"];

async fn filled(aws: &Aws) -> Bucket {
    let bucket = aws.bucket().await;
    for key in KEYS {
        bucket.write(key, "").await;
    }
    bucket
}

async fn keys_come_in_the_order_of_their_bytes(aws: Aws) {
    let listed = filled(&aws).await.list().send().await.unwrap();
    assert_eq!(keys_of(&listed), KEYS);
    assert_eq!(
        (listed.key_count(), listed.is_truncated()),
        (Some(9), Some(false))
    );
    let first = &listed.contents()[0];
    assert_eq!(first.e_tag(), Some("\"d41d8cd98f00b204e9800998ecf8427e\""));
    assert_eq!(first.size(), Some(0));
}

async fn a_prefix_selects(aws: Aws) {
    let bucket = filled(&aws).await;
    let counts = [4, 3, 1, 1, 0, 1];
    for (prefix, count) in ["a", "a/", "a/d/", "ä", "nothing", "b-"]
        .into_iter()
        .zip(counts)
    {
        let listed = bucket.list().prefix(prefix).send().await.unwrap();
        let keys = keys_of(&listed);
        assert_eq!(keys.len(), count, "{prefix}");
        assert!(keys.iter().all(|key| key.starts_with(prefix)), "{keys:?}");
    }
}

async fn a_delimiter_groups(aws: Aws) {
    let bucket = filled(&aws).await;
    let cases = [
        ("", vec!["a", "b", "b-", "z", "ä"], vec!["a/", "b/"]),
        ("a", vec!["a"], vec!["a/"]),
        ("a/", vec!["a/b", "a/c"], vec!["a/d/"]),
    ];
    for (prefix, keys, prefixes) in cases {
        let request = bucket.list().delimiter("/").prefix(prefix);
        let listed = request.send().await.unwrap();
        assert_eq!(keys_of(&listed), keys);
        assert_eq!(prefixes_of(&listed), prefixes);
    }
}

/// Keys and common prefixes of all pages.
async fn in_pages(bucket: &Bucket, size: i32, delimiter: Option<&str>) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let request = bucket.list().max_keys(size);
        let request = request.set_delimiter(delimiter.map(str::to_owned));
        let page = request.set_continuation_token(token).send().await.unwrap();
        let found = [keys_of(&page), prefixes_of(&page)].concat();
        assert!(found.len() <= size as usize);
        names.extend(found.into_iter().map(str::to_owned));
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return names;
        }
    }
}

async fn pages_add_up(aws: Aws) {
    let bucket = filled(&aws).await;
    for size in 1..=10 {
        assert_eq!(in_pages(&bucket, size, None).await, KEYS);
    }
}

async fn pages_of_groups_add_up(aws: Aws) {
    let bucket = filled(&aws).await;
    for size in 1..=8 {
        let mut names = in_pages(&bucket, size, Some("/")).await;
        names.sort_unstable();
        assert_eq!(names, ["a", "a/", "b", "b-", "b/", "z", "ä"], "{size}");
    }
}

async fn start_after(aws: Aws) {
    let bucket = filled(&aws).await;
    for (after, count) in [("a", 8), ("a/bb", 7), ("z", 1), ("zzz", 1), ("ä", 0)] {
        let listed = bucket.list().start_after(after).send().await;
        assert_eq!(listed.unwrap().contents().len(), count, "{after}");
    }
}

async fn a_page_has_at_most_1000_keys(aws: Aws) {
    let bucket = aws.bucket().await;
    for start in (0..1001).step_by(77) {
        let puts = (start..(start + 77).min(1001)).map(|number| {
            let bucket = bucket.clone();
            async move { bucket.write(format!("{number:05}"), "").await }
        });
        futures::future::join_all(puts).await;
    }
    let listed = bucket.list().max_keys(5000).send().await.unwrap();
    assert_eq!(
        (listed.contents().len(), listed.is_truncated()),
        (1000, Some(true))
    );
}

async fn names_can_be_url_encoded(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("a/ü+&<\u{1}", "").await;
    let request = bucket.list().encoding_type(EncodingType::Url);
    let listed = request.prefix("a/ü").send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some("a/%C3%BC%2B%26%3C%01"));
    assert_eq!(listed.prefix(), Some("a/%C3%BC"));
}

async fn a_bad_token_is_refused(aws: Aws) {
    let request = aws.bucket().await.list().continuation_token("no token");
    assert_refused(request.send().await, 400, "InvalidArgument");
}

async fn versions_come_newest_first(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, first) = bucket.write("k", "1").await;
    let (_, second) = bucket.write("k", "22").await;
    let (_, other) = bucket.write("j", "333").await;
    let marker = bucket.delete("k").send().await.unwrap();
    let listed = bucket.versions().send().await.unwrap();
    let expected = [
        ("j", other.as_deref(), true, 3),
        ("k", second.as_deref(), false, 2),
        ("k", first.as_deref(), false, 1),
    ];
    assert_eq!(listed.versions().len(), expected.len());
    for (version, (key, id, latest, size)) in listed.versions().iter().zip(expected) {
        assert_eq!((version.key(), version.version_id()), (Some(key), id));
        assert_eq!(version.is_latest(), Some(latest));
        assert_eq!(version.size(), Some(size));
    }
    let listed_marker = &listed.delete_markers()[0];
    assert_eq!(listed_marker.version_id(), marker.version_id());
    assert_eq!(listed_marker.is_latest(), Some(true));
    let listed = bucket.versions().prefix("j").send().await.unwrap();
    assert_eq!(counts(&listed), (1, 0));
}

async fn pages_of_versions_add_up(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    for (key, versions) in [("a", 3), ("b", 1), ("c", 4)] {
        for _ in 0..versions {
            bucket.write(key, "").await;
        }
    }
    bucket.delete("b").send().await.unwrap();
    for size in 1..=10 {
        let (mut seen, mut key_marker, mut version_marker) = (Vec::new(), None, None);
        loop {
            let request = bucket.versions().max_keys(size);
            let request = request
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker);
            let page = request.send().await.unwrap();
            let versions = page.versions().iter().map(|version| version.version_id());
            let markers = page.delete_markers().iter().map(|m| m.version_id());
            seen.extend(versions.chain(markers).map(|id| id.unwrap().to_owned()));
            if page.is_truncated() != Some(true) {
                break;
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            version_marker = page.next_version_id_marker().map(str::to_owned);
        }
        assert_eq!(seen.len(), 9, "{size}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 9, "{size}");
    }
}

async fn buckets_are_listed(aws: Aws) {
    let bucket = aws.bucket().await;
    let listed = aws.s3.list_buckets().send().await.unwrap();
    let mut names = listed.buckets().iter().map(|listed| listed.name());
    assert!(names.any(|name| name == Some(&bucket.name)));
}
