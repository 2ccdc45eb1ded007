//! What S3 has checked of a sealed object.

use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_aws::PutOptions;
use caas_testing::{VAULT, bytes};
use caas_vault::PART_LEN;
use crc_fast::{CrcAlgorithm, checksum};

use crate::support::{Stack, key};

#[tokio::test]
async fn the_checksum_is_over_the_whole_object_however_it_was_sent() {
    let stack = Stack::start().await;
    let key = key("acme/a");
    for len in [0, 100, PART_LEN + 1, 2 * PART_LEN + 5] {
        let content = bytes(len);
        let options = PutOptions::default();
        let put = stack.vault.put_reader(&key, content.as_slice(), &options);
        let stored = put.await.unwrap();
        let get = stack
            .clients
            .s3
            .get_object()
            .bucket(VAULT)
            .key(key.as_str());
        let got = get
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .unwrap();
        assert_eq!(got.checksum_type, Some(ChecksumType::FullObject), "{len}");
        assert_eq!(
            got.checksum_crc64_nvme.as_ref(),
            Some(&stored.checksum),
            "{len}"
        );
        let body = got.body.collect().await.unwrap().into_bytes();
        let expected = checksum(CrcAlgorithm::Crc64Nvme, &body).to_be_bytes();
        assert_eq!(stored.checksum, BASE64_STANDARD.encode(expected), "{len}");
        let version_id = stored.version_id.unwrap();
        let info = stack.vault.head_version(&key, &version_id).await.unwrap();
        assert_eq!(info.unwrap().checksum, Some(stored.checksum), "{len}");
    }
}
