//! The log: JSON lines, one per request, that hold nothing of the request.

use std::panic;

use tracing_subscriber::{EnvFilter, filter::FilterFn, fmt::MakeWriter, layer::SubscriberExt};

/// Where log lines come from that hold parts of requests to S3 and KMS: file names, in S3's keys.
const SILENT: [&str; 4] = ["aws", "hyper", "h2", "rustls"];

/// Starts logging JSON lines to `writer`, from the level `info` on or as `filter` says
/// (`tracing_subscriber`'s directives). The AWS SDK and what it sends with are never logged, whatever
/// `filter` says.
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
        .finish()
        .with(FilterFn::new(|line| {
            !SILENT
                .iter()
                .any(|source| line.target().starts_with(source))
        }));
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic");
        }));
    }
}

/// Bytes in a body by order of magnitude: enough to see load, too little to recognise a file.
pub(crate) fn size_class(bytes: Option<u64>) -> &'static str {
    match bytes {
        None => "unknown",
        Some(0) => "none",
        Some(..=1_000) => "1kB",
        Some(..=10_000) => "10kB",
        Some(..=100_000) => "100kB",
        Some(..=1_000_000) => "1MB",
        Some(..=10_000_000) => "10MB",
        Some(..=100_000_000) => "100MB",
        Some(_) => "more",
    }
}
