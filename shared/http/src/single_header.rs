//! Headers that have one value.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Problem;

/// The value of the header of this name, if there is one.
///
/// # Errors
/// `invalid-request`: there are several.
pub fn single_header<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Problem::invalid(format!("Send the header '{name}' once."))),
    }
}
