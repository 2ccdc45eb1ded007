//! AES-256-GCM by us and by other libraries, on one thread: 16 MiB in place, and set-up with 100 bytes.

use std::{hint::black_box, time::Duration};

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use aws_lc_rs::aead as aws_lc;
use caas_bench::{Error, median};
use caas_crypto::stored::{AAD, Grant, IV};
use ctr::{
    Ctr32BE,
    cipher::{KeyIvInit, StreamCipher},
};
use ghash::{GHash, universal_hash::UniversalHash};
use ring::aead as ring;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

const KEY: [u8; 32] = [1; 32];
const LEN: usize = 16 << 20;
const CHUNK: usize = 64 << 10;
const SMALL: usize = 100;

/// One way to do it, to the bytes.
type Way = (&'static str, fn(&mut [u8]));

/// `large` or `small`: the ways take turns for this many seconds. Prints the median CPU seconds of one call.
pub(crate) fn measure(what: &str, seconds: f64) -> Result<(), Error> {
    let ways: &[Way] = &[
        ("stream", stream),
        ("aes-gcm", rust_crypto),
        ("aws-lc-rs", aws_lc),
        ("ring", ring_crypto),
        ("AES-CTR alone", keystream),
        ("ghash alone", hash),
    ];
    let (len, calls) = match what {
        "large" => (LEN, 1),
        "small" => (SMALL, 2000),
        _ => return Err("large or small".into()),
    };
    println!("{}", in_turns(ways, len, calls, seconds));
    Ok(())
}

fn in_turns(ways: &[Way], len: usize, calls: u32, seconds: f64) -> Value {
    let mut buffer = vec![3; len];
    let mut times = vec![Vec::new(); ways.len()];
    let begun = cpu();
    // The first round fills the caches.
    for round in 0.. {
        for ((_, way), times) in ways.iter().zip(&mut times) {
            let begun = cpu();
            for _ in 0..calls {
                way(black_box(&mut buffer));
            }
            if round > 0 {
                times.push(cpu() - begun);
            }
        }
        if round > 2 && cpu() - begun > Duration::from_secs_f64(seconds) {
            break;
        }
    }
    let medians = ways.iter().zip(&mut times).map(|((name, _), times)| {
        let each = median(times) / f64::from(calls);
        let spread = |at: usize| times[times.len() * at / 100].as_secs_f64() / f64::from(calls);
        let (low, high) = (spread(5), spread(95));
        (
            (*name).to_owned(),
            json!({"median": each, "p5": low, "p95": high}),
        )
    });
    Value::from(medians.collect::<Map<_, _>>())
}

/// The CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

fn stream(buffer: &mut [u8]) {
    let grant = Grant::received(KEY.into(), &IV, &AAD).expect("ours");
    let mut sealer = grant.into_sealer();
    for chunk in buffer.chunks_mut(CHUNK) {
        sealer.update(chunk).expect("short enough");
    }
    black_box(sealer.finish());
}

fn rust_crypto(buffer: &mut [u8]) {
    let cipher = Aes256Gcm::new(&KEY.into());
    let tag = cipher.encrypt_inout_detached(&IV.into(), &AAD, buffer.into());
    black_box(tag.expect("short enough"));
}

fn keystream(buffer: &mut [u8]) {
    Ctr32BE::<aes::Aes256>::new(&KEY.into(), &[2; 16].into()).apply_keystream(buffer);
}

fn hash(buffer: &mut [u8]) {
    let mut hash = GHash::new(&[2; 16].into());
    hash.update_padded(buffer);
    black_box(hash.finalize());
}

fn aws_lc(buffer: &mut [u8]) {
    let key = aws_lc::UnboundKey::new(&aws_lc::AES_256_GCM, &KEY).expect("32 bytes");
    let nonce = aws_lc::Nonce::assume_unique_for_key(IV);
    let aad = aws_lc::Aad::from(AAD);
    let tag = aws_lc::LessSafeKey::new(key).seal_in_place_separate_tag(nonce, aad, buffer);
    black_box(tag.expect("short enough").as_ref());
}

fn ring_crypto(buffer: &mut [u8]) {
    let key = ring::UnboundKey::new(&ring::AES_256_GCM, &KEY).expect("32 bytes");
    let nonce = ring::Nonce::assume_unique_for_key(IV);
    let aad = ring::Aad::from(AAD);
    let tag = ring::LessSafeKey::new(key).seal_in_place_separate_tag(nonce, aad, buffer);
    black_box(tag.expect("short enough").as_ref());
}
