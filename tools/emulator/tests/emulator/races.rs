//! Many writers, one key.

use futures::future::join_all;

use crate::{
    BUCKET, UNVERSIONED,
    clients::{refused, s3_of, upload_part},
    get, put, start,
};

const WRITERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_creators_wins() {
    let (emulator, _folder) = start().await;
    let s3 = s3_of(&emulator);
    for round in 0..5 {
        let key = format!("round/{round}");
        let puts = (0..WRITERS).map(|writer| {
            let put = s3.put_object().bucket(BUCKET).key(&key).if_none_match("*");
            tokio::spawn(put.body(writer.to_string().into_bytes().into()).send())
        });
        let mut winners = Vec::new();
        for (writer, put) in join_all(puts).await.into_iter().enumerate() {
            match put.unwrap() {
                Ok(_) => winners.push(writer),
                refusal => assert_eq!(refused(refusal), (412, "PreconditionFailed".to_owned())),
            }
        }
        assert_eq!(winners.len(), 1);
        let got = get(&s3, &key).await;
        let body = got.body.collect().await.unwrap().into_bytes();
        assert_eq!(body, winners[0].to_string());
        let versions = s3
            .list_object_versions()
            .bucket(BUCKET)
            .prefix(&key)
            .send()
            .await;
        assert_eq!(versions.unwrap().versions().len(), 1);
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_replacers_wins() {
    let (emulator, _folder) = start().await;
    let s3 = s3_of(&emulator);
    let seen = put(&s3, "k", "").await.e_tag.unwrap();
    let puts = (0..WRITERS).map(|writer| {
        let put = s3.put_object().bucket(BUCKET).key("k").if_match(&seen);
        tokio::spawn(put.body(writer.to_string().into_bytes().into()).send())
    });
    let results = join_all(puts).await;
    assert_eq!(
        results
            .iter()
            .filter(|put| put.as_ref().unwrap().is_ok())
            .count(),
        1
    );
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_16_completions_wins() {
    let (emulator, _folder) = start().await;
    let s3 = s3_of(&emulator);
    let mut completions = Vec::new();
    for writer in 0..16 {
        let body = writer.to_string().into_bytes();
        let complete = upload_part(&s3, BUCKET, "k", body).await.unwrap();
        completions.push(complete.if_none_match("*"));
    }
    let completions = completions
        .into_iter()
        .map(|complete| tokio::spawn(complete.send()));
    let results = join_all(completions).await;
    assert_eq!(
        results
            .iter()
            .filter(|done| done.as_ref().unwrap().is_ok())
            .count(),
        1
    );
    let request = s3.list_multipart_uploads().bucket(BUCKET);
    let left = request.send().await.unwrap();
    assert_eq!(left.uploads().len(), 15);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_mixture() {
    let (emulator, _folder) = start().await;
    let s3 = s3_of(&emulator);
    let body = |letter: u8| vec![letter; 700_000];
    let put = |letter: u8| {
        s3.put_object()
            .bucket(UNVERSIONED)
            .key("k")
            .body(body(letter).into())
            .send()
    };
    put(b'a').await.unwrap();
    let reads = (0..40).map(|_| {
        let get = s3.get_object().bucket(UNVERSIONED).key("k");
        tokio::spawn(async move {
            let got = get.send().await.unwrap();
            got.body.collect().await.unwrap().into_bytes()
        })
    });
    let reads: Vec<_> = reads.collect();
    for letter in b'b'..=b'k' {
        put(letter).await.unwrap();
    }
    for read in join_all(reads).await {
        let read = read.unwrap();
        assert_eq!(read, body(read[0]));
    }
    emulator.shutdown().await;
}
