//! What becomes of errors.

use caas_http::{Problem, ProblemKind};
use caas_users::UserKeyError;

/// The answer where a user's key cannot be had.
pub(crate) fn no_key(error: UserKeyError) -> Problem {
    match error {
        UserKeyError::Damaged => Problem::new(
            ProblemKind::IntegrityFailure,
            "This user's keys do not open. Nothing was changed; the operator can look into it.",
        ),
        UserKeyError::Unavailable => Problem::new(
            ProblemKind::DependencyUnavailable,
            "The user's keys cannot be reached at the moment. Try again.",
        ),
        UserKeyError::TooManyVersions => Problem::new(
            ProblemKind::InvalidRequest,
            "This user already has the maximum of 1,000 key versions.",
        ),
    }
}

/// The answer to a value that does not open, whatever the cause.
pub(crate) fn does_not_open() -> Problem {
    Problem::new(
        ProblemKind::IntegrityFailure,
        "The value does not open: it was changed, or this user has no key for it.",
    )
}

/// The answer where a user has no keys, or another client has them.
pub(crate) fn no_user() -> Problem {
    Problem::new(ProblemKind::NotFound, "This user has no keys.")
}
