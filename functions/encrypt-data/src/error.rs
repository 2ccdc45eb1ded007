//! The problems of users' keys and values.

use caas_http::{Problem, ProblemKind};
use caas_users::UserKeyError;

/// Why a user's key is not available.
pub(crate) fn no_key(error: UserKeyError) -> Problem {
    match error {
        UserKeyError::Damaged => Problem::new(
            ProblemKind::IntegrityFailure,
            "This user's keys do not open. Nothing was changed; ask the operator to inspect the record.",
        ),
        UserKeyError::Unavailable => ProblemKind::DependencyUnavailable.into(),
        UserKeyError::TooManyVersions => {
            Problem::invalid("This user already has the maximum of 1,000 key versions.")
        }
    }
}

/// A value does not open, whatever the cause.
pub(crate) fn does_not_open() -> Problem {
    Problem::new(
        ProblemKind::IntegrityFailure,
        "The value does not open: it was changed, or this user has no key for it.",
    )
}

/// The user has no keys, or belongs to another client.
pub(crate) fn no_user() -> Problem {
    Problem::new(ProblemKind::NotFound, "This user has no keys.")
}
