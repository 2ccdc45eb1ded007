//! The log: JSON lines, one per request, that hold nothing of the request.

use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

/// Beginnings of the names of our own crates, whose log lines are known to hold no content.
const OURS: [&str; 5] = [
    "caas_",
    "encrypt_data",
    "encrypt_file",
    "seal_object",
    "upload_file",
];

/// Libraries that log what they send, serve or cannot read, such as S3's keys with file names in them.
const SILENT: [&str; 6] = ["aws", "h2", "hyper", "lambda_", "rustls", "s3s"];

/// Starts logging JSON lines to `writer`, from `level` on: `off`, `error`, `warn`, `info` (the default),
/// `debug` or `trace`.
///
/// The level is that of our own crates. Libraries log requests at finer levels than `warn`, so that is
/// where they stay. A panic is logged by its place in our source, without its message, which could hold
/// content. Later calls in one process change nothing.
pub fn init<W>(level: Option<&str>, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let asked = level
        .filter(|level| !level.is_empty())
        .map(str::parse::<LevelFilter>);
    let unreadable = matches!(asked, Some(Err(_)));
    let level = asked.and_then(Result::ok).unwrap_or(LevelFilter::INFO);
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.map(|ours| (ours, level)))
        .with_targets(SILENT.map(|silent| (silent, LevelFilter::OFF)));
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_writer(writer);
    let subscriber = tracing_subscriber::registry().with(targets).with(lines);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic");
        }));
        if unreadable {
            tracing::warn!("LOG is not one of off, error, warn, info, debug, trace: taken as info");
        }
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
