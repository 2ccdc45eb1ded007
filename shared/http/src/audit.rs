//! A request's line in the audit trail, and the receipt of an erasure.

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::extract::FromRequestParts;
use caas_audit::{Line, Trail, TrailUnavailable, now};
use http::request::Parts;
use serde::Serialize;

use crate::{Problem, ProblemKind};

/// What the audit trail will say about this request. Whoever learns something about it, adds it:
/// the client, the subject. Clones are about the same request.
///
/// [`Edge`](crate::Edge) writes the line when the request ends. Without one, nothing is written.
#[derive(Clone, Debug, Default)]
pub struct Audit(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    trail: Trail,
    line: Mutex<Line>,
    /// Whether an intent was written.
    has_effect: AtomicBool,
    has_ended: AtomicBool,
}

impl Audit {
    pub(crate) fn new(trail: Trail, request_id: &str, operation: Cow<'static, str>) -> Self {
        Self(Arc::new(Request {
            trail,
            line: Mutex::new(Line::new(request_id, operation)),
            ..Request::default()
        }))
    }

    /// The request's ID.
    pub fn request_id(&self) -> String {
        self.line().request_id.clone()
    }

    /// The API key: the first 16 hex digits of its hash.
    pub fn key(&self, hash: &str) {
        self.line().key = Some(hash.to_owned());
    }

    /// The client.
    pub fn client(&self, client: &str) {
        self.line().client = Some(client.to_owned());
    }

    /// The file or the user, by the hash that KMS encryption contexts have.
    pub fn subject(&self, hash: String) {
        self.line().subject = Some(hash);
    }

    /// How many values the request has.
    pub fn items(&self, items: usize) {
        self.line().items = Some(items as u64);
    }

    /// What is done, where method and route do not say it.
    pub fn operation(&self, operation: &'static str) {
        self.line().operation = operation.into();
    }

    /// Writes that the effect of this request, which is irreversible, is about to happen.
    ///
    /// # Errors
    /// `dependency-unavailable`: the line cannot be written, so the effect must not happen.
    pub async fn intent(&self) -> Result<(), Problem> {
        let line = self.line().clone();
        self.0.has_effect.store(true, Ordering::Relaxed);
        let written = self.0.trail.intent(line).await;
        written.map_err(|TrailUnavailable| ProblemKind::DependencyUnavailable.into())
    }

    /// The receipt of an erasure that removed this many versions. The line says the same.
    pub fn receipt(&self, versions_removed: usize) -> Receipt {
        let mut line = self.line();
        line.removed = Some(versions_removed as u64);
        line.time = now();
        Receipt {
            subject: line.subject.clone().unwrap_or_default(),
            versions_removed: versions_removed as u64,
            time: line.time.clone(),
            request_id: line.request_id.clone(),
        }
    }

    pub(crate) async fn end(&self, outcome: &'static str) {
        self.0.has_ended.store(true, Ordering::Relaxed);
        let line = self.line().clone();
        match self.0.has_effect.load(Ordering::Relaxed) {
            // Whoever writes it logs why it failed. The effect has happened.
            true => drop(self.0.trail.outcome_of_intent(line, outcome).await),
            false => self.write(line, outcome),
        }
    }

    /// What ends the request if nothing else does: its client has gone.
    pub(crate) fn unless_ended(&self) -> UnlessEnded {
        UnlessEnded(self.clone())
    }

    fn write(&self, line: Line, outcome: &'static str) {
        if let Err(error) = self.0.trail.outcome(line, outcome) {
            tracing::error!(kind = %error.kind(), "cannot write the audit trail");
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the line of a request that is dropped.
pub(crate) struct UnlessEnded(Audit);

impl Drop for UnlessEnded {
    fn drop(&mut self) {
        if !self.0.0.has_ended.load(Ordering::Relaxed) {
            let line = self.0.line().clone();
            self.0.write(line, "cancelled");
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Audit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// What an erasure removed. The audit trail has the same.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Receipt {
    /// What stands for the user or the file in the audit trail and in KMS's records: a SHA-256 in
    /// hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub subject: String,
    /// How many stored versions were removed permanently. 0: there was nothing left.
    pub versions_removed: u64,
    /// When.
    #[schema(format = DateTime)]
    pub time: String,
    /// The request's ID.
    pub request_id: String,
}
