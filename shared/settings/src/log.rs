//! The log: JSON lines that hold nothing of a request.

use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

/// How the names of our own crates begin, whose log lines hold no content.
const OURS: [&str; 5] = [
    "caas_",
    "encrypt_data",
    "encrypt_file",
    "seal_object",
    "upload_file",
];

/// Libraries that log what they send, serve or cannot read, such as S3 keys, which contain file names.
const SILENT: [&str; 6] = ["aws", "h2", "hyper", "lambda_", "rustls", "s3s"];

/// Writes log lines as JSON to `writer`, at `level` and above: `off`, `error`, `warn`, `info` (the
/// default), `debug` or `trace`.
///
/// The level applies to our own crates. Libraries stay at `warn`, because they log requests at finer
/// levels. A panic is logged by its location, without its message, which could hold content. Only the
/// first call in a process has an effect.
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
