//! AES-256-GCM: our stream against `aes-gcm`'s one-shot call, on the same bytes.

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use caas_crypto::stored::{AAD, Grant, IV};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LEN: usize = 16 << 20;
const KEY: [u8; 32] = [1; 32];

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal 16 MiB");
    group.throughput(Throughput::Bytes(LEN as u64));
    let mut buffer = vec![3; LEN];
    group.bench_function("aes-gcm, one call", |bench| {
        bench.iter(|| {
            Aes256Gcm::new(&KEY.into())
                .encrypt_inout_detached(&IV.into(), &AAD, buffer.as_mut_slice().into())
                .expect("short enough")
        });
    });
    for chunk_len in [4 << 10, 64 << 10, LEN] {
        let name = format!("stream, chunks of {} KiB", chunk_len >> 10);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let grant = Grant::received(KEY.into(), &IV, &AAD).expect("ours");
                let mut sealer = grant.into_sealer();
                for chunk in buffer.chunks_mut(chunk_len) {
                    sealer.update(chunk).expect("short enough");
                }
                sealer.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
