//! ListObjectsV2 and ListObjectVersions.

use aws_sdk_s3::types::EncodingType;

use crate::{Aws, clients::refused};

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

const KEYS: [&str; 9] = ["a", "a/b", "a/c", "a/d/e", "b", "b-", "b/x", "z", "ä"];

async fn filled(aws: &Aws) -> String {
    let bucket = aws.bucket().await;
    for key in KEYS {
        aws.put(&bucket, key, "").await;
    }
    bucket
}

async fn keys_come_in_the_order_of_their_bytes(aws: Aws) {
    let bucket = filled(&aws).await;
    let listed = aws
        .s3
        .list_objects_v2()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = listed
        .contents()
        .iter()
        .map(|object| object.key().unwrap())
        .collect();
    assert_eq!(keys, KEYS);
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
    let cases = [
        ("a", 4),
        ("a/", 3),
        ("a/d/", 1),
        ("ä", 1),
        ("nothing", 0),
        ("b-", 1),
    ];
    for (prefix, count) in cases {
        let listed = aws
            .s3
            .list_objects_v2()
            .bucket(&bucket)
            .prefix(prefix)
            .send()
            .await
            .unwrap();
        assert_eq!(listed.contents().len(), count, "{prefix}");
        assert!(
            listed
                .contents()
                .iter()
                .all(|object| object.key().unwrap().starts_with(prefix))
        );
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
        let request = aws
            .s3
            .list_objects_v2()
            .bucket(&bucket)
            .delimiter("/")
            .prefix(prefix);
        let listed = request.send().await.unwrap();
        let found: Vec<_> = listed.contents().iter().map(|o| o.key().unwrap()).collect();
        assert_eq!(found, keys);
        let found: Vec<_> = listed
            .common_prefixes()
            .iter()
            .map(|p| p.prefix().unwrap())
            .collect();
        assert_eq!(found, prefixes);
    }
}

async fn pages_add_up(aws: Aws) {
    let bucket = filled(&aws).await;
    for size in 1..=10 {
        let (mut keys, mut token) = (Vec::new(), None);
        loop {
            let request = aws.s3.list_objects_v2().bucket(&bucket).max_keys(size);
            let page = request.set_continuation_token(token).send().await.unwrap();
            assert!(page.contents().len() <= size as usize);
            keys.extend(
                page.contents()
                    .iter()
                    .map(|object| object.key().unwrap().to_owned()),
            );
            token = page.next_continuation_token().map(str::to_owned);
            assert_eq!(page.is_truncated(), Some(token.is_some()));
            if token.is_none() {
                break;
            }
        }
        assert_eq!(keys, KEYS);
    }
}

async fn pages_of_groups_add_up(aws: Aws) {
    let bucket = filled(&aws).await;
    for size in 1..=8 {
        let (mut names, mut token) = (Vec::new(), None);
        loop {
            let request = aws
                .s3
                .list_objects_v2()
                .bucket(&bucket)
                .max_keys(size)
                .delimiter("/");
            let page = request.set_continuation_token(token).send().await.unwrap();
            names.extend(
                page.contents()
                    .iter()
                    .map(|object| object.key().unwrap().to_owned()),
            );
            let prefixes = page.common_prefixes().iter();
            names.extend(prefixes.map(|prefix| prefix.prefix().unwrap().to_owned()));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        names.sort_unstable();
        assert_eq!(names, ["a", "a/", "b", "b-", "b/", "z", "ä"], "{size}");
    }
}

async fn start_after(aws: Aws) {
    let bucket = filled(&aws).await;
    for (after, count) in [("a", 8), ("a/bb", 7), ("z", 1), ("zzz", 1), ("ä", 0)] {
        let listed = aws
            .s3
            .list_objects_v2()
            .bucket(&bucket)
            .start_after(after)
            .send()
            .await;
        assert_eq!(listed.unwrap().contents().len(), count, "{after}");
    }
}

async fn a_page_has_at_most_1000_keys(aws: Aws) {
    let bucket = aws.bucket().await;
    for start in (0..1001).step_by(77) {
        let puts = (start..(start + 77).min(1001)).map(|number| {
            let (aws, bucket) = (aws.clone(), bucket.clone());
            async move { aws.put(&bucket, &format!("{number:05}"), "").await }
        });
        futures::future::join_all(puts).await;
    }
    let listed = aws
        .s3
        .list_objects_v2()
        .bucket(&bucket)
        .max_keys(5000)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (listed.contents().len(), listed.is_truncated()),
        (1000, Some(true))
    );
}

async fn names_can_be_url_encoded(aws: Aws) {
    let bucket = aws.bucket().await;
    aws.put(&bucket, "a/ü+&<\u{1}", "").await;
    let request = aws
        .s3
        .list_objects_v2()
        .bucket(&bucket)
        .encoding_type(EncodingType::Url);
    let listed = request.prefix("a/ü").send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some("a/%C3%BC%2B%26%3C%01"));
    assert_eq!(listed.prefix(), Some("a/%C3%BC"));
}

async fn a_bad_token_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let request = aws
        .s3
        .list_objects_v2()
        .bucket(&bucket)
        .continuation_token("no token");
    assert_eq!(
        refused(request.send().await),
        (400, "InvalidArgument".to_owned())
    );
}

async fn versions_come_newest_first(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, first) = aws.put(&bucket, "k", "1").await;
    let (_, second) = aws.put(&bucket, "k", "22").await;
    let (_, other) = aws.put(&bucket, "j", "333").await;
    let marker = aws
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    let listed = aws
        .s3
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    let versions: Vec<_> = listed
        .versions()
        .iter()
        .map(|v| {
            (
                v.key().unwrap(),
                v.version_id(),
                v.is_latest().unwrap(),
                v.size().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("j", other.as_deref(), true, 3),
        ("k", second.as_deref(), false, 2),
        ("k", first.as_deref(), false, 1),
    ];
    assert_eq!(versions, expected);
    let listed_marker = &listed.delete_markers()[0];
    assert_eq!(listed_marker.version_id(), marker.version_id());
    assert_eq!(listed_marker.is_latest(), Some(true));
    let listed = aws
        .s3
        .list_object_versions()
        .bucket(&bucket)
        .prefix("j")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (listed.versions().len(), listed.delete_markers().len()),
        (1, 0)
    );
}

async fn pages_of_versions_add_up(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    for (key, versions) in [("a", 3), ("b", 1), ("c", 4)] {
        for _ in 0..versions {
            aws.put(&bucket, key, "").await;
        }
    }
    let request = aws.s3.delete_object().bucket(&bucket).key("b");
    request.send().await.unwrap();
    for size in 1..=10 {
        let (mut seen, mut key_marker, mut version_marker) = (Vec::new(), None, None);
        loop {
            let request = aws.s3.list_object_versions().bucket(&bucket).max_keys(size);
            let request = request
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker);
            let page = request.send().await.unwrap();
            seen.extend(
                page.versions()
                    .iter()
                    .map(|v| v.version_id().unwrap().to_owned()),
            );
            seen.extend(
                page.delete_markers()
                    .iter()
                    .map(|m| m.version_id().unwrap().to_owned()),
            );
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
    assert!(
        listed
            .buckets()
            .iter()
            .any(|listed| listed.name() == Some(&bucket))
    );
}
