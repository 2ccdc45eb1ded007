//! Where the lines go.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::{Kind, Line, now};

/// The trail of this process. Clones write the same one. The default writes nothing.
///
/// The trail does not depend on the log's level.
#[derive(Clone, Default)]
pub struct Trail(Option<Arc<Inner>>);

struct Inner {
    process: String,
    /// The namespace of CloudWatch metrics.
    metrics: Option<String>,
    output: Mutex<Output>,
}

struct Output {
    written: u64,
    writer: Box<dyn Write + Send>,
}

/// A line could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailUnavailable;

impl Trail {
    /// A trail that writes each line with one `write_all`. A writer's `flush` must make lines durable:
    /// it is called for intents and for the outcomes that follow them.
    ///
    /// With a namespace, an outcome is also a CloudWatch metric, in the Embedded Metric Format:
    /// `requests`, by operation and outcome, and by outcome.
    pub fn new(writer: impl Write + Send + 'static, metrics: Option<String>) -> Self {
        let mut process = Uuid::new_v4().simple().to_string();
        process.truncate(16);
        Self(Some(Arc::new(Inner {
            process,
            metrics,
            output: Mutex::new(Output {
                written: 0,
                writer: Box::new(writer),
            }),
        })))
    }

    /// Writes, before an irreversible effect, that it is about to happen. Without this line the effect
    /// must not happen.
    ///
    /// # Errors
    /// The line could not be written.
    pub async fn intent(&self, mut line: Line) -> Result<(), TrailUnavailable> {
        line.audit = Kind::Intent;
        self.write_durably(line).await
    }

    /// Writes how an effect ended that an intent announced.
    ///
    /// # Errors
    /// The line could not be written.
    pub async fn outcome_of_intent(
        &self,
        mut line: Line,
        outcome: &'static str,
    ) -> Result<(), TrailUnavailable> {
        line.outcome = Some(outcome.into());
        self.write_durably(line).await
    }

    /// Writes how a request ended.
    ///
    /// # Errors
    /// The line could not be written.
    pub fn outcome(&self, mut line: Line, outcome: &'static str) -> io::Result<()> {
        line.outcome = Some(outcome.into());
        self.write(line, false)
    }

    async fn write_durably(&self, line: Line) -> Result<(), TrailUnavailable> {
        if self.0.is_none() {
            return Ok(());
        }
        let trail = self.clone();
        let written = spawn_blocking(move || trail.write(line, true)).await;
        written
            .unwrap_or_else(|error| Err(error.into()))
            .map_err(|error| {
                tracing::error!(kind = %error.kind(), "cannot write the audit trail");
                TrailUnavailable
            })
    }

    fn write(&self, mut line: Line, durably: bool) -> io::Result<()> {
        let Some(inner) = &self.0 else { return Ok(()) };
        line.process.clone_from(&inner.process);
        let mut output = inner.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.written += 1;
        line.seq = output.written;
        if line.time.is_empty() {
            line.time = now();
        }
        let mut text = serde_json::to_vec(&line)?;
        if let (Some(namespace), Kind::Outcome) = (&inner.metrics, line.audit) {
            text.pop();
            write_metric(&mut text, namespace)?;
        }
        text.push(b'\n');
        output.writer.write_all(&text)?;
        match durably {
            true => output.writer.flush(),
            false => Ok(()),
        }
    }
}

/// Ends an object with one metric in CloudWatch's Embedded Metric Format. Its dimensions are fields of
/// the line.
fn write_metric(text: &mut Vec<u8>, namespace: &str) -> io::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let milliseconds = since.unwrap_or_default().as_millis();
    let namespace = serde_json::to_string(namespace)?;
    write!(
        text,
        r#","requests":1,"_aws":{{"Timestamp":{milliseconds},"CloudWatchMetrics":[{{"Namespace":{namespace},"Dimensions":[["operation","outcome"],["outcome"]],"Metrics":[{{"Name":"requests","Unit":"Count"}}]}}]}}}}"#
    )
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::mpsc};

    use super::*;

    /// Sends each line, and an empty one for a flush.
    struct Sender(mpsc::Sender<String>);

    impl Write for Sender {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(line.to_vec()).unwrap();
            self.0.send(text).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.send(String::new()).unwrap();
            Ok(())
        }
    }

    fn trail(metrics: Option<&str>) -> (Trail, mpsc::Receiver<String>) {
        let (sender, lines) = mpsc::channel();
        (
            Trail::new(Sender(sender), metrics.map(str::to_owned)),
            lines,
        )
    }

    fn line() -> Line {
        Line {
            client: Some("acme".to_owned()),
            subject: Some("5a".repeat(32)),
            ..Line::new("id", "DELETE /users/{uuid}".into())
        }
    }

    #[tokio::test]
    async fn lines_are_numbered_and_an_effects_lines_are_durable() {
        let (trail, lines) = trail(None);
        trail.outcome(line(), "ok").unwrap();
        trail.intent(line()).await.unwrap();
        trail.outcome_of_intent(line(), "ok").await.unwrap();
        let written: Vec<_> = lines.try_iter().collect();
        let read = |text: &str| serde_json::from_str::<Line>(text).unwrap();
        let [outcome, intent, flush, end, another_flush] = &written[..] else {
            panic!("{written:?}");
        };
        assert!(flush.is_empty() && another_flush.is_empty());
        let (outcome, intent, end) = (read(outcome), read(intent), read(end));
        assert_eq!([outcome.seq, intent.seq, end.seq], [1, 2, 3]);
        assert_eq!((intent.audit, intent.outcome), (Kind::Intent, None));
        assert_eq!((end.audit, end.outcome), (Kind::Outcome, Some("ok".into())));
        assert_eq!(
            (outcome.process.len(), &outcome.process),
            (16, &end.process)
        );
        assert!(
            written
                .iter()
                .all(|line| line.is_empty() || line.ends_with("}\n"))
        );
    }

    #[tokio::test]
    async fn an_outcome_is_one_metric_and_an_intent_none() {
        let (trail, lines) = trail(Some("CaaS/stack"));
        trail.intent(line()).await.unwrap();
        trail.outcome(line(), "not-found").unwrap();
        let written: Vec<_> = lines.try_iter().collect();
        assert!(!written[0].contains("_aws"), "{}", written[0]);
        let outcome: serde_json::Value = serde_json::from_str(&written[2]).unwrap();
        let metrics = &outcome["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Namespace"], "CaaS/stack");
        for set in metrics["Dimensions"].as_array().unwrap() {
            for name in set.as_array().unwrap() {
                assert!(outcome[name.as_str().unwrap()].is_string(), "{name}");
            }
        }
        let name = metrics["Metrics"][0]["Name"].as_str().unwrap();
        assert_eq!(outcome[name], 1);
        assert!(outcome["_aws"]["Timestamp"].as_u64().is_some());
        // What the reader makes of it.
        assert_eq!(serde_json::from_str::<Line>(&written[2]).unwrap().seq, 2);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error_and_leaves_a_gap() {
        struct Full(bool, Sender);
        impl Write for Full {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                match std::mem::take(&mut self.0) {
                    true => Err(io::ErrorKind::StorageFull.into()),
                    false => self.1.write(line),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, lines) = mpsc::channel();
        let trail = Trail::new(Full(true, Sender(sender)), None);
        assert_eq!(trail.intent(line()).await, Err(TrailUnavailable));
        trail.intent(line()).await.unwrap();
        let written: Line = serde_json::from_str(&lines.try_recv().unwrap()).unwrap();
        assert_eq!(written.seq, 2);
        Trail::default().intent(line()).await.unwrap();
    }
}
