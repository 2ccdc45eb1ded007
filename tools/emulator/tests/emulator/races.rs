//! Many writers, one key.

use futures::future::join_all;

use crate::{
    BUCKET, UNVERSIONED, bucket_of,
    clients::{s3_of, upload_part},
    requests::{Bucket, assert_refused},
    start,
};

const WRITERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_creators_wins() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    for round in 0..5 {
        let key = format!("round/{round}");
        let puts = (0..WRITERS).map(|writer| {
            let put = bucket.put(&key, writer.to_string().as_str());
            tokio::spawn(put.if_none_match("*").send())
        });
        let mut winners = Vec::new();
        for (writer, put) in join_all(puts).await.into_iter().enumerate() {
            match put.unwrap() {
                Ok(_) => winners.push(writer),
                refusal => assert_refused(refusal, 412, "PreconditionFailed"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(bucket.read(&key).await, Ok(winners[0].to_string()));
        let versions = bucket.versions().prefix(&key).send().await;
        assert_eq!(versions.unwrap().versions().len(), 1);
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_replacers_wins() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    let (seen, _) = bucket.write("k", "").await;
    let puts = (0..WRITERS).map(|writer| {
        let put = bucket.put("k", writer.to_string().as_str());
        tokio::spawn(put.if_match(&seen).send())
    });
    let results = join_all(puts).await;
    let winners = results.iter().filter(|put| put.as_ref().unwrap().is_ok());
    assert_eq!(winners.count(), 1);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_16_completions_wins() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    let mut completions = Vec::new();
    for writer in 0..16 {
        let body = writer.to_string().into_bytes();
        let complete = upload_part(&bucket.s3, BUCKET, "k", body).await.unwrap();
        completions.push(complete.if_none_match("*"));
    }
    let completions = completions
        .into_iter()
        .map(|complete| tokio::spawn(complete.send()));
    let results = join_all(completions).await;
    let winners = results.iter().filter(|done| done.as_ref().unwrap().is_ok());
    assert_eq!(winners.count(), 1);
    let left = bucket.uploads().send().await.unwrap();
    assert_eq!(left.uploads().len(), 15);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_mixture() {
    let (emulator, _folder) = start().await;
    let bucket = Bucket::new(s3_of(&emulator), UNVERSIONED);
    let body = |letter: u8| vec![letter; 700_000];
    bucket.write("k", body(b'a')).await;
    let reads = (0..40).map(|_| {
        let get = bucket.get("k");
        tokio::spawn(async move {
            let got = get.send().await.unwrap();
            got.body.collect().await.unwrap().into_bytes()
        })
    });
    let reads: Vec<_> = reads.collect();
    for letter in b'b'..=b'k' {
        bucket.write("k", body(letter)).await;
    }
    for read in join_all(reads).await {
        let read = read.unwrap();
        assert_eq!(read, body(read[0]));
    }
    emulator.shutdown().await;
}
