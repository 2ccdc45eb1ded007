//! What the steps found.

use caas_client::ServiceError;
use caas_clients::Scope;
use serde_json::json;

use crate::{
    failure::{Exit, Failure},
    output::Output,
    text::escaped,
};

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was not tried, or the API key may not do it.
    Skipped(String),
    /// It failed.
    Failed { what: String, next: &'static str },
}

impl Trouble {
    pub(super) fn failed(what: impl Into<String>, next: &'static str) -> Self {
        Self::Failed {
            what: what.into(),
            next,
        }
    }

    /// The response is not what CaaS sends.
    pub(super) fn not_caas() -> Self {
        Self::failed(
            "the response is not understood",
            "check the URL and the service's version: another program may answer there",
        )
    }

    /// A refusal by this route.
    pub(super) fn of(error: ServiceError, method: &str, route: &str) -> Self {
        let (status, code, title, detail) = match error {
            ServiceError::Unavailable => {
                return Self::failed(
                    "the service cannot be reached, or does not respond within 30 seconds",
                    "check the URL, the network and the service's log",
                );
            }
            ServiceError::Unexpected => return Self::not_caas(),
            ServiceError::Refused {
                status,
                code,
                title,
                detail,
            } => (status, code, title, detail),
        };
        if code == "missing-scope" {
            let scope = Scope::of_route(method, route);
            return Self::Skipped(match scope {
                Some(scope) => format!("needs scope {scope}"),
                None => escaped(&detail),
            });
        }
        let next = match (status, title.is_empty()) {
            (401, _) => "log in with a key that the service knows: `caas login`",
            (403 | 404, true) => {
                "check the URL: on API Gateway it ends with the stage, such as /Prod"
            }
            (_, true) => "look into the log of the function: it may not have started",
            (500.., false) => {
                "look into the log of the function, and at its permissions and alarms"
            }
            (_, false) => "look the problem up in docs/problems.md",
        };
        let what = match title.is_empty() {
            true => format!("status {status} without a problem document"),
            false => escaped(&format!("{title}: {detail}")),
        };
        Self::failed(what, next)
    }
}

/// Prints the steps and counts them.
pub(super) struct Report<'a> {
    output: &'a Output,
    steps: usize,
    failed: usize,
    skipped: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self {
            output,
            steps: 0,
            failed: 0,
            skipped: 0,
        }
    }

    /// Prints a step, and returns its result if it succeeded.
    pub(super) fn step<T>(
        &mut self,
        step: &str,
        outcome: Result<T, Trouble>,
        detail: impl FnOnce(&T) -> String,
    ) -> Result<Option<T>, Failure> {
        self.steps += 1;
        let (word, detail, next, result) = match outcome {
            Ok(result) => ("ok", detail(&result), None, Some(result)),
            Err(Trouble::Skipped(why)) => {
                self.skipped += 1;
                ("skipped", why, None, None)
            }
            Err(Trouble::Failed { what, next }) => {
                self.failed += 1;
                ("FAILED", what, Some(next), None)
            }
        };
        let line = format!("{word:<8} {step:<30} {detail}");
        let next_line = next.map(|next| format!("\n{:<8} {next}", ""));
        self.output.result(
            &format!("{}{}", line.trim_end(), next_line.unwrap_or_default()),
            &json!({
                "step": step,
                "outcome": word.to_ascii_lowercase(),
                "detail": detail,
                "next": next,
            }),
        )?;
        Ok(result)
    }

    /// The outcome of the whole.
    pub(super) fn end(self) -> Result<(), Failure> {
        let Self {
            steps,
            failed,
            skipped,
            ..
        } = self;
        if failed > 0 {
            let message = format!("{failed} of {steps} steps failed");
            return Err(Failure::new(Exit::Refused, message));
        }
        let done = steps - skipped;
        self.output.note(&match skipped {
            0 => format!("All {steps} steps succeeded."),
            _ => format!("{done} steps succeeded, {skipped} skipped."),
        });
        Ok(())
    }
}
