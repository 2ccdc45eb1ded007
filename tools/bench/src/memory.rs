use std::{fs, io};

use crate::Error;

/// A value of `/proc/self/status` in KiB: `VmRSS` or `VmHWM`.
///
/// # Errors
/// There is no such line or file: this is not Linux.
pub fn memory(name: &str) -> Result<u64, Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(value.ok_or("no such line")?.parse()?)
}

/// Resets the peak `VmHWM` to the current `VmRSS`.
///
/// # Errors
/// This is not Linux.
pub fn reset_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}
