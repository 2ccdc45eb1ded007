//! The Rust side of `tools/bench/compare.py`: the functions and the emulator, each in its own process so that their
//! CPU time is their own, transfers, ciphers, and objects that fill a bucket. Each prints JSON.

#![expect(clippy::print_stdout, reason = "a program for compare.py")]

mod ciphers;
mod emulator;
mod fill;
mod requests;
mod service;
mod transfer;

use std::env;

use caas_bench::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["ciphers", what, seconds] => ciphers::measure(what, seconds.parse()?),
        ["emulator", folder] => emulator::serve(folder).await,
        ["fill", bucket, prefix, suffix, count] => {
            fill::fill(bucket, prefix, suffix, count.parse()?).await
        }
        ["requests"] => requests::serve().await,
        ["service"] => service::serve().await,
        ["transfer", what, bucket, key, len] => {
            transfer::run(what, bucket, key, len.parse()?).await
        }
        _ => Err("see tools/bench/compare.py".into()),
    }
}
