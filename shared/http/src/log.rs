//! The log: JSON lines, one per request, that hold nothing of the request.

use std::panic;

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Starts logging JSON lines to `writer`, from the level `info` on or as `filter` says
/// (`tracing_subscriber`'s directives).
///
/// A panic is logged by its place in our source, without its message, which could hold content.
/// Later calls in one process change nothing.
pub fn init<W>(filter: Option<&str>, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::new(filter.unwrap_or("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic");
        }));
    }
}

/// Bytes read of a request's body, by order of magnitude: enough to see load, too little to recognise a file.
pub(crate) fn size_class(bytes: u64) -> &'static str {
    match bytes {
        0 => "none",
        1..=1_000 => "1kB",
        1_001..=10_000 => "10kB",
        10_001..=100_000 => "100kB",
        100_001..=1_000_000 => "1MB",
        1_000_001..=10_000_000 => "10MB",
        10_000_001..=100_000_000 => "100MB",
        _ => "more",
    }
}
