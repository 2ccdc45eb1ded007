//! Many objects, so that a bucket is large.

use std::env;

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::ClientsConfig;
use caas_bench::Error;
use caas_settings::Settings;
use futures::{StreamExt, TryStreamExt, stream};

const CONCURRENCY: usize = 32;

/// Puts `count` objects of 100 bytes at `{prefix}{UUID}{suffix}`, the same UUIDs each time.
pub(crate) async fn fill(
    bucket: &str,
    prefix: &str,
    suffix: &str,
    count: u64,
) -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    let clients = ClientsConfig::read(&settings)?.connect().await;
    let put = async |number: u64| {
        let random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let uuid = format!(
            "{:08x}-{:04x}-4000-8000-{number:012x}",
            random >> 32,
            random & 0xFFFF
        );
        let key = format!("{prefix}{uuid}{suffix}");
        let body = ByteStream::from_static(&[b'x'; 100]);
        let put = clients.s3.put_object().bucket(bucket).key(key).body(body);
        put.send().await.map(drop)
    };
    let puts = stream::iter(0..count).map(put);
    puts.buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    Ok(())
}
