//! A function that cannot start.

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;

use crate::InvalidSetting;

/// Logs why a function cannot start, and reports it to everybody who invokes the function. A process
/// that ends instead is started again and again, and whoever invokes it waits.
///
/// # Errors
/// There is no Lambda runtime.
pub async fn refuse_invocations(error: InvalidSetting) -> Result<(), Error> {
    tracing::error!(%error, "cannot start");
    let refusal = Diagnostic {
        error_type: "InvalidSetting".to_owned(),
        error_message: error.to_string(),
    };
    let refuse = async |_: LambdaEvent<IgnoredAny>| Err::<(), _>(refusal.clone());
    lambda_runtime::run(service_fn(refuse)).await
}
