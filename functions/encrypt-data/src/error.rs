//! The problems of users' keys and values.

use caas_crypto::MAX_VERSIONS;
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
        UserKeyError::TooManyVersions => Problem::invalid(format!(
            "This user already has the maximum of {MAX_VERSIONS} key versions."
        )),
    }
}

/// A value does not open, whatever the cause.
pub(crate) fn does_not_open() -> Problem {
    Problem::new(
        ProblemKind::IntegrityFailure,
        "The value does not open: it was changed, or this user has no key for it.",
    )
}

/// The value has the first format.
pub(crate) fn version_1() -> Problem {
    Problem::new(
        ProblemKind::IntegrityFailure,
        "The value has the format caas:v1, which this version of the service does not read.",
    )
}

/// The user has no keys, or belongs to another client.
pub(crate) fn no_user() -> Problem {
    Problem::new(ProblemKind::NotFound, "This user has no keys.")
}
