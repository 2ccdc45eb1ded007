//! Random bytes from the operating system.

use std::io;

use zeroize::Zeroizing;

/// Bytes for a secret, wiped when dropped.
pub(crate) fn secret<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A random name of `2 * N` lower-case hex digits.
pub(crate) fn hex<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}
